"""Claims -> verdicts: does the data support what a report says, contradict it, or leave it undecided?

A verdict rests on intervals over seeds. A claim of several comparisons is *reproduced* where each one is, at
95 %; it is *contradicted* where any one is, at 95 % for all of them together (Bonferroni); else *undecided*.
A claim about what happens in each run, such as a collapse, is reproduced where it happens with every seed,
contradicted where it does with none. One seed decides nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from analysis import series
from analysis.digits import unit_of_differences
from analysis.judging import UNDECIDED, Comparison, Verdict, always, greater, within
from analysis.results import ENDED, Results, measured
from analysis.series import Series, Values
from study.declare.claims import Claim
from study.metric import Metric

# Kinds that compare the whole curve, not only what it counts as.
OF_CURVES = frozenset({"levels_off", "drops"})


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
        trials, {str(arm): list(at) for arm, at in places.items()}, metrics, series_of, record["published"]
    )
    found = []
    for claim in claims:
        arms = list(claim.arms) or [arm["label"] for arm in record["arms"]]
        comparisons = tuple(COMPARED[claim.kind](data, claim, arms))
        found.append(Verdict(study, claim, metrics.get(claim.metric), comparisons))
    return found


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

        A diverged trial has no value, NaN; but it has a curve up to there, with a start and a roughness.
        """
        metric = self.metrics[claim.metric]
        if claim.measure == "roughness":
            return self.of_series(metric, series.roughness) * metric.scale
        if claim.measure == "start":
            # The same steps in each arm, also where one has fewer than the claim speaks of.
            finished = self.trials.arm.isin(arms) & (self.trials.status == "finished")
            lengths = [
                int(one.steps[-1])
                for one, counts in zip(self.series[metric.series], finished, strict=True)
                if counts and one is not None
            ]
            n = min([claim.steps or 0, *lengths])
            return self._of_each(metric, lambda one: series.start(one, n)) * metric.scale
        return (measured(self.trials, metric.name) * metric.scale).mask(self.diverged)

    def fair(self, found: Comparison, *arms: str) -> Comparison:
        """Undecided where a trial of the arms diverged: the seeds that did not are no fair sample."""
        diverged = set(self.trials.arm[self.diverged])
        return dataclasses.replace(found, verdict=UNDECIDED) if diverged & set(arms) else found

    def of_arm(self, arm: str, values: pd.Series) -> pd.Series:
        """The arm's values by seed."""
        rows = self.places[arm]
        return pd.Series(values.to_numpy(float)[rows], self.trials.seed.to_numpy()[rows])


def _ordered(
    data: _Data, claim: Claim, arms: list[str], pairs: list[tuple[str, str]]
) -> Iterator[Comparison]:
    """Is `larger - smaller` above the margin, by seeds, for each pair (larger, smaller)?"""
    metric, values, diverged = data.metrics[claim.metric], data.values(claim, arms), data.diverged
    if claim.measure == "value" and metric.worst is not None:
        values = values.mask(diverged, metric.scale * metric.worst)
    for larger, smaller in pairs:
        differences = data.of_arm(larger, values) - data.of_arm(smaller, values)
        unit = unit_of_differences(metric)
        found = greater(f"{larger} − {smaller}", differences, claim.margin or 0.0, len(pairs), unit)
        without_value = claim.measure == "value" and metric.worst is None
        yield data.fair(found, larger, smaller) if without_value else found


def _increasing(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(b, a) for a, b in itertools.pairwise(arms)])


def _decreasing(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, list(itertools.pairwise(arms)))


def _first_above(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(arms[0], other) for other in arms[1:]])


def _first_below(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(other, arms[0]) for other in arms[1:]])


def _equivalent(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    values, pairs = data.values(claim, arms), list(itertools.combinations(arms, 2))
    unit = unit_of_differences(data.metrics[claim.metric])
    for a, b in pairs:
        differences = data.of_arm(b, values) - data.of_arm(a, values)
        found = within(f"{b} − {a}", differences, claim.margin or 0.0, len(pairs), unit)
        yield data.fair(found, a, b) if claim.measure == "value" else found


def _about_published(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    pairs = [(arm, data.metrics[name]) for arm in arms for name in data.published.get(arm, {})]
    first = next(iter(data.metrics))
    for arm, metric in pairs:
        values = measured(data.trials, metric.name) * metric.scale
        differences = data.of_arm(arm, values) - data.published[arm][metric.name]
        named = "" if metric.name == first else f" ({metric.name.replace('_', ' ')})"
        what, unit = f"{arm} − published{named}", unit_of_differences(metric)
        yield data.fair(within(what, differences, claim.margin or 0.0, len(pairs), unit), arm)


def _levels_off(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    change = data.of_series(metric, series.change_at_the_end) * metric.scale
    for arm in arms:
        what, unit = f"{arm}: last 10 % − the 10 % before", unit_of_differences(metric)
        found = within(what, data.of_arm(arm, change), claim.margin or 0.0, len(arms), unit)
        # Before it diverges, a trial may well be level.
        yield data.fair(found, arm)


def _happens(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    # With a trial that diverged, nothing else happened.
    happened = measured(data.trials, metric.name).mask(data.diverged, 0.0)
    for arm in arms:
        yield always(f"{arm}, {metric.label or metric.name.replace('_', ' ')}", data.of_arm(arm, happened))


def _drops(data: _Data, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    level, margin = (claim.level or 0.0) / metric.scale, (claim.margin or 0.0) / metric.scale
    dropped = data.of_series(metric, lambda values: series.rises_then_drops(values, level, margin))
    dropped = dropped.mask(data.diverged, 0.0)
    for arm in arms:
        to = f"{claim.level:g} {metric.unit}".rstrip()
        yield always(f"{arm} rises, then drops to {to}", data.of_arm(arm, dropped))


COMPARED: dict[str, Callable[[_Data, Claim, list[str]], Iterator[Comparison]]] = {
    "increasing": _increasing,
    "decreasing": _decreasing,
    "above": _first_above,
    "below": _first_below,
    "equivalent": _equivalent,
    "about_published": _about_published,
    "levels_off": _levels_off,
    "drops": _drops,
    "happens": _happens,
}
