"""Claims -> verdicts: does the data support what a report says, contradict it, or leave it undecided?

A verdict rests on intervals over seeds that stay right however often one looks (analysis.looks). A claim of several
comparisons is *reproduced* where each one is, at 95 %; it is *contradicted* where any one is, at 95 % for all of them
together (Bonferroni); else *undecided*. One seed decides nothing, but that something does not happen in every run.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import series, tuning
from analysis.digits import unit_of_differences
from analysis.judging import (
    A_STEP,
    CONTRADICTED,
    UNDECIDED,
    Comparison,
    Verdict,
    greater,
    one_of_ours,
    share,
    within,
)
from analysis.looks import Looks
from analysis.results import ENDED, Results, looks_of, measured
from analysis.series import Series, Values
from analysis.statistics import ROUNDING, minus, quiet
from study.declare.claims import TRENDS, Claim
from study.metric import Metric

# Kinds that compare the whole curve, not only what it counts as.
OF_CURVES = frozenset({"levels_off", "drops"})


@quiet
def verdicts(results: Results, study: str) -> list[Verdict]:
    """A verdict for each claim of the study, in order."""
    record, metrics = results.studies[study], results.metrics(study)
    claims = [Claim.model_validate(claim) for claim in record["claims"]]
    of_curves = [
        claim.metric
        for claim in claims
        if claim.metric and (claim.kind in OF_CURVES or claim.measure != "value")
    ]
    trials = results.comparable(study)
    curves = results.curves(trials.key[trials.status.isin(ENDED)], of_curves) if of_curves else None
    series_of = {}
    for name in {metrics[name].series for name in of_curves}:
        of_trials = series.by_trial(curves, name) if curves is not None else {}
        series_of[name] = [of_trials.get(key) for key in trials.key]
    places = dict(trials.groupby("arm", sort=False).indices)
    data = _Data(
        trials,
        {str(arm): list(at) for arm, at in places.items()},
        metrics,
        series_of,
        record["published"],
        looks_of(record),
    )
    found = []
    for claim in claims:
        arms = list(claim.arms) or [arm["label"] for arm in record["arms"]]
        comparisons, beside = list(COMPARED[claim.kind](data, claim, arms)), list[Comparison]()
        if claim.kind in TRENDS and len(arms) > 2:
            slope, *steps = comparisons
            comparisons, beside = (steps, [slope]) if claim.each_step else ([slope], _against(steps))
        if results.tuned(study):
            comparisons = [_in_all_seeds(one) for one in comparisons]
        metric = metrics.get(claim.metric)
        found.append(Verdict(study, claim, metric, tuple(comparisons), tuple(beside)))
    return found


def _against(steps: list[Comparison]) -> list[Comparison]:
    """The steps of a trend, of which those that go the other way say so."""
    return [
        dataclasses.replace(step, note="goes the other way") if step.verdict == CONTRADICTED else step
        for step in steps
    ]


def _in_all_seeds(found: Comparison) -> Comparison:
    """With the seeds that choose among an arm's candidates counted among those that would decide it."""
    if found.seeds_to_decide is None:
        return found
    fewest, most = found.seeds_to_decide
    needed = tuning.with_telling(fewest), most and tuning.with_telling(most)
    return dataclasses.replace(found, seeds_to_decide=needed)


@dataclass(frozen=True)
class _Data:
    """What claims are judged by.

    trials: a row per arm and seed, as Results.comparable gives it. places: the rows of each arm. series: by metric
    and row a trial's series; None where it was not measured.
    """

    trials: pd.DataFrame
    places: dict[str, list[int]]
    metrics: dict[str, Metric]
    series: dict[str, list[Series | None]]
    published: dict[str, dict[str, float]]
    looks: Looks

    @property
    def diverged(self) -> pd.Series:
        """Which rows are trials that diverged."""
        diverged: pd.Series = self.trials.status == "diverged"
        return diverged

    def of_series(self, metric: Metric, measure: Callable[[Values], float]) -> pd.Series:
        """A number of the values of each trial's series, NaN where there are none; not scaled for a unit."""
        return self._of_each(metric, lambda one: measure(one.values))

    def _of_each(self, metric: Metric, measure: Callable[[Series], float]) -> pd.Series:
        found = [math.nan if one is None else measure(one) for one in self.series[metric.series]]
        return pd.Series(found, self.trials.index, float)

    def values(self, claim: Claim, arms: list[str]) -> pd.Series:
        """What the claim measures of each trial, as it is shown.

        A diverged trial counts as the metric's worst value, NaN where it has none; but it has a curve up to there, with
        a start and a roughness.
        """
        metric = self.metrics[claim.metric]
        if claim.measure == "value":
            return self.counted(metric)
        finished = self.trials.arm.isin(arms) & (self.trials.status == "finished")
        known = [
            one
            for one, counts in zip(self.series[metric.series], finished, strict=True)
            if counts and one is not None
        ]
        if claim.measure == "roughness":
            blocks = series.blocks_of([len(one.values) for one in known])
            return self.of_series(metric, lambda values: series.roughness(values, blocks)) * metric.scale
        # The same steps in each arm, also where one has fewer than the claim speaks of.
        n = min([claim.steps or 0, *(int(one.steps[-1]) for one in known)])
        return self._of_each(metric, lambda one: series.start(one, n)) * metric.scale

    def counted(self, metric: Metric) -> pd.Series:
        """What the metric counts as in each trial, as it is shown; its worst where the trial diverged."""
        worst = math.nan if metric.worst is None else metric.worst
        return measured(self.trials, metric.name).mask(self.diverged, worst) * metric.scale

    def between(self, found: Comparison, *arms: str, fair: bool = False) -> Comparison:
        """A comparison that rests on the trials of these arms.

        With `fair`, undecided where one of them diverged: the seeds that did not are no fair sample.
        """
        found = dataclasses.replace(found, arms=arms)
        if not fair or not set(self.trials.arm[self.diverged]) & set(arms):
            return found
        note = "a diverged trial has no value here"
        return dataclasses.replace(found, verdict=UNDECIDED, note=note, seeds_to_decide=None, for_good=True)

    def of_arm(self, arm: str, values: pd.Series) -> pd.Series:
        """The arm's values by seed."""
        rows = self.places[arm]
        return pd.Series(values.to_numpy(float)[rows], self.trials.seed.to_numpy()[rows])


def _ordered(
    data: _Data, claim: Claim, arms: list[str], pairs: list[tuple[str, str]]
) -> Iterator[Comparison]:
    """Is `larger - smaller` above the margin, by seeds, for each pair (larger, smaller)?"""
    metric, values = data.metrics[claim.metric], data.values(claim, arms)
    for larger, smaller in pairs:
        differences = minus(data.of_arm(larger, values), data.of_arm(smaller, values))
        what, unit = f"{larger} − {smaller}", unit_of_differences(metric)
        found = greater(what, differences, claim.margin or 0.0, len(pairs), unit, data.looks)
        yield data.between(found, larger, smaller, fair=_without_value(data, claim))


def _without_value(data: _Data, claim: Claim) -> bool:
    """Whether a diverged trial has no value of what is compared."""
    return claim.measure == "value" and data.metrics[claim.metric].worst is None


def _trend(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    """The slope over the places of the arms, where there are more than two; then each step."""
    rises = claim.kind == "increasing"
    steps = list(itertools.pairwise(arms))
    if len(arms) > 2:
        metric, values = data.metrics[claim.metric], data.values(claim, arms)
        # Least squares over the places 0, 1, ..., so that a slope is a contrast of each seed's values.
        weights = np.arange(len(arms)) - (len(arms) - 1) / 2
        weights *= (1 if rises else -1) / (weights**2).sum()
        by_seed = pd.concat([data.of_arm(arm, values) for arm in arms], axis=1, join="inner")
        slopes = (by_seed * weights).sum(axis=1, skipna=False)
        slopes = slopes.mask(slopes.abs() <= ROUNDING * by_seed.abs().max(axis=1), 0.0)
        unit = unit_of_differences(metric) + A_STEP
        found = greater("rises" if rises else "falls", slopes, 0.0, 1, unit, data.looks)
        yield data.between(found, *arms, fair=_without_value(data, claim))
    yield from _ordered(data, claim, arms, [(b, a) if rises else (a, b) for a, b in steps])


def _first_above(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(arms[0], other) for other in arms[1:]])


def _first_below(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(other, arms[0]) for other in arms[1:]])


def _equivalent(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    values, pairs = data.values(claim, arms), list(itertools.combinations(arms, 2))
    unit = unit_of_differences(data.metrics[claim.metric])
    for a, b in pairs:
        differences = minus(data.of_arm(b, values), data.of_arm(a, values))
        found = within(f"{b} − {a}", differences, claim.margin or 0.0, len(pairs), unit, data.looks)
        yield data.between(found, a, b, fair=_without_value(data, claim))


def _about_published(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    pairs = [(arm, data.metrics[name]) for arm in arms for name in data.published.get(arm, {})]
    first = next(iter(data.metrics))
    for arm, metric in pairs:
        ours, published = data.of_arm(arm, data.counted(metric)), data.published[arm][metric.name]
        named = "" if metric.name == first else f" ({metric.name.replace('_', ' ')})"
        what, unit = f"another run of {arm} − published{named}", unit_of_differences(metric)
        found = one_of_ours(what, ours, published, claim.margin or 0.0, len(pairs), unit, data.looks)
        yield data.between(found, arm, fair=metric.worst is None)


def _levels_off(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    change = data.of_series(metric, series.pace_at_the_end) * metric.scale
    for arm in arms:
        what, unit = f"{arm}, were it to go on for as long again", unit_of_differences(metric)
        found = within(what, data.of_arm(arm, change), claim.margin or 0.0, len(arms), unit, data.looks)
        # Before it diverges, a trial may well be level.
        yield data.between(found, arm, fair=True)


def _happens(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    # With a trial that diverged, nothing else happened.
    happened = measured(data.trials, metric.name).mask(data.diverged, 0.0)
    for arm in arms:
        what = f"{arm}, {metric.label or metric.name.replace('_', ' ')}"
        yield data.between(share(what, data.of_arm(arm, happened), claim.runs == "every", data.looks), arm)


def _drops(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    level, margin = (claim.level or 0.0) / metric.scale, (claim.margin or 0.0) / metric.scale
    dropped = data.of_series(metric, lambda values: series.rises_then_drops(values, level, margin))
    dropped = dropped.mask(data.diverged, 0.0)
    for arm in arms:
        what = f"{arm} rises, then drops to {f'{claim.level:g} {metric.unit}'.rstrip()}"
        yield data.between(share(what, data.of_arm(arm, dropped), claim.runs == "every", data.looks), arm)


COMPARED: dict[str, Callable[[_Data, Claim, list[str]], Iterator[Comparison]]] = {
    "increasing": _trend,
    "decreasing": _trend,
    "above": _first_above,
    "below": _first_below,
    "equivalent": _equivalent,
    "about_published": _about_published,
    "levels_off": _levels_off,
    "drops": _drops,
    "happens": _happens,
}
