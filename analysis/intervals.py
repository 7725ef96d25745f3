"""Intervals over seeds: of a mean difference, of one more run, of the share of runs in which something happens.

Seeds are the unit: values [n] by seed in, an interval out. Where one seed lies far from the others the t interval can't
be trusted, and where all agree there is no spread to divide by: the interval is then that of the median by the order of
the seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaincinv, gammaincinv, stdtrit

from .looks import SIGNIFICANCE, Looks
from .statistics import agree, known, mean_of, quiet

MAX_SEEDS = 1000
# How sure it must be that a seed lies far from the others, how many of them may, and of how many seeds it is asked: of
# fewer, two that agree by chance would make a third far.
FAR_LEVEL, FAR_SHARE, FEWEST_FOR_FAR = 0.01, 0.2, 5
# The spread of the seeds is known to lie in this interval of it when seeds to decide are counted.
SPREAD_CONFIDENCE = 0.8


@dataclass(frozen=True)
class Interval:
    """The middle of n seeds, a mean or a median, and an interval around it; without ends where it has none yet.

    far: places of the seeds that lie far from the others. tied: all seeds agree, but for rounding.
    """

    n: int
    middle: float
    low: float
    high: float
    far: tuple[int, ...] = ()
    tied: bool = False

    @property
    def by_order(self) -> bool:
        """Whether it is the median's, by the order of the seeds."""
        return self.tied or bool(self.far)


@quiet
def of_differences(values: npt.ArrayLike, looks: Looks, alpha: float = SIGNIFICANCE) -> Interval:
    """The interval of the mean of values [n], by t or, where they don't allow that, of their median."""
    array = known(values)
    n = len(array)
    if n < 2:
        return Interval(n, float(array[0]) if n else math.nan, -math.inf, math.inf)
    level = float(looks.level(n, alpha))
    found = Interval(n, 0.0, -math.inf, math.inf, far_seeds(array), agree(array))
    if found.by_order:
        return _of_median(array, level, found)
    mean = mean_of(array, 1 - level)
    return replace(found, middle=mean.mean, low=mean.low, high=mean.high)


def _of_median(array: npt.NDArray[np.float64], level: float, found: Interval) -> Interval:
    """From the k-th smallest value to the k-th largest, with the greatest k that the sign test lets stand."""
    n, ordered = found.n, np.sort(array)
    k = int((2 * bdtr(np.arange(n // 2), n, 0.5) <= level).sum())
    ends = (ordered[k - 1], ordered[n - k]) if k else (-math.inf, math.inf)
    return replace(found, middle=float(np.median(array)), low=float(ends[0]), high=float(ends[1]))


def sign_p(values: npt.ArrayLike) -> float:
    """Two-sided p of the sign test that the median of values [n] is 0; values of 0 count half for either side."""
    array = known(values)
    fewer = min((array > 0).sum(), (array < 0).sum()) + (array == 0).sum() / 2
    return min(1.0, float(2 * bdtr(math.floor(fewer), len(array), 0.5)))


@quiet
def of_one_more(values: npt.ArrayLike, looks: Looks, alpha: float = SIGNIFICANCE) -> Interval:
    """Where one more run lies that is like these [n]: mean +- t sd sqrt(1 + 1/n).

    Where seeds lie far from the others, or all agree, it reaches from the smallest to the largest value, if that is
    sure enough.
    """
    array = known(values)
    n = len(array)
    level = float(looks.level(n, alpha))
    if n < 2 or level == 0:
        return Interval(n, float(array.mean()) if n else math.nan, -math.inf, math.inf)
    found = Interval(n, 0.0, -math.inf, math.inf, far_seeds(array), agree(array))
    if found.by_order:
        # One more is as likely to be the smallest or the largest of all as each of the others. Where it lies outside it
        # did so at each look before, so that more looks err no more often.
        ends = (float(array.min()), float(array.max())) if 2 / (n + 1) <= alpha else (-math.inf, math.inf)
        return replace(found, middle=float(np.median(array)), low=ends[0], high=ends[1])
    mean = mean_of(array)
    half = float(stdtrit(n - 1, 1 - level / 2)) * mean.sd * math.sqrt(1 + 1 / n)
    return replace(found, middle=mean.mean, low=mean.mean - half, high=mean.mean + half)


def of_share(happened: npt.ArrayLike, looks: Looks, alpha: float = SIGNIFICANCE) -> Interval:
    """The exact interval (Clopper and Pearson 1934) of the share of runs in which it happens; values [n] are 0 or 1."""
    array = known(happened)
    n, k = len(array), int(known(happened).sum())
    level = float(looks.level(n, alpha))
    if level == 0:
        return Interval(n, k / n if n else math.nan, 0.0, 1.0)
    return Interval(n, k / n, *_exact(k, n, level))


def _exact(k: int, n: int, level: float) -> tuple[float, float]:
    low = float(betaincinv(k, n - k + 1, level / 2)) if k else 0.0
    return low, float(betaincinv(k + 1, n - k, 1 - level / 2)) if k < n else 1.0


@quiet
def far_seeds(array: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Places of the values [n] that lie far from the others, at 1 % (generalized ESD test, Rosner 1983).

    A fifth of the values at most is; none where n < 5, and then one that does makes the t interval wide.
    """
    n, left, far = len(array), np.arange(len(array)), 0
    taken: list[int] = []
    for i in range(int(n * FAR_SHARE) if n >= FEWEST_FOR_FAR else 0):
        values = array[left]
        if agree(values):
            break
        distance = np.abs(values - values.mean())
        place = int(distance.argmax())
        taken.append(int(left[place]))
        if distance[place] > values.std(ddof=1) * _critical(n, i):
            far = i + 1
        left = np.delete(left, place)
    return tuple(sorted(taken[:far]))


@cache
def _critical(n: int, i: int) -> float:
    """How many standard deviations the i-th removed of n normal values stays below, at FAR_LEVEL."""
    m = n - i
    t = float(stdtrit(m - 2, 1 - FAR_LEVEL / (2 * m)))
    return (m - 1) * t / math.sqrt((m - 2 + t * t) * m)


def seeds_needed(
    distance: float, sd: float, n: int, alpha: float = SIGNIFICANCE
) -> tuple[int, int | None] | None:
    """How many seeds in all would have an interval that reaches no farther than this distance, were it to stay.

    From the fewest to the most, since n seeds know their standard deviation badly: at both ends of its 80 % interval.
    None as the second where more than 1,000 would be needed, None for both where there is no telling.
    """
    if n < 2 or not distance > 0 or not sd > 0:
        return None
    inside = (1 + SPREAD_CONFIDENCE) / 2
    # Quantiles of chi squared with n - 1 degrees of freedom.
    quantiles = [2 * float(gammaincinv((n - 1) / 2, share)) for share in (inside, 1 - inside)]
    spreads = [sd * math.sqrt((n - 1) / quantile) for quantile in quantiles]
    fewest, most = (_first_below(distance / spread, n, alpha) for spread in spreads)
    return None if fewest is None else (fewest, most)


def _first_below(distance: float, n: int, alpha: float) -> int | None:
    below = np.flatnonzero(_widths(alpha) <= distance)
    return max(n + 1, int(below[0]) + 2) if len(below) else None


@cache
def _widths(alpha: float) -> npt.NDArray[np.float64]:
    """Half the widths of intervals of 2 to MAX_SEEDS seeds, looked at any number of times, in standard deviations."""
    n = np.arange(2, MAX_SEEDS + 1)
    level = Looks().level(n, alpha)
    widths: npt.NDArray[np.float64] = np.where(
        level > 0, stdtrit(n - 1, 1 - np.maximum(level, 1e-300) / 2) / np.sqrt(n), np.inf
    )
    return widths
