"""Statistics over seeds: arrays in, numbers out.

Seed s means the same initialisation stream and data order in every arm, so arms are compared in pairs, seed
by seed. Intervals are 95 % t intervals unless another level is given; they take the seeds as a random sample
and their values as normal, which few seeds can't check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
# Of numbers near the end of what a float holds, sums and squares are infinite, and what comes of them is NaN.
quiet = np.errstate(over="ignore", invalid="ignore")
# Numbers that differ by a smaller share of them differ by rounding alone.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Mean:
    """The mean of n values, their standard deviation, and half the width of the mean's interval.

    sd and half_width are NaN where n < 2: one value says nothing about spread.
    """

    n: int
    mean: float
    sd: float
    half_width: float

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + self.half_width


@quiet
def mean_of(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Mean:
    """Mean and t interval of values [n]; NaN are left out (diverged or missing trials)."""
    array = known(values)
    n = len(array)
    if n == 0:
        return Mean(0, math.nan, math.nan, math.nan)
    if n == 1:
        return Mean(1, float(array[0]), math.nan, math.nan)
    mean, sd = float(array.mean()), float(array.std(ddof=1))
    return Mean(n, mean, sd, float(half_widths(sd, n, confidence)))


def half_widths(
    sds: npt.ArrayLike, counts: npt.ArrayLike, confidence: float = CONFIDENCE
) -> npt.NDArray[np.float64]:
    """Half the width of the t intervals of means [k] of so many values each with these standard deviations [k].

    NaN where there are fewer than 2 values.
    """
    sds, counts = np.asarray(sds, float), np.asarray(counts, float)
    n = np.where(counts > 1, counts, np.nan)
    widths: npt.NDArray[np.float64] = stdtrit(n - 1, (1 + confidence) / 2) * sds / np.sqrt(n)
    return widths


@quiet
def p_value(differences: npt.ArrayLike) -> float:
    """Two-sided p of the t test that the mean of paired differences [n] is 0.

    NaN where n < 2; 1 where all seeds agree on a difference, which gives no spread to divide by.
    """
    array = known(differences)
    if len(array) < 2:
        return math.nan
    if agree(array):
        return 1.0
    with np.errstate(divide="ignore"):  # a spread below the least number is none: p is 0
        t = array.mean() / (array.std(ddof=1) / math.sqrt(len(array)))
    return float(2 * stdtr(len(array) - 1, -abs(t)))  # what scipy.stats does, which takes a second to import


@quiet
def minus(a: pd.Series, b: pd.Series) -> pd.Series:
    """a - b by seed; 0 where they differ by rounding alone, so that a tie is one."""
    differences = a - b
    return differences.mask(differences.abs() <= ROUNDING * np.maximum(a.abs(), b.abs()), 0.0)


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """p values [k] corrected for k comparisons (Holm 1979); NaN stay NaN and are not counted."""
    from statsmodels.stats.multitest import multipletests

    raw = np.asarray(p_values, float)
    given = ~np.isnan(raw)
    corrected = np.full(len(raw), np.nan)
    if given.any():
        corrected[given] = multipletests(raw[given], method="holm")[1]
    return corrected


def binomial_error(share: float, cases: int) -> float:
    """Binomial standard error of a share in [0, 1] of so many cases: how sure one run can be."""
    return math.sqrt(share * (1 - share) / cases)


def known(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values that are not NaN."""
    array: npt.NDArray[np.float64] = np.asarray(values, float)
    numbers: npt.NDArray[np.float64] = array[~np.isnan(array)]
    return numbers


def agree(array: npt.NDArray[np.float64]) -> bool:
    """Whether the values [n] are all the same, but for rounding."""
    return bool(np.ptp(array) <= ROUNDING * np.abs(array).max())
