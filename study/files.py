"""Files that are whole or absent, on any filesystem, and writes that are tried again before they fail."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential
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
    put = _put_local if is_local(path) else UPath.write_bytes
    try:
        _attempts(put, path, content)
    except Exception as error:  # an object store's client raises errors of its own
        raise StorageError(f"{path} can't be written: {reason(error)}") from error


def read(path: UPath) -> bytes | None:
    """The file's content, or None where there is no such file. Raises StorageError where it can't be read."""
    try:
        return _attempts(path.read_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:
        raise StorageError(f"{path} can't be read: {reason(error)}") from error


def remove(path: UPath) -> None:
    """Remove a file that may be gone already. Raises StorageError where it can't be removed."""
    try:
        _attempts(path.unlink)
    except FileNotFoundError:
        return
    except Exception as error:
        raise StorageError(f"{path} can't be removed: {reason(error)}") from error


def names_by_folder(root: UPath) -> dict[str, set[str]]:
    """The names of the files in each folder of `root`, in one listing."""
    found: dict[str, set[str]] = defaultdict(set)
    if not is_local(root):
        with contextlib.suppress(FileNotFoundError):
            for file in root.fs.find(root.path):
                folder, name = file.rsplit("/", 2)[-2:]
                found[folder].add(name)
        return found
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(root.path) as folders:
        for folder in folders:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                found[folder.name].update(file.name for file in Path(folder.path).iterdir())
    return found


def remove_temporary(folder: UPath) -> None:
    """Remove what a killed process left half written in this folder.

    Another process that is just writing there loses its temporary file, and writes it again.
    """
    if is_local(folder) and folder.is_dir():
        for path in folder.glob(f".*{TEMPORARY}"):
            remove(path)


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _may_pass(error: BaseException) -> bool:
    lasting = (FileNotFoundError, NotADirectoryError, PermissionError)
    return isinstance(error, Exception) and not isinstance(error, lasting)


def _attempts(action: Callable[..., Result], *arguments: object) -> Result:
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(FIRST_PAUSE_SECONDS),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    return attempts(action, *arguments)


def _put_local(path: UPath, content: bytes) -> None:
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
