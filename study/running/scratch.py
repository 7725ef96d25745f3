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

from study.errors import StudyError

USUAL = Path("/tmp")
# Sockets' paths may have 107 bytes at most, of which Ray's and our own names take 85.
MOST_IN_PATH = 22
# Ray's logs and sockets take a few MB, and it hangs where they can't be written.
LEAST_FREE_BYTES = 32 * 1024**2
PREFIX = "study-run-"


def parent() -> Path:
    """Where such folders are made: TMPDIR, unless its path is too long for Ray's sockets; else /tmp."""
    given = os.environ.get("TMPDIR")
    if given and (len(os.fsencode(given)) <= MOST_IN_PATH or not USUAL.is_dir()):
        return Path(given)
    return USUAL if USUAL.is_dir() else Path(tempfile.gettempdir())


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A new folder, removed at the end; those of killed runs are removed first.

    A run holds a lock in its folder as long as it lives, however it ends. Raises StudyError where it can't be made, or
    has no space.
    """
    place = parent()
    for left in filter(_is_ours, place.glob(f"{PREFIX}*")):
        with contextlib.suppress(Timeout, OSError), FileLock(left / "lock", blocking=False):
            shutil.rmtree(left, ignore_errors=True)
    made = _made_in(place)
    # Another name, which nobody who saw the first one can take.
    folder = place / f"{PREFIX}{secrets.token_hex(4)}"
    with FileLock(made / "lock"):
        # Seen by other runs from here on, and locked by then.
        made.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _made_in(place: Path) -> Path:
    try:
        if (free := shutil.disk_usage(place).free) < LEAST_FREE_BYTES:
            raise OSError(
                f"it has {free / 1024**2:.0f} MB free, of {LEAST_FREE_BYTES / 1024**2:.0f} MB needed"
            )
        made = Path(tempfile.mkdtemp(prefix="study-new-", dir=place))
        try:
            (made / "lock").write_bytes(bytes(4096))  # a quota may be used up where the disk is not
            (made / "lock").write_bytes(b"")
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        longer = f", of at most {MOST_IN_PATH} characters" if place == USUAL else ""
        raise StudyError(
            f"The folder for temporary files, {place}, can't be used: {error.strerror or error}. "
            f"Set TMPDIR to another folder{longer}."
        ) from None
    return made


def _is_ours(path: Path) -> bool:
    """Whether this is a folder that we made: the place is open to all users, who may put links there."""
    try:
        found = path.lstat()
    except OSError:  # another run has just removed it
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
