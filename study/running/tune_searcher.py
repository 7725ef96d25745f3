"""Ray Tune's view of trials that are handed out one after the other: a Searcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher

from study.plan import Trial
from study.running.handing import Handing
from study.running.resources import Resources


@dataclass(frozen=True)
class Handed:
    """A trial, its config as plain data, and its share of a node, on its way to the process that trains it."""

    trial: Trial
    share: Resources


class TuneSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune a configuration for each place that is handed out.

    `failed` says of a place whether its trial failed, and `to_repeat` the places of those that are to be started again.
    """

    def __init__(
        self,
        handing: Handing,
        handed: Callable[[int], Handed],
        failed: Callable[[int], bool],
        to_repeat: Callable[[], list[int]],
    ) -> None:
        super().__init__()
        self._handing, self._handed, self._failed, self._to_repeat = handing, handed, failed, to_repeat
        self._places: dict[str, int] = {}
        self._ended: list[int] = []
        self.over = False

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration; called by Tune when a trial may start."""
        self.settle()
        place = self._handing.take()
        if place is None and self._handing.waits:
            return None
        if place is None:
            self.over = True
            return str(Searcher.FINISHED)
        self._places[trial_id] = place
        return {"trial": place, "handed": self._handed(place)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A trial ended; why is known when Tune has told our callback too."""
        self._ended.append(self._places.pop(trial_id))

    def settle(self) -> list[int]:
        """Pass on what has ended since; the places of what is started again after all others."""
        again = self._to_repeat()
        for place in self._ended:
            if place not in again:
                self._handing.ended(place, self._failed(place))
        self._ended.clear()
        for place in again:
            self.over = False
            self._handing.again(place)
        return again

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **_: Any) -> bool:
        """Tune's own metric, direction and space, of which there are none."""
        return True

    def save(self, checkpoint_path: str) -> None:
        """Called by Tune for a snapshot that is never restored from."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called."""
