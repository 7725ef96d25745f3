"""Who hears of a run's trials while it goes on."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Is called in the process that runs the study, with a trial's key."""

    def reported(self, key: str) -> None:
        """The trial is trained by this run, and got further. Called about once a second, so it has to be quick."""

    def finished(self, key: str) -> None:
        """The trial's result is committed."""


class _Nobody:
    def reported(self, key: str) -> None:
        pass

    def finished(self, key: str) -> None:
        pass


NOBODY: Listener = _Nobody()
