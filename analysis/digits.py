"""How many digits of numbers are shown: the same in all rows of a column.

A metric in % has two decimals. Of another one a column shows two significant digits of its median half width of an
interval. Without intervals (one seed) it shows three of the distance between its smallest and its largest value, or
four of its largest where all are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from study.metric import Metric

from .statistics import ROUNDING

# What is told from 100 %, or from a share in %, has two decimals.
IN_PERCENT = ("%", "points")
MOST_DECIMALS, MOST_DIGITS = 8, 12


def unit_of_differences(metric: Metric) -> str:
    """The unit of a difference between two values of the metric as they are shown."""
    return "points" if metric.unit == "%" else metric.unit


@dataclass(frozen=True)
class Digits:
    """So many decimals; of very large and very small numbers, decimals before a power of ten."""

    decimals: int
    power_of_ten: bool = False

    def text(self, value: float, sign: bool = False) -> str:
        """The number, with its sign also where it is positive if asked for; empty where it is NaN."""
        if math.isnan(value):
            return ""
        if self.power_of_ten or abs(value) >= 10**MOST_DIGITS:
            text = f"{value:{'+' if sign else ''}.{self.decimals or 3}e}"
        else:
            # Not -0.00.
            text = f"{round(value, self.decimals) + 0.0:{'+' if sign else ''},.{self.decimals}f}"
        return f"−{text[1:]}" if text.startswith("-") else text

    def texts(self, values: Iterable[float], sign: bool = False) -> list[str]:
        """The same of each."""
        return [self.text(value, sign) for value in values]

    def with_interval(self, mean: float, half_width: float, sign: bool = False) -> str:
        """`96.52 ± 0.31`; the mean alone where there is no interval, nothing where there is no mean."""
        text = self.text(mean, sign)
        return text if math.isnan(mean) or math.isnan(half_width) else f"{text} ± {self.text(half_width)}"

    def with_ends(self, middle: float, low: float, high: float) -> str:
        """`+0.43 [0.12, 0.74]`; the middle alone where the interval has no ends, nothing where there is no middle."""
        ends = "" if math.isnan(low) else f" [{self.text(low)}, {self.text(high)}]"
        return "" if math.isnan(middle) else self.text(middle, sign=True) + ends

    def with_intervals(
        self, means: Iterable[float], half_widths: Iterable[float], sign: bool = False
    ) -> list[str]:
        """The same of each pair."""
        return [self.with_interval(*both, sign) for both in zip(means, half_widths, strict=True)]


@np.errstate(over="ignore")
def digits_of(unit: str, values: npt.ArrayLike, half_widths: npt.ArrayLike = ()) -> Digits:
    """The digits of a column of values [n] and the half widths of their intervals [m], in this unit."""
    if unit in IN_PERCENT:
        return Digits(2)
    known, widths = _finite(values), _finite(half_widths)
    largest = float(np.abs(known).max(initial=0.0))
    widths = widths[widths > ROUNDING * largest]
    distance = float(np.ptp(known)) if len(known) else 0.0
    if len(widths):
        finest, digits = float(np.quantile(widths, 0.5, method="lower")), 2
    elif distance > 0 and math.isfinite(distance):
        finest, digits = distance, 3
    else:
        finest, digits = largest, 4
    if finest == 0:
        return Digits(2)
    place = math.floor(math.log10(finest))
    decimals = max(0, digits - 1 - place)
    if decimals > MOST_DECIMALS or largest >= 10**MOST_DIGITS:
        first = math.floor(math.log10(max(largest, finest)))
        return Digits(min(MOST_DECIMALS, max(1, first - place + digits - 1)), power_of_ten=True)
    return Digits(decimals)


def digits_of_counts(values: npt.ArrayLike) -> Digits:
    """The digits of a column of numbers that may be whole: none then."""
    known = _finite(values)
    whole = len(known) and (known == np.round(known)).all() and np.abs(known).max() < 10**MOST_DIGITS
    return Digits(0) if whole else digits_of("", known)


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, float)
    finite: npt.NDArray[np.float64] = array[np.isfinite(array)]
    return finite
