"""The values of one metric over one trial: which step, which value; and numbers computed from them.

A function that takes `values` takes an array [n] in the order of steps and returns a scalar, NaN where n is too small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]

# A value of a step is a noisy estimate; where a curve is smoothed, it is over this share of its values.
SMOOTHING_SHARE = 0.03
# The end of a series, of which its pace is taken.
END_SHARE = 0.3
# In how many blocks series are cut. Where they have not the same length, so many values of the shortest at least are in
# a block, so that blocks have about as many.
MOST_BLOCKS, FEWEST_BLOCKS, FEWEST_IN_BLOCK = 100, 4, 5


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


def pace_at_the_end(values: Values) -> float:
    """By how much they would change, were the series to go on for as long again at the pace of its last 30 %.

    That is the slope of the least-squares line through the last 30 % of the values, times their number.
    """
    n = len(values)
    last = values[n - max(2, round(n * END_SHARE)) :] if n > 1 else values[:0]
    if not len(last):
        return math.nan
    places = np.arange(len(last)) - (len(last) - 1) / 2
    return float(n * (places * last).sum() / (places**2).sum())


def start(series: Series, n: int) -> float:
    """Mean over what was measured at the first n steps."""
    steps, values = series
    values = values[: np.searchsorted(steps, n, side="right")]
    return float(values.mean()) if len(values) else math.nan


def blocks_of(lengths: Sequence[int]) -> int:
    """In how many blocks series of these lengths are cut to compare their roughness; 0 where they are too short."""
    if not lengths:
        return 0
    same, shortest = len(set(lengths)) == 1, min(lengths)
    blocks = min(MOST_BLOCKS, shortest if same else shortest // FEWEST_IN_BLOCK)
    return blocks if blocks >= FEWEST_BLOCKS else 0


def roughness(values: Values, blocks: int) -> float:
    """How much the changes from one block to the next scatter over the second half: their mean absolute deviation.

    A block is an equal share of the series, and counts as its mean. So series that estimate their values from as many
    cases in all, with few large batches or many small ones, have as much noise in a block. A steady rise is not rough.
    """
    if not FEWEST_BLOCKS <= blocks <= len(values):
        return math.nan
    starts = np.arange(blocks) * len(values) // blocks
    means = np.add.reduceat(values, starts) / np.diff(starts, append=len(values))
    changes = np.diff(means[blocks // 2 :])
    return float(np.abs(changes - changes.mean()).mean())


def rises_then_drops(values: Values, level: float, margin: float) -> bool:
    """Whether it came 4 margins or more above the level, smoothed, and ended within a margin of it."""
    return bool(smoothed(values).max() >= level + 4 * margin and abs(last_tenth(values) - level) <= margin)
