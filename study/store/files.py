"""The files under one folder or URL: whole or absent, on any filesystem, and tried again before they fail."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_exponential,
)
from upath import UPath

from study.errors import StudyError
from study.store.local_files import TEMPORARY, Listed, LocalFiles, NotPlain

Result = TypeVar("Result")

# Five attempts within about three seconds: a short failure of a disk or a network is not a failed trial.
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2
# The most that is read of a file where nothing else is said.
MOST_BYTES = 64 * 1024**2
# What a file that is not there raises.
ABSENT = (FileNotFoundError, NotADirectoryError)


def _unless(lasting: tuple[type[Exception], ...]) -> Retrying:
    """Tries again what failed, unless so that it would always fail."""
    return Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(FIRST_PAUSE_SECONDS),
        retry=retry_if_exception_type(Exception) & retry_if_not_exception_type(lasting),
        reraise=True,
    )


_READING = _unless((PermissionError, NotPlain, *ABSENT))
_WRITING = _unless((PermissionError, NotPlain))


class StorageError(StudyError):
    """A file could not be written, or a folder not be read, however often it was tried."""


class RefusedFile(StorageError):
    """What lies at a file's place is a link, a pipe or a folder, or larger than such a file can be."""


class Files:
    """The files under `root`, a folder of this machine or a URL.

    Every path is relative to it (`trials/<key>/result.json`), and nothing is followed out of it: no link, no
    `..`. Every method raises StorageError where the filesystem lastingly refuses.
    """

    def __init__(self, root: UPath) -> None:
        self.root = root
        self._at: LocalFiles | _ObjectFiles
        self._at = LocalFiles(Path(root.path)) if is_local(root) else _ObjectFiles(root)
        self._shown = str(root).rstrip("/")

    def where(self, path: str) -> str:
        """The whole path or URL of a file, for messages."""
        return f"{self._shown}/{path}"

    def write(self, path: str, content: bytes) -> UPath:
        """Write so that the file is whole or absent after any crash; where it lies.

        On this machine that is a temporary name, flushed, renamed, and the folder flushed. An object store's
        put is atomic by itself.
        """
        self._tried("written", path, self._at.write, content)
        return self.root / path

    def append(self, path: str, content: bytes) -> None:
        """Add to a file's end, so that whoever reads it sees it grow. After a crash it may end in the middle.

        It is not tried again, which could add the content twice. An object store writes the whole object anew.
        """
        self._once("written", path, self._at.append, content)

    def read(self, path: str, most: int = MOST_BYTES) -> bytes | None:
        """The file's content, or None where there is no such file.

        Raises RefusedFile where it is no plain file, or has more than `most` bytes.
        """
        with contextlib.suppress(*ABSENT):
            return self._tried("read", path, self._at.read, most)
        return None

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return self._tried("read", path, self._at.exists)

    def remove(self, path: str) -> None:
        """Remove a file that may be gone already."""
        with contextlib.suppress(*ABSENT):
            self._tried("removed", path, self._at.remove)

    def names(self, folder: str) -> list[str]:
        """The names in a folder, which may not exist."""
        with contextlib.suppress(*ABSENT):
            return self._tried("read", folder, self._at.names)
        return []

    def names_by_folder(self, folder: str, known: Listed | None = None) -> dict[str, set[str]]:
        """The names in each folder of a folder, in one listing.

        Whoever lists it again and again gives a dict `known`, in which it is kept what need not be listed anew.
        """
        with contextlib.suppress(*ABSENT):
            return self._tried("read", folder, self._at.names_by_folder, known)
        return {}

    def make_folder(self, folder: str) -> Path | None:
        """Make a folder for what others write there; its path, or None where nothing needs one."""
        return self._tried("written", folder, self._at.make_folder)

    def remove_temporary(self, folder: str) -> None:
        """Remove what a killed process left half written in this folder.

        Another process that is just writing there loses its temporary file, and writes it again.
        """
        for name in self.names(folder) if is_local(self.root) else ():
            if is_temporary(name):
                self.remove(f"{folder}/{name}")

    def _tried(self, verb: str, path: str, action: Callable[..., Result], *arguments: object) -> Result:
        """What the action gives; FileNotFoundError and NotADirectoryError as they come, unless it writes."""
        again = _WRITING if verb == "written" else _READING
        return self._once(verb, path, partial(again, action), *arguments)

    def _once(self, verb: str, path: str, action: Callable[..., Result], *arguments: object) -> Result:
        if not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise RefusedFile(f"{self.where(path)} leads out of {self.root}")
        absent = () if verb == "written" else ABSENT
        try:
            return action(path, *arguments)
        except absent:
            raise
        except NotPlain as error:
            raise RefusedFile(f"{self.where(path)} {error.strerror}: it can't be {verb}") from None
        except Exception as error:  # an object store's client raises errors of its own
            raise StorageError(f"{self.where(path)} can't be {verb}: {reason(error)}") from error


class _ObjectFiles:
    """The same of an object store, which has neither links nor half a file."""

    def __init__(self, root: UPath) -> None:
        self._root = root

    def write(self, path: str, content: bytes) -> None:
        (self._root / path).write_bytes(content)

    def append(self, path: str, content: bytes) -> None:
        before = (self._root / path).read_bytes() if self.exists(path) else b""
        self.write(path, before + content)

    def read(self, path: str, most: int) -> bytes:
        with (self._root / path).open("rb") as file:
            content: bytes = file.read(most + 1)
        if len(content) > most:
            raise NotPlain(0, f"has more than {most:,} bytes")
        return content

    def exists(self, path: str) -> bool:
        return (self._root / path).exists()

    def remove(self, path: str) -> None:
        (self._root / path).unlink()

    def names(self, folder: str) -> list[str]:
        return [path.name for path in (self._root / folder).iterdir()]

    def names_by_folder(self, folder: str, known: Listed | None) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for file in self._root.fs.find((self._root / folder).path):
            inner, name = file.rsplit("/", 2)[-2:]
            found[inner].add(name)
        return found

    def make_folder(self, folder: str) -> None:
        """Nothing: an object's key is all its place."""


def is_local(path: UPath) -> bool:
    """Whether the path is on a filesystem that the operating system knows."""
    return path.protocol in ("", "file")


def is_temporary(name: str) -> bool:
    """Whether a file's name is one under which another is written."""
    return re.fullmatch(rf"\..+\..+{re.escape(TEMPORARY)}", name) is not None


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).split("\n")[0]
