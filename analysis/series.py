"""The values of one metric over one trial: which step, which value; and numbers computed from them.

A function that takes `values` takes an array [n] in the order of steps and returns a scalar, NaN where n is too small.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]

# A value of a step is a noisy estimate; where a curve is smoothed, it is over this share of its values.
SMOOTHING_SHARE = 0.03


class Series(NamedTuple):
    """The steps [n] at which a metric was measured, from 1, and its values [n]."""

    steps: npt.NDArray[np.int64]
    values: Values


def by_trial(curves: pd.DataFrame, name: str) -> dict[str, Series]:
    """The series of the metric `name` of each trial, by key, from what `Results.curves` gives.

    Steps at which it was not measured, or not as a finite number, are left out; so are trials that have no others.
    """
    every = curves[name].to_numpy(float)
    known = np.flatnonzero(np.isfinite(every))
    steps, values = curves.step.to_numpy()[known], every[known]
    codes, keys = pd.factorize(curves.key)
    places = pd.Series(known).groupby(codes[known], sort=False).indices
    return {str(keys[cast(int, code)]): Series(steps[at], values[at]) for code, at in places.items()}


def smoothing_window(n: int) -> int:
    """Values of the moving average for a series of n, at least 1."""
    return max(1, round(n * SMOOTHING_SHARE))


def smoothed(values: Values) -> Values:
    """The moving average [n] over the last `smoothing_window` values; over fewer at the start."""
    averages: Values = (
        pd.Series(values).rolling(smoothing_window(len(values)), min_periods=1).mean().to_numpy()
    )
    return averages


def last_tenth(values: Values) -> float:
    """Mean over the last 10 % of the values."""
    return float(values[-max(1, len(values) // 10) :].mean()) if len(values) else math.nan


def change_at_the_end(values: Values) -> float:
    """By how much the last 10 % of the values lie above the 10 % before them."""
    tenth = max(1, len(values) // 10)
    before = values[-2 * tenth : -tenth]
    return last_tenth(values) - float(before.mean()) if len(before) else math.nan


def start(series: Series, n: int) -> float:
    """Mean over what was measured at the first n steps."""
    steps, values = series
    values = values[: np.searchsorted(steps, n, side="right")]
    return float(values.mean()) if len(values) else math.nan


def roughness(values: Values) -> float:
    """Mean absolute change from one value to the next over the second half, where the trend is over."""
    changes = np.abs(np.diff(values[len(values) // 2 :]))
    return float(changes.mean()) if len(changes) else math.nan


def rises_then_drops(values: Values, level: float, margin: float) -> bool:
    """Whether it came 4 margins or more above the level, smoothed, and ended within a margin of it."""
    return bool(smoothed(values).max() >= level + 4 * margin and abs(last_tenth(values) - level) <= margin)
