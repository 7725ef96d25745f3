"""What a trial measured: for each metric, the steps at which it was, and the values."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from study.errors import StudyError, did_you_mean
from study.metric import Metric
from study.store.curve_file import MOST_VALUES

Values = npt.NDArray[np.float64]


class History:
    """The series of a trial's metrics. Steps count from 1; `step` is how many are done.

    `diverged` once a value was not finite: the series end with that step.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self.step = 0
        self.diverged = False
        names = dict.fromkeys(metric.series for metric in metrics)
        # Columns of the curve are the steps and these.
        self.most_steps = MOST_VALUES // (1 + len(names))
        self._steps = {name: array("q") for name in names}
        self._values = {name: array("d") for name in names}

    def add(self, rows: Iterable[Mapping[str, float]]) -> None:
        """The values of the next steps, one mapping each. What comes after a value that is not finite is dropped.

        Raises StudyError where there are more steps than a curve may have.
        """
        for row in rows:
            if self.diverged:
                return
            if self.step >= self.most_steps:
                raise StudyError(self.too_long(self.step + 1))
            self.step += 1
            for name, value in row.items():
                self._steps[name].append(self.step)
                self._values[name].append(value)
                self.diverged = self.diverged or not math.isfinite(value)

    def too_long(self, steps: int) -> str:
        """What is said of a trial of so many steps."""
        return f"measures at {steps:,} steps, more than {self.most_steps:,}: let a step do more, and measure less often"

    def checked(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a step returned, if it is a mapping of declared metrics. Raises StudyError."""
        if not isinstance(row, Mapping):
            raise StudyError(
                f"a step returned {_kind(row)}, not a mapping of metrics such as {{'loss': 0.3}}"
            )
        for name in row.keys() - self._values.keys():
            if name in self.metrics:
                raise StudyError(
                    f"measures {name!r}, which is declared as what {self.metrics[name].of!r} counts as"
                )
            raise StudyError(
                f"measures {name!r}, which is no declared metric{did_you_mean(str(name), self._values)} "
                f"(declared: {', '.join(self._values)}; metrics = (..., study.lower({str(name)!r})) would add it)"
            )
        return row

    def series(self, name: str) -> tuple[npt.NDArray[np.int64], Values]:
        """The steps and the values of a metric (or of the one that it counts)."""
        name = self.metrics[name].series
        return np.array(self._steps[name], np.int64), np.array(self._values[name], np.float64)

    def value(self, name: str, until: int | None = None) -> float | None:
        """What the series counts as so far, or counted as after the step `until`; None before it was measured."""
        steps, values = self.series(name)
        return self.metrics[name].value_of(values if until is None else values[steps <= until])

    def values(self) -> dict[str, float]:
        """The same of every metric that was measured."""
        return {name: value for name in self.metrics if (value := self.value(name)) is not None}

    def at(self) -> dict[str, int]:
        """For each metric that was measured the step of its value: of the best one, or else of the last."""
        found = {}
        for name, metric in self.metrics.items():
            steps, values = self.series(name)
            if len(steps):
                place = int((metric.sign * values).argmax()) if metric.counts == "best" else -1
                found[name] = int(steps[place])
        return found

    def unmeasured(self) -> list[str]:
        """The metrics that had to be measured and were not."""
        return [
            name
            for name, metric in self.metrics.items()
            if not metric.optional and not self._steps[metric.series]
        ]

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        values = self._values[self.metrics[name].series]
        return values[-1] if values else None

    def columns(self) -> dict[str, Any]:
        """The curve: `step`, and for each metric an array [steps] and where it was measured, bool [steps]."""
        steps = np.arange(1, self.step + 1)
        columns: dict[str, Any] = {"step": steps}
        for name, measured in self._steps.items():
            values, known = np.full(self.step, np.nan), np.zeros(self.step, bool)
            at = np.array(measured, np.int64) - 1
            values[at], known[at] = np.array(self._values[name]), True
            columns[name] = (values, known)
        return columns

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "step": self.step,
            "steps": {name: np.array(steps, np.int64) for name, steps in self._steps.items()},
            "values": {name: np.array(values, np.float64) for name, values in self._values.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there. Raises ValueError where it is not a history of these metrics."""
        step, steps, values = int(state["step"]), state["steps"], state["values"]
        if not steps.keys() == values.keys() == self._steps.keys():
            raise ValueError("it has other metrics")
        if not 0 <= step <= self.most_steps:
            raise ValueError(self.too_long(step))
        for name in steps:
            at = np.asarray(steps[name], np.int64)
            whole = at.ndim == 1 and at.shape == np.shape(values[name]) and (at[1:] > at[:-1]).all()
            if not whole or (len(at) and not (at[0] >= 1 and at[-1] <= step)):
                raise ValueError(f"its series of {name} is none")
            if not np.isfinite(np.asarray(values[name], np.float64)).all():
                raise ValueError(f"its series of {name} diverged")
        self.step = step
        self._steps = {name: array("q", np.asarray(one, np.int64).tobytes()) for name, one in steps.items()}
        self._values = {
            name: array("d", np.asarray(one, np.float64).tobytes()) for name, one in values.items()
        }


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
