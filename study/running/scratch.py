"""A run's own temporary folder: Ray's sockets and logs, Tune's snapshots. Nothing in it is a result."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
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
    for left in filter(_is_ours, PARENT.glob(f"{PREFIX}*")):
        with contextlib.suppress(Timeout, OSError), FileLock(left / "lock", blocking=False):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix="study-new-", dir=PARENT))
    # Another name, which nobody who saw the first one can take.
    folder = PARENT / f"{PREFIX}{secrets.token_hex(4)}"
    with FileLock(made / "lock"):
        # Seen by other runs from here on, and locked by then.
        made.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    """Whether this is a folder that we made: the place is open to all users, who may put links there."""
    try:
        found = path.lstat()
    except OSError:  # another run has just removed it
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
