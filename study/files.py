"""Files that are whole or absent, on any filesystem, and writes that are tried again before they fail."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import defaultdict
from collections.abc import Callable
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

from study.config import StudyError

Result = TypeVar("Result")

TEMPORARY = ".tmp"
# Five attempts within about three seconds: a short failure of a disk or a network is not a failed trial.
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2


class StorageError(StudyError):
    """A file could not be written, or a folder not be read, however often it was tried."""


def is_local(path: UPath) -> bool:
    """Whether the path is on a filesystem that the operating system knows."""
    return path.protocol in ("", "file")


def write(path: UPath, content: bytes) -> None:
    """Write so that the file is whole or absent after any crash. Raises StorageError where it can't be.

    Locally that is a temporary name, flushed, renamed, and the folder flushed. An object store's put is
    atomic by itself.
    """
    _tried("written", path, _put if is_local(path) else UPath.write_bytes, path, content)


def read(path: UPath) -> bytes | None:
    """The file's content, or None where there is no such file. Raises StorageError where it can't be read."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return _tried("read", path, path.read_bytes)
    return None


def exists(path: UPath) -> bool:
    """Whether there is such a file. Raises StorageError where that can't be known."""
    return _tried("read", path, path.exists)


def remove(path: UPath) -> None:
    """Remove a file that may be gone already. Raises StorageError where it can't be removed."""
    with contextlib.suppress(FileNotFoundError):
        _tried("removed", path, path.unlink)


def files_in(folder: UPath) -> list[UPath]:
    """The files in a folder that may not exist. Raises StorageError where it can't be read."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return _tried("read", folder, lambda: list(folder.iterdir()))
    return []


def names_by_folder(root: UPath) -> dict[str, set[str]]:
    """The names of the files in each folder of `root`, in one listing.

    Raises StorageError where it can't be read.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return _tried("read", root, _list if is_local(root) else _find, root)
    return {}


def remove_temporary(folder: UPath) -> None:
    """Remove what a killed process left half written in this folder.

    Another process that is just writing there loses its temporary file, and writes it again.
    """
    if is_local(folder):
        for path in files_in(folder):
            if path.name.endswith(TEMPORARY):
                remove(path)


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _tried(verb: str, path: UPath, action: Callable[..., Result], *arguments: object) -> Result:
    """What the action gives; FileNotFoundError and NotADirectoryError as they come, unless it writes."""
    absent = (FileNotFoundError, NotADirectoryError) if verb != "written" else ()
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(FIRST_PAUSE_SECONDS),
        retry=retry_if_exception_type(Exception) & retry_if_not_exception_type((PermissionError, *absent)),
        reraise=True,
    )
    try:
        return attempts(action, *arguments)
    except absent:
        raise
    except Exception as error:  # an object store's client raises errors of its own
        raise StorageError(f"{path} can't be {verb}: {reason(error)}") from error


def _list(root: UPath) -> dict[str, set[str]]:
    found = {}
    with os.scandir(root.path) as folders:
        for folder in folders:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder.path) as names:
                found[folder.name] = {file.name for file in names}
    return found


def _find(root: UPath) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for file in root.fs.find(root.path):
        folder, name = file.rsplit("/", 2)[-2:]
        found[folder].add(name)
    return found


def _put(path: UPath, content: bytes) -> None:
    final = Path(path.path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
