"""Claims -> verdicts: does the data support what a report says, contradict it, or leave it undecided?

A verdict rests on intervals over seeds. A claim of several comparisons is *reproduced* where each one is, at
95 %; it is *contradicted* where any one is, at 95 % for all of them together (Bonferroni); else *undecided*.
A claim about what happens in each run, such as a collapse, is reproduced where it happens with every seed,
contradicted where it does with none. One seed decides nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from analysis import measures
from analysis.results import ENDED, Results, by_trial, last_epochs
from analysis.statistics import CONFIDENCE, Mean, equivalence_p, mean_of
from study.declare.claims import Claim

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
SIGNIFICANCE = 1 - CONFIDENCE


@dataclass(frozen=True)
class Comparison:
    """One comparison behind a verdict: what is measured, over how many seeds, and with which interval.

    `mean`, `low` and `high` are in percentage points; of something that happens or not, `mean` is the
    percentage of the seeds with which it did, and there is no interval (NaN).
    """

    what: str
    n: int
    mean: float
    low: float
    high: float
    verdict: str

    def __str__(self) -> str:
        if self.n == 0:
            return f"{self.what}: pending"
        interval = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        numbers = f"{self.mean:.2f}{interval}".replace("-", "−")
        return f"{self.what}: {numbers} (n = {self.n})"


@dataclass(frozen=True)
class Verdict:
    """What the data say of a claim, and the comparisons behind it."""

    study: str
    claim: Claim
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> str:
        """REPRODUCED, CONTRADICTED or UNDECIDED."""
        found = [comparison.verdict for comparison in self.comparisons]
        if CONTRADICTED in found:
            return CONTRADICTED
        return REPRODUCED if found and set(found) == {REPRODUCED} else UNDECIDED

    @property
    def numbers(self) -> str:
        """The comparisons as one line, in percentage points."""
        return "; ".join(map(str, self.comparisons))


def verdicts(results: Results, study: str) -> list[Verdict]:
    """A verdict for each claim of the study, in order."""
    record = results.studies[study]
    trials = _with_curves(results, study)
    found = []
    for entry in record["claims"]:
        claim = Claim.model_validate(entry)
        arms = list(claim.arms) or [arm["label"] for arm in record["arms"]]
        comparisons = COMPARED[claim.kind](trials, claim, arms, record["published"])
        found.append(Verdict(study, claim, tuple(comparisons)))
    return found


# A row per arm and seed, as Results.comparable gives it, with the training accuracy per iteration: `curve` of
# the whole training, `last` of its last epoch; None where the trial has not ended.
Trials = pd.DataFrame
Published = dict[str, dict[str, float]]


def _with_curves(results: Results, study: str) -> Trials:
    trials = results.comparable(study)
    curves = results.curves(trials.key[trials.status.isin(ENDED)])
    for name, found in (("curve", by_trial(curves)), ("last", last_epochs(curves))):
        trials[name] = pd.Series([found.get(key) for key in trials.key], index=trials.index, dtype=object)
    trials["train_accuracy"] = _of_curves(trials.last, measures.final_accuracy)
    return trials


def _of_curves(curves: pd.Series, measure: Callable[[measures.Curve], float]) -> pd.Series:
    values = [math.nan if curve is None else float(measure(curve)) for curve in curves]
    return pd.Series(values, index=curves.index)


def _values(trials: Trials, claim: Claim, arms: list[str]) -> pd.Series:
    """The claim's metric of each trial; of a diverged one NaN at the end, and its curve up to there."""
    if claim.iterations is None:
        return trials[claim.metric].mask(trials.status == "diverged")
    finished = trials[trials.arm.isin(arms) & (trials.status == "finished")]
    # The same iterations in each arm, also where one has fewer than the claim speaks of.
    n = min([claim.iterations, *(len(curve) for curve in finished.curve if curve is not None)])
    return _of_curves(trials.curve, lambda curve: measures.early_accuracy(curve, n))


def _answers(trials: Trials, claim: Claim, arms: list[str]) -> pd.Series:
    """The same, where higher is better: a diverged network answers nothing, so nothing right."""
    values = _values(trials, claim, arms)
    return values if claim.iterations else values.mask(trials.status == "diverged", 0.0)


def _points(trials: Trials, arm: str, values: pd.Series) -> pd.Series:
    """The arm's values by seed, in percentage points."""
    of_arm = trials.arm == arm
    return pd.Series(100 * values[of_arm].to_numpy(float), index=trials.seed[of_arm])


def _greater(what: str, differences: pd.Series, comparisons: int, margin: float = 0.0) -> Comparison:
    """Is the mean difference above the margin?"""
    mean, strict = _intervals(differences, comparisons)
    verdict = REPRODUCED if mean.low > margin else CONTRADICTED if strict.high < margin else UNDECIDED
    if mean.sd == 0:
        # Seeds that agree exactly have a difference finer than can be counted, not a certain one.
        verdict = UNDECIDED
    return Comparison(what, mean.n, mean.mean, mean.low, mean.high, verdict)


def _within(what: str, differences: pd.Series, margin: float, comparisons: int) -> Comparison:
    """Is the mean within +-margin? Yes by two one-sided tests, no where its interval lies outside."""
    mean, strict = _intervals(differences, comparisons)
    outside = strict.low > margin or strict.high < -margin
    inside = equivalence_p(differences, margin) < SIGNIFICANCE
    verdict = REPRODUCED if inside else CONTRADICTED if outside else UNDECIDED
    return Comparison(what, mean.n, mean.mean, mean.low, mean.high, verdict)


def _happens(what: str, happened: pd.Series) -> Comparison:
    """Did it happen with every seed? NaN are seeds of which nothing is known yet."""
    known = happened.dropna().astype(bool)
    if len(known) < 2:
        verdict = UNDECIDED
    else:
        verdict = REPRODUCED if known.all() else UNDECIDED if known.any() else CONTRADICTED
    return Comparison(what, len(known), 100 * known.mean(), math.nan, math.nan, verdict)


def _intervals(differences: pd.Series, comparisons: int) -> tuple[Mean, Mean]:
    """At 95 % for this comparison alone, and at 95 % for all of the claim's together."""
    return mean_of(differences), mean_of(differences, 1 - SIGNIFICANCE / comparisons)


def _ordered(
    trials: Trials, values: pd.Series, pairs: list[tuple[str, str]], margin: float = 0.0
) -> Iterator[Comparison]:
    """Is `higher - lower` above the margin, by seeds, for each pair?"""
    for higher, lower in pairs:
        differences = _points(trials, higher, values) - _points(trials, lower, values)
        yield _greater(f"{higher} − {lower}", differences, len(pairs), margin)


def _increasing(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    pairs = [(b, a) for a, b in itertools.pairwise(arms)]
    return _ordered(trials, _answers(trials, claim, arms), pairs)


def _decreasing(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    return _ordered(trials, _answers(trials, claim, arms), list(itertools.pairwise(arms)))


def _first_above(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    pairs = [(arms[0], other) for other in arms[1:]]
    return _ordered(trials, _answers(trials, claim, arms), pairs, claim.margin)


def _first_below(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    pairs = [(other, arms[0]) for other in arms[1:]]
    return _ordered(trials, _answers(trials, claim, arms), pairs, claim.margin)


def _less_stable(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    rough = _of_curves(trials["last"], measures.roughness)
    return _ordered(trials, rough, [(arms[0], other) for other in arms[1:]])


def _equivalent(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    values, pairs = _values(trials, claim, arms), list(itertools.combinations(arms, 2))
    for a, b in pairs:
        differences = _points(trials, b, values) - _points(trials, a, values)
        yield _within(f"{b} − {a}", differences, claim.margin, len(pairs))


def _about_published(
    trials: Trials, claim: Claim, arms: list[str], published: Published
) -> Iterator[Comparison]:
    pairs = [(arm, metric) for arm in arms for metric in published.get(arm, {})]
    for arm, metric in pairs:
        differences = _points(trials, arm, trials[metric]) - published[arm][metric]
        named = "" if metric == "test_accuracy" else f" ({metric.replace('_', ' ')})"
        yield _within(f"{arm} − published{named}", differences, claim.margin, len(pairs))


def _saturated(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    change = _of_curves(trials["last"], measures.final_change)
    for arm in arms:
        differences = _points(trials, arm, change)
        yield _within(f"{arm}: last 10 % − the 10 % before", differences, claim.margin, len(arms))


def _collapsed(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    # A network that diverged answers nothing, which is no collapse to one class.
    collapsed = trials.answers_one_class.mask(trials.status == "diverged", False)
    for arm in arms:
        yield _happens(f"{arm} collapses, % of seeds", collapsed[trials.arm == arm])


def _drops(trials: Trials, claim: Claim, arms: list[str], _: Published) -> Iterator[Comparison]:
    dropped = _of_curves(trials.curve, measures.rises_then_drops).mask(trials.status == "diverged", 0.0)
    for arm in arms:
        yield _happens(f"{arm} rises, then drops to chance, % of seeds", dropped[trials.arm == arm])


COMPARED: dict[str, Callable[[Trials, Claim, list[str], Published], Iterator[Comparison]]] = {
    "increasing": _increasing,
    "decreasing": _decreasing,
    "above": _first_above,
    "below": _first_below,
    "equivalent": _equivalent,
    "about_published": _about_published,
    "collapsed": _collapsed,
    "drops": _drops,
    "higher_at_same_iteration": _first_above,
    "slower_at_first": _first_below,
    "less_stable": _less_stable,
    "saturated": _saturated,
}
