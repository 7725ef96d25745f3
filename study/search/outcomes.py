"""What came of the trials of a search, as the storage has it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from study.declare.study import Study
from study.store.records import Damaged
from study.store.trial_store import TrialStore


@dataclass(frozen=True)
class Outcome:
    """`values` of the objectives, as they were measured, or as a diverged trial counts; None where there are none. Of a
    trial that a scheduler stopped early, the step and the value of the metric that is watched.
    """

    values: tuple[float, ...] | None = None
    stopped_at: tuple[int, float] | None = None
    diverged: bool = False


class Outcomes:
    """Outcomes by key; `order` has the keys in the order in which their trials ended, with their places in it.

    A trial that diverged counts as the metric's `worst`; where it has none, as the worst trial before it, so that no
    sampler looks for more of its kind.
    """

    def __init__(self, study: Study, store: TrialStore, keep_stopped: bool) -> None:
        self._study, self._store, self._keep_stopped = study, store, keep_stopped
        self._found: dict[str, Outcome] = {}
        self._failed: set[str] = set()
        self.order: dict[str, int] = {}
        self.damaged: dict[str, str] = {}

    def known(self, key: str) -> bool:
        """Whether this trial has ended."""
        return key in self.order

    def stored(self, keys: Iterable[str]) -> set[str]:
        """Which of these have ended in an earlier run; from now on they are known. One that can't be read has not."""
        states, keys = self._store.states(), dict.fromkeys(keys)
        self.damaged = self._store.damaged(states.finished & keys.keys())
        over = states.finished | states.stopped if self._keep_stopped else states.finished
        ended = [key for key in keys if key in over - self.damaged.keys()]
        for key in ended:
            self.ended(key)
        return set(ended)

    def ended(self, key: str, failed: bool = False) -> None:
        """This trial has ended."""
        if failed:
            self._failed.add(key)
        self.order.setdefault(key, len(self.order))

    def of(self, key: str) -> Outcome:
        """What came of a trial that has ended."""
        if key not in self._found:
            self._found[key] = Outcome() if key in self._failed else self._read(key)
        return self._found[key]

    def _read(self, key: str) -> Outcome:
        try:
            if not self._store.has(key):
                why, metrics = self._store.stopped(key), self._study.metrics
                # As the objective has it: lower is better, or higher.
                sign = metrics[self._study.watched].sign * metrics[self._study.objective[0]].sign
                watched = why["watched"]
                return Outcome(stopped_at=None if watched is None else (why["step"], sign * watched))
            result = self._store.result(key)
        except Damaged:
            return Outcome()
        diverged = result["status"] == "diverged"
        values = [
            self._worst(i) if diverged else result["metrics"].get(name)
            for i, name in enumerate(self._study.objective)
        ]
        known = [value for value in values if value is not None and math.isfinite(value)]
        return Outcome(tuple(known) if len(known) == len(values) else None, diverged=diverged)

    def _worst(self, objective: int) -> float | None:
        metric = self._study.metrics[self._study.objective[objective]]
        if metric.worst is not None:
            return metric.worst
        before = [one.values[objective] for one in self._found.values() if one.values]
        return min(before, key=lambda value: metric.sign * value, default=None)
