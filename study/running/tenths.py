"""The tenths of a trial's steps: there schedulers look at it, so that what they decide depends on no clock."""

from __future__ import annotations

from study.lineage import TENTHS, end_of
from study.running.history import History


def tenths_done(step: int, steps: int | None) -> int:
    """How many tenths are done, 0 to 10."""
    return TENTHS * step // steps if steps else 0


def steps_to_next(step: int, steps: int) -> int:
    """How many steps are left to the end of the tenth in which it is, at least 1 before the last step."""
    return end_of(tenths_done(step, steps) + 1, steps) - step


class Followed:
    """What a metric counted as at the ends of a trial's tenths: a list of up to 10, None where it was not measured."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.values: list[float | None] = []

    def look(self, history: History, steps: int | None) -> list[float | None]:
        """The same, with the tenths that are done by now."""
        for tenth in range(len(self.values) + 1, tenths_done(history.step, steps) + 1):
            self.values.append(history.value(self._name, end_of(tenth, steps or 0)))
        return self.values
