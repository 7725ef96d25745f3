"""The trials that a plan's searches suggest, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.declare.searches import searched_configs
from study.plan import Trial
from study.search.search import Search


class Searches:
    """The `Source` of a plan's searches (study.plan)."""

    def __init__(self, searches: Sequence[Search]) -> None:
        self.searches = list(searches)
        self.samples = [trial for search in searches for trial in search.samples()]
        self._of: dict[str, list[Search]] = {}
        self._failed: dict[str, bool] = {}  # of the trials that have ended, by key

    @property
    def left(self) -> int:
        """How many trials may still be given."""
        return sum(search.left() + search.waiting for search in self.searches)

    def configs(self) -> list[tuple[str, Any]]:
        """Trainings' names and hyperparameters, in which each choice of the searches occurs."""
        return [
            (search.study.kind.called(), config)
            for search in self.searches
            for config in searched_configs(search.study)
        ]

    def known(self) -> list[str]:
        """The keys of suggested trials that have ended, in the order of their ends."""
        return [key for search in self.searches for key in search.outcomes.order]

    @property
    def waits(self) -> bool:
        """Whether one of them waits for trials that it suggested."""
        return any(search.waits for search in self.searches)

    def next(self) -> Trial | None:
        """The next suggestion of the first search that has one."""
        for search in self.searches:
            while trial := search.next():
                of = self._of.setdefault(trial.key, [])
                if search not in of:
                    of.append(search)
                if trial.key not in self._failed or trial.until is not None:
                    return trial
                search.ended(trial.key, self._failed[trial.key])  # another search has tried it
        return None

    def ended(self, trial: Trial, failed: bool = False) -> None:
        """A trial has ended, a suggested one or not."""
        self._failed[trial.key] = failed
        for search in self._of.get(trial.key, ()):
            search.ended(trial.key, failed)

    def best(self) -> str:
        """The best that each search has found so far, as a text; empty before there is anything."""
        return ", ".join(filter(None, (search.best() for search in self.searches)))
