"""The page of a storage for the time of a run: another process serves it, and ends with this one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from study.errors import StudyError

GRACE_SECONDS = 10.0


@contextlib.contextmanager
def served_beside(storage: str, port: int) -> Iterator[str]:
    """What the other process says of itself: the page's address and what it shows.

    Raises StudyError where it can't be served; what is wrong has been said on stderr then.
    """
    words = ["serve", "--storage", storage, "--port", str(port), "--with-stdin"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "study", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the run, whose end ends this
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        said = process.stdout.readline().strip()
        if not said:
            raise StudyError("--serve: the page can't be served, so nothing was begun.")
        yield said
    finally:
        process.stdin.close()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
