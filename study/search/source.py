"""The trials of a plan with searches, one after the other: those that are suggested, then those that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.plan import Trial
from study.search.search import Search


class Searches:
    """The `Source` of a plan's searches (study.plan)."""

    def __init__(self, searches: Sequence[Search], samples: Sequence[Trial]) -> None:
        self.searches, self.samples = list(searches), list(samples)
        self._of: dict[str, list[Search]] = {}

    @property
    def left(self) -> int:
        """How many trials may still be given."""
        return sum(search.left() + search.waiting for search in self.searches)

    def configs(self) -> list[tuple[str, Any]]:
        """Trainings' names and hyperparameters, in which each choice of the searches occurs."""
        return [
            (search.study.kind.called(), config) for search in self.searches for config in search.configs()
        ]

    def next(self) -> Trial | None:
        """The next suggestion of the first search that has one."""
        for search in self.searches:
            if trial := search.next():
                self._of.setdefault(trial.key, []).append(search)
                return trial
        return None

    def ended(self, trial: Trial, failed: bool = False) -> None:
        """A suggested trial has ended."""
        for search in self._of.get(trial.key, ()):
            search.outcomes.ended(trial.key, failed)

    def best(self) -> str:
        """The best that each search has found so far, as a text; empty before there is anything."""
        return ", ".join(filter(None, (search.best() for search in self.searches)))
