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
from scipy.special import stdtrit

CONFIDENCE = 0.95
MAX_SEEDS = 1000
# Of numbers near the end of what a float holds, sums and squares are infinite, and what comes of them is NaN.
_quiet = np.errstate(over="ignore", invalid="ignore")
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

    @property
    def exact(self) -> bool:
        """Whether the values agree, but for rounding."""
        return self.sd <= ROUNDING * abs(self.mean)


@_quiet
def mean_of(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Mean:
    """Mean and t interval of values [n]; NaN are left out (diverged or missing trials)."""
    array = _known(values)
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


@_quiet
def paired(a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = CONFIDENCE) -> Mean:
    """The mean of b - a over pairs [n] (the same seeds), with its interval; incomplete pairs are left out."""
    return mean_of(np.asarray(b, float) - np.asarray(a, float), confidence)


@_quiet
def p_value(differences: npt.ArrayLike) -> float:
    """Two-sided p of the t test that the mean of paired differences [n] is 0.

    NaN where n < 2, and where all seeds agree exactly on a difference, which gives no spread to divide by.
    """
    array = _known(differences)
    if len(array) < 2:
        return math.nan
    if _agree(array):
        return 1.0 if array[0] == 0 else math.nan
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(array, 0.0).pvalue)


@_quiet
def equivalence_p(differences: npt.ArrayLike, margin: float) -> float:
    """p of two one-sided t tests (Schuirmann 1987) that the mean difference lies beyond +-margin.

    Small means equivalent: where p < 0.05 the 90 % interval lies within the margin. NaN where n < 2.
    """
    array = _known(differences)
    if len(array) < 2:
        return math.nan
    if _agree(array):
        return float(abs(array[0]) >= margin)
    from scipy.stats import ttest_1samp

    above_low = ttest_1samp(array, -margin, alternative="greater").pvalue
    below_high = ttest_1samp(array, margin, alternative="less").pvalue
    return float(max(above_low, below_high))


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """p values [k] corrected for k comparisons (Holm 1979); NaN stay NaN and are not counted."""
    from statsmodels.stats.multitest import multipletests

    raw = np.asarray(p_values, float)
    known = ~np.isnan(raw)
    corrected = np.full(len(raw), np.nan)
    if known.any():
        corrected[known] = multipletests(raw[known], method="holm")[1]
    return corrected


def binomial_error(share: float, cases: int) -> float:
    """Binomial standard error of a share in [0, 1] of so many cases: how sure one run can be."""
    return math.sqrt(share * (1 - share) / cases)


def seeds_to_decide(difference: Mean, comparisons: int = 1, power: float = 0.8) -> int | None:
    """How many seeds would find this difference, were it real with this spread, with the given power.

    `comparisons` is how many are made together, by which the level of 5 % is divided.

    None where there is no telling (n < 2, no difference, no spread) or more than MAX_SEEDS would be needed. The
    observed difference and spread of few seeds are themselves uncertain: about so many.
    """
    if difference.n < 2 or difference.mean == 0 or difference.exact:
        return None
    from statsmodels.stats.power import TTestPower

    test, effect = TTestPower(), abs(difference.mean) / difference.sd
    for n in range(2, MAX_SEEDS + 1):
        if test.power(effect, nobs=n, alpha=(1 - CONFIDENCE) / comparisons) >= power:
            return n
    return None


def _known(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array: npt.NDArray[np.float64] = np.asarray(values, float)
    known: npt.NDArray[np.float64] = array[~np.isnan(array)]
    return known


def _agree(array: npt.NDArray[np.float64]) -> bool:
    return bool(np.ptp(array) <= ROUNDING * np.abs(array).max())
