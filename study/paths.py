"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

from study.errors import StudyError


def expanded(given: str | Path) -> Path:
    """`~/results` as the folder in one's home, which a shell leaves as it is in `--storage=~/results`.

    Raises StudyError for the home of a user whom the system does not know.
    """
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise StudyError(f"{given}: {error}") from None


def check_current_folder() -> None:
    """Raises StudyError where the current folder was deleted, from which every relative path would start."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise StudyError("The current folder was deleted: change to another (cd).") from None
