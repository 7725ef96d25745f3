"""Statistics over seeds: arrays in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """The mean of n values, their standard deviation, and half the width of the mean's 95 % interval.

    sd and half_width are NaN where n < 2: one value says nothing about spread.
    """

    n: int
    mean: float
    sd: float
    half_width: float


def mean_of(values: npt.ArrayLike) -> Mean:
    """Mean and 95 % t interval of values [n]; NaN are left out (diverged or missing trials)."""
    array = np.asarray(values, float)
    array = array[~np.isnan(array)]
    n = len(array)
    if n == 0:
        return Mean(0, math.nan, math.nan, math.nan)
    if n == 1:
        return Mean(1, float(array[0]), math.nan, math.nan)
    sd = float(array.std(ddof=1))
    half_width = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * sd / math.sqrt(n)
    return Mean(n, float(array.mean()), sd, half_width)
