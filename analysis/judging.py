"""One comparison behind a verdict: numbers by seed -> an interval, and whether it supports what was claimed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from analysis.digits import digits_of
from analysis.statistics import CONFIDENCE, Mean, equivalence_p, mean_of
from study.declare.claims import Claim
from study.metric import Metric

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
SIGNIFICANCE = 1 - CONFIDENCE
OF_SEEDS = "% of seeds"


@dataclass(frozen=True)
class Comparison:
    """What is measured, over how many seeds, and with which interval.

    `mean`, `low` and `high` are in `unit`: that of the metric, or points where that is %. Of something that happens
    or not, `mean` is the percentage of the seeds with which it did, and there is no interval (NaN).
    """

    what: str
    n: int
    mean: float
    low: float
    high: float
    unit: str
    verdict: str

    def __str__(self) -> str:
        if self.n == 0:
            return f"{self.what}: pending"
        unit = "%" if self.unit == OF_SEEDS else self.unit
        digits = digits_of(unit, [self.mean], [(self.high - self.low) / 2])
        interval = "" if math.isnan(self.low) else f" [{digits.text(self.low)}, {digits.text(self.high)}]"
        numbers = f"{digits.text(self.mean)}{interval} {self.unit}".rstrip()
        return f"{self.what}: {numbers} (n = {self.n})"


@dataclass(frozen=True)
class Verdict:
    """What the data say of a claim, and the comparisons behind it. `metric` is the claim's, None where it has none."""

    study: str
    claim: Claim
    metric: Metric | None
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> str:
        """REPRODUCED, CONTRADICTED or UNDECIDED."""
        found = Counter(comparison.verdict for comparison in self.comparisons)
        if found[CONTRADICTED]:
            return CONTRADICTED
        return REPRODUCED if found.keys() == {REPRODUCED} else UNDECIDED

    @property
    def about(self) -> str:
        """The kind of claim, the metric and what of it: `above, hit rate, %, first 100 steps`."""
        measure = {"value": "", "start": f"first {self.claim.steps} steps"}.get(
            self.claim.measure, self.claim.measure
        )
        title = self.metric.title if self.metric else ""
        return ", ".join(filter(None, (self.claim.kind.replace("_", " "), title, measure)))

    @property
    def numbers(self) -> str:
        """The comparisons as one line."""
        return "; ".join(map(str, self.comparisons))


def greater(what: str, differences: pd.Series, margin: float, comparisons: int, unit: str) -> Comparison:
    """Is the mean of the differences (by seed) above the margin? `comparisons` is how many the claim makes."""
    mean, strict = _intervals(differences, comparisons)
    verdict = REPRODUCED if mean.low > margin else CONTRADICTED if strict.high < margin else UNDECIDED
    if mean.exact:
        # Seeds that agree exactly have a difference finer than can be counted, not a certain one.
        verdict = UNDECIDED
    return Comparison(what, mean.n, mean.mean, mean.low, mean.high, unit, verdict)


def within(what: str, differences: pd.Series, margin: float, comparisons: int, unit: str) -> Comparison:
    """Is their mean within +-margin? Yes by two one-sided tests, no where its interval lies outside."""
    mean, strict = _intervals(differences, comparisons)
    outside = strict.low > margin or strict.high < -margin
    inside = equivalence_p(differences, margin) < SIGNIFICANCE
    verdict = REPRODUCED if inside else CONTRADICTED if outside else UNDECIDED
    return Comparison(what, mean.n, mean.mean, mean.low, mean.high, unit, verdict)


def always(what: str, happened: pd.Series) -> Comparison:
    """Did it happen with every seed? NaN are seeds of which nothing is known yet."""
    known = happened.dropna().astype(bool)
    verdict = UNDECIDED
    if len(known) >= 2 and known.all() == known.any():
        verdict = REPRODUCED if known.all() else CONTRADICTED
    return Comparison(what, len(known), 100 * known.mean(), math.nan, math.nan, OF_SEEDS, verdict)


def _intervals(differences: pd.Series, comparisons: int) -> tuple[Mean, Mean]:
    """At 95 % for this comparison alone, and at 95 % for all of the claim's together."""
    return mean_of(differences), mean_of(differences, 1 - SIGNIFICANCE / comparisons)
