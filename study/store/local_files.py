"""Files of this machine below one folder, reached through it folder by folder: no link is followed out of it.

The folder itself may be reached through links, as its user named it. What lies in it may come from anybody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

# The end of a name under which a file is written, before it takes its own.
TEMPORARY = ".tmp"
# Of each folder in a folder when it was changed (ns since 1970), and the names in it.
Listed = dict[str, tuple[int, set[str]]]
# Times of change are as coarse as the filesystem has them: of two changes within this time one may not be seen.
SETTLED_NS = 3_000_000_000


class NotPlain(OSError):
    """What lies at a file's place is something else, such as a link or a pipe, or larger than it may be."""


class LocalFiles:
    """Every path is relative to `root`: `trials/<key>/result.json`. Raises OSError as the system does."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, content: bytes) -> None:
        """Write a temporary file, flush it, rename it, and flush the folder."""
        with self._folder_of(path, make=True) as (folder, name):
            temporary = f".{name}.{uuid.uuid4().hex}{TEMPORARY}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            try:
                with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=folder), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            os.fsync(folder)

    def append(self, path: str, content: bytes) -> None:
        """Add to the end of a file, which is made where there is none."""
        with self._folder_of(path, make=True) as (folder, name):
            # Without O_NONBLOCK a pipe would be waited for.
            opened = _open(name, folder, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
            with os.fdopen(opened, "ab") as file:
                if not stat.S_ISREG(os.fstat(opened).st_mode):
                    raise NotPlain(errno.EINVAL, "is no plain file")
                file.write(content)

    def read(self, path: str, most: int) -> bytes:
        """The content. Raises NotPlain where it has more than `most` bytes."""
        folders, _, name = path.rpartition("/")
        folder = self._descriptor(folders)
        try:
            # Without O_NONBLOCK a pipe would be waited for.
            opened = _open(name, folder, os.O_RDONLY | os.O_NONBLOCK)
        finally:
            os.close(folder)
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                raise NotPlain(errno.EINVAL, "is no plain file")
            if found.st_size > most:
                raise NotPlain(errno.EFBIG, f"has {found.st_size:,} bytes, more than {most:,}")
            # A file that grows meanwhile is read as it was.
            with os.fdopen(opened, "rb", closefd=False) as file:
                return file.read(found.st_size)
        finally:
            os.close(opened)

    def exists(self, path: str) -> bool:
        """Whether something of this name is there, be it a link that leads nowhere."""
        try:
            with self._folder_of(path) as (folder, name):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file, or a link itself."""
        with self._folder_of(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def names(self, folder: str) -> list[str]:
        """What lies in a folder."""
        with self._opened(folder) as opened:
            return _names(opened)

    def names_by_folder(self, folder: str, known: Listed | None = None) -> dict[str, set[str]]:
        """What lies in each folder of a folder. Of `known` ones that did not change since it is taken from there."""
        found = {}
        with self._opened(folder) as opened, os.scandir(opened) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError, NotPlain):
                    changed = entry.stat(follow_symlinks=False).st_mtime_ns if known is not None else 0
                    if known and entry.name in known and known[entry.name][0] == changed:
                        found[entry.name] = known[entry.name][1]
                        continue
                    listed_at = time.time_ns()
                    inner = _open(entry.name, opened, os.O_RDONLY | os.O_DIRECTORY)
                    try:
                        found[entry.name] = set(_names(inner))
                    finally:
                        os.close(inner)
                    if known is not None and listed_at - changed > SETTLED_NS:
                        known[entry.name] = changed, found[entry.name]
        return found

    def make_folder(self, folder: str) -> Path:
        """Make a folder where there is none; its path."""
        with self._opened(folder, make=True):
            return self._root / folder

    @contextlib.contextmanager
    def _folder_of(self, path: str, make: bool = False) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder of a file, and the file's name in it."""
        folders, _, name = path.rpartition("/")
        with self._opened(folders, make) as folder:
            yield folder, name

    @contextlib.contextmanager
    def _opened(self, folder: str, make: bool = False) -> Iterator[int]:
        opened = self._descriptor(folder, make)
        try:
            yield opened
        finally:
            os.close(opened)

    def _descriptor(self, folder: str, make: bool = False) -> int:
        """Open a folder, one after the other; its descriptor, to be closed."""
        if make:
            self._root.mkdir(parents=True, exist_ok=True)
        opened = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in folder.split("/") if folder else ():
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=opened)
                inner = _open(name, opened, os.O_RDONLY | os.O_DIRECTORY)
                os.close(opened)
                opened = inner
        except BaseException:
            os.close(opened)
            raise
        return opened


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _open(name: str, folder: int, flags: int) -> int:
    """Open what lies in the folder under this name. Raises NotPlain for a link."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666, dir_fd=folder)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                is_folder = flags & os.O_DIRECTORY
                where = f"lies behind the link {name!r}" if is_folder else "is a link"
                raise NotPlain(errno.ELOOP, f"{where}, which is not followed") from None
        raise
