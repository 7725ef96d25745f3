"""A run's own temporary folder: Ray's sockets and logs, Tune's snapshots. Nothing in it is a result."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

# Sockets' paths may have 107 bytes at most, and Ray's are long: a short folder where there is one.
PARENT = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
PREFIX = "study-run-"


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A new folder, removed at the end; those of killed runs are removed first.

    A run holds a lock in its folder as long as it lives, however it ends.
    """
    for left in PARENT.glob(f"{PREFIX}*"):
        with contextlib.suppress(Timeout, OSError), FileLock(left / "lock", blocking=False):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix="study-new-", dir=PARENT))
    folder = made.with_name(made.name.replace("study-new-", PREFIX))
    with FileLock(made / "lock"):
        # Seen by other runs from here on, and locked by then.
        made.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
