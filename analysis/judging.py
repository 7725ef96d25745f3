"""One comparison behind a verdict: numbers by seed -> an interval, and whether it supports what was claimed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.declare.claims import Claim
from study.metric import Metric

from . import intervals
from .digits import digits_of
from .intervals import Interval
from .looks import SIGNIFICANCE, Looks

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
OF_SEEDS, A_STEP = "% of seeds", " a step"
# "In every run" holds where it was so with every seed, and in this share of all runs at least.
IN_EVERY_RUN = 0.75
# With fewer seeds the interval of one more run is so wide that hardly a published value lies outside.
FEWEST_FOR_ONE_MORE = 6


@dataclass(frozen=True)
class Comparison:
    """What is measured, over how many seeds, and the interval that its verdict rests on.

    `mean`, `low` and `high` are in `unit`: that of the metric, or points where that is %. Of something that happens
    or not they are percentages of the seeds. Without an interval, low and high are NaN. `note` says what else is to be
    known of them; without a seed that has a number, why there is none. `seeds_to_decide`: how many in all would decide
    it, from the fewest to the most (None: more than 1,000), were the numbers to stay as they are; None where it is
    decided, or there is no telling.
    """

    what: str
    n: int
    mean: float
    low: float
    high: float
    unit: str
    verdict: str
    note: str = ""
    seeds_to_decide: tuple[int, int | None] | None = None
    arms: tuple[str, ...] = ()
    for_good: bool = False

    def __str__(self) -> str:
        if self.n == 0:
            return f"{self.what}: {self.note}"
        unit = "%" if self.unit == OF_SEEDS else self.unit.removesuffix(A_STEP)
        digits = digits_of(unit, [self.mean], [(self.high - self.low) / 2])
        interval = "" if math.isnan(self.low) else f" [{digits.text(self.low)}, {digits.text(self.high)}]"
        numbers = f"{digits.text(self.mean)}{interval} {self.unit}".rstrip()
        note = f"; {self.note}" if self.note else ""
        return f"{self.what}: {numbers} (n = {self.n}{note})"


@dataclass(frozen=True)
class Verdict:
    """What the data say of a claim, and the comparisons behind it. `metric` is the claim's, None where it has none.

    `beside` are comparisons that are shown and don't count, such as the steps between the arms of a trend.
    """

    study: str
    claim: Claim
    metric: Metric | None
    comparisons: tuple[Comparison, ...]
    beside: tuple[Comparison, ...] = ()

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
        kind = self.claim.kind.replace("_", " ")
        kind += " at each step" if self.claim.each_step else ""
        kind += " in every run" if self.claim.runs == "every" else ""
        title = self.metric.title if self.metric else ""
        title += f", minus {self.claim.minus.replace('_', ' ')}" if self.claim.minus else ""
        kind += " on any test set" if self.claim.any_test_set else ""
        return ", ".join(filter(None, (kind, title, measure)))

    @property
    def numbers(self) -> str:
        """The comparisons as one line."""
        return "; ".join(map(str, (*self.comparisons, *self.beside)))

    @property
    def outlook(self) -> str:
        """How many seeds would decide an undecided claim; empty where it is decided, or there is no telling."""
        ranges = [one.seeds_to_decide for one in self.comparisons if one.verdict == UNDECIDED]
        if self.verdict != UNDECIDED or not ranges or None in ranges:
            return ""
        known = [one for one in ranges if one is not None]
        fewest, most = max(one[0] for one in known), [one[1] for one in known]
        until = "more than 1,000" if None in most else f"{max(filter(None, most)):,}"
        return (
            f"would be decided with about {fewest:,} to {until} seeds, were the numbers to stay as they are"
        )


def above_margin(margin: float, low: float, high: float) -> str:
    """What an interval says of the claim that it lies above the margin."""
    return REPRODUCED if low > margin else CONTRADICTED if high < margin else UNDECIDED


def within_margin(margin: float, low: float, high: float) -> str:
    """What an interval says of the claim that it lies within +-margin."""
    if low > margin or high < -margin:
        return CONTRADICTED
    return REPRODUCED if -margin < low and high < margin else UNDECIDED


def greater(
    what: str, differences: pd.Series, margin: float, comparisons: int, unit: str, looks: Looks
) -> Comparison:
    """Is their mean (by seed) above the margin? `comparisons` is how many the claim makes.

    It is where the interval of this comparison lies above; it is not where that lies below which is as sure for all of
    the claim's comparisons together.
    """
    interval, strict = _both(differences, comparisons, looks)
    above, below = (above_margin(margin, one.low, one.high) for one in (interval, strict))
    verdict = REPRODUCED if above == REPRODUCED else CONTRADICTED if below == CONTRADICTED else UNDECIDED
    shown = strict if verdict == CONTRADICTED else interval
    return _compared(what, differences, shown, unit, verdict, abs(interval.middle - margin), looks)


def within(
    what: str, differences: pd.Series, margin: float, comparisons: int, unit: str, looks: Looks
) -> Comparison:
    """Is their mean within +-margin? Yes where the interval lies within, no where it lies outside."""
    interval, strict = _both(differences, comparisons, looks)
    inside = within_margin(margin, interval.low, interval.high) == REPRODUCED
    outside = within_margin(margin, strict.low, strict.high) == CONTRADICTED
    verdict = REPRODUCED if inside else CONTRADICTED if outside else UNDECIDED
    shown = strict if outside else interval
    distance = abs(margin - abs(interval.middle))
    return _compared(what, differences, shown, unit, verdict, distance, looks)


def one_of_ours(
    what: str,
    ours: pd.Series,
    published: float,
    margin: float,
    comparisons: int,
    unit: str,
    looks: Looks,
    diverged: int = 0,
) -> Comparison:
    """Could the published value be one more run of ours (by seed)? `margin` is how near our mean is near.

    It could not where it lies outside of the interval of one more run. It could where it lies within the 95 % interval
    at this number of seeds, which must be narrow, or rest on six seeds; or where they are compared by order, near their
    median. The published one did not diverge: where more of ours did than a few that lie far from the others, it is
    not what ours are like.
    """
    n = int(ours.notna().sum())
    strict = intervals.of_one_more(ours, looks, SIGNIFICANCE / comparisons)
    looked = bool(looks.level(n) > 0)
    usual = intervals.of_one_more(ours, Looks(planned=n) if looked else looks)
    narrow = (usual.high - usual.low) / 2 <= margin or n >= FEWEST_FOR_ONE_MORE
    inside = narrow and not diverged and usual.low <= published <= usual.high
    if usual.by_order and looked:
        # A value that few of the seeds reach is not what ours are like, though it could be one of them.
        inside = n >= FEWEST_FOR_ONE_MORE and abs(usual.middle - published) <= margin
    outside = not strict.low <= published <= strict.high
    verdict = REPRODUCED if inside else CONTRADICTED if outside else UNDECIDED
    shown = strict if outside else usual
    away = Interval(n, shown.middle - published, shown.low - published, shown.high - published, shown.far)
    near = f"our {'median' if usual.by_order else 'mean'} is {'' if abs(away.middle) <= margin else 'not '}"
    digits = digits_of(unit, [margin], [margin])
    note = f"{near}within {digits.text(margin)} {unit}".rstrip() if n else ""
    note += f"; {diverged} of {n} diverged" if diverged else ""
    return _compared(what, ours, away, unit, verdict, math.nan, looks, note)


def share(what: str, happened: pd.Series, every: bool, looks: Looks) -> Comparison:
    """Does it happen in most runs, or in every run? Values by seed are 1, 0, or NaN where nothing is known yet."""
    found = intervals.of_share(happened, looks)
    if every:
        never_failed = found.middle == 1 and found.low >= IN_EVERY_RUN
        verdict = REPRODUCED if never_failed else CONTRADICTED if found.middle < 1 else UNDECIDED
    else:
        verdict = REPRODUCED if found.low > 0.5 else CONTRADICTED if found.high < 0.5 else UNDECIDED
    ends = (100 * found.low, 100 * found.high) if looks.level(found.n) > 0 else (math.nan, math.nan)
    return Comparison(what, found.n, 100 * found.middle, *ends, OF_SEEDS, verdict)


def either_way(what: str, higher: pd.Series, looks: Looks) -> Comparison:
    """Is it so in some runs and not in others? Values by seed are 1, 0, or NaN where it is neither.

    Seen both ways it is, whatever the number of seeds; seen one way always it is not, where three quarters of all runs
    are sure to be so.
    """
    found = intervals.of_share(higher, looks)
    both_ways = 0 < found.middle < 1
    always = found.low >= IN_EVERY_RUN or found.high <= 1 - IN_EVERY_RUN
    verdict = REPRODUCED if both_ways else CONTRADICTED if always else UNDECIDED
    ends = (100 * found.low, 100 * found.high) if looks.level(found.n) > 0 else (math.nan, math.nan)
    return Comparison(what, found.n, 100 * found.middle, *ends, OF_SEEDS, verdict)


def _both(differences: pd.Series, comparisons: int, looks: Looks) -> tuple[Interval, Interval]:
    """Sure for this comparison alone, and for all of the claim's together (Bonferroni)."""
    alone = intervals.of_differences(differences, looks)
    return alone, intervals.of_differences(differences, looks, SIGNIFICANCE / comparisons)


def _compared(
    what: str,
    values: pd.Series,
    found: Interval,
    unit: str,
    verdict: str,
    distance: float,
    looks: Looks,
    note: str = "",
) -> Comparison:
    notes = [note] if note else []
    if looks.planned is not None and 0 < found.n < looks.planned:
        notes.append(f"{looks.planned} seeds were planned")
    if found.tied:
        notes.append("all seeds agree, so that there is no spread to go by")
    if found.far:
        seeds = ", ".join(str(values.dropna().index[place]) for place in found.far)
        many = "s" if len(found.far) > 1 else ""
        lie = "lie" if many else "lies"
        notes.append(
            f"seed{many} {seeds} {lie} far from the others, so that the seeds are compared by their order"
        )
    known = math.isfinite(found.low) and math.isfinite(found.high)
    low, high = (found.low, found.high) if known else (math.nan, math.nan)
    needed = None
    if verdict == UNDECIDED and not found.by_order:
        sd = float(np.std(values.dropna(), ddof=1)) if found.n > 1 else math.nan
        needed = intervals.seeds_needed(distance, sd, found.n)
    return Comparison(what, found.n, found.middle, low, high, unit, verdict, "; ".join(notes), needed)
