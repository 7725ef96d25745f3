"""How often a study's seeds are looked at, and the level that an interval has to have for it.

Whoever adds seeds until a claim is decided has looked many times. With the usual 95 % interval one of those looks goes
wrong far too often: where nothing differs, in 37 % of studies that are looked at after each seed from 3 to 100
(benchmarks/looks.py). So an
interval of n seeds is taken at a level of about 4.5 % / n, which keeps the errors of all looks together at 5 %
(repeated confidence intervals, Jennison and Turnbull 1989). The numbers below were found by simulation;
benchmarks/calibration.py shows what they keep. A study that planned its number of seeds, and has been looked at with
no other, has the usual interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# The chance of an error that a verdict has, over all looks.
SIGNIFICANCE = 0.05
# Fewer seeds are not looked at, unless so many were planned.
FEWEST = 3
# At n seeds the level is SHARE * alpha * (alpha / 5 %) ** STEEPER / n. Of smaller levels, as several comparisons have,
# more looks count as independent.
SHARE, STEEPER = 0.9, 0.15


@dataclass(frozen=True)
class Looks:
    """Any number of looks; or one, with as many seeds as were planned."""

    planned: int | None = None

    def level(self, n: npt.ArrayLike, alpha: float = SIGNIFICANCE) -> npt.NDArray[np.float64]:
        """The level of intervals of these numbers of seeds: over all looks they err with probability alpha at most.

        0 where there is no look: at less than 3 seeds, and at other numbers than the planned one.
        """
        n = np.asarray(n, float)
        if self.planned is not None:
            return np.where(n == self.planned, alpha, 0.0)
        return np.where(n >= FEWEST, _at_any(alpha) / np.maximum(n, 1), 0.0)

    def p(self, p: float, n: int) -> float:
        """A test's p of n seeds as one of all looks: the least alpha whose level it reaches. NaN stays NaN."""
        if self.planned is not None:
            return p if n == self.planned else float("nan")
        if n < FEWEST:
            return float("nan")
        reached = (p * n / (SHARE * SIGNIFICANCE**-STEEPER)) ** (1 / (1 + STEEPER))
        return float(np.minimum(reached, 1.0))


def _at_any(alpha: float) -> float:
    return SHARE * alpha * float((alpha / SIGNIFICANCE) ** STEEPER)
