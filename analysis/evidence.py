"""What the claims of a study are judged by: values by arm and seed, series, and which cases were answered right."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.declare.claims import Claim
from study.metric import Metric

from . import series
from .judging import UNDECIDED, Comparison
from .looks import Looks
from .results import ENDED, Results, looks_of, measured
from .series import Series, Values
from .statistics import minus

# Kinds that compare the whole curve, not only what it counts as.
OF_CURVES = frozenset({"levels_off", "drops"})

# By case, in which share of an arm's seeds it was answered right.
Shares = npt.NDArray[np.float64]


def gathered(results: Results, study: str, claims: Sequence[Claim]) -> Evidence:
    """What these claims of a study are judged by; curves are read where one of them is about curves."""
    metrics, trials = results.metrics(study), _comparable(results, study)
    of_curves = [
        claim.metric
        for claim in claims
        if claim.metric and (claim.kind in OF_CURVES or claim.measure != "value")
    ]
    curves = results.curves(trials.key[trials.status.isin(ENDED)], of_curves) if of_curves else None
    series_of = {}
    for name in {metrics[name].series for name in of_curves}:
        of_trials = series.by_trial(curves, name) if curves is not None else {}
        series_of[name] = [of_trials.get(key) for key in trials.key]
    places = dict(trials.groupby("arm", sort=False).indices)
    return Evidence(
        results,
        trials,
        {str(arm): list(at) for arm, at in places.items()},
        metrics,
        series_of,
        results.studies[study]["published"],
        looks_of(results.studies[study]),
    )


def _comparable(results: Results, study: str) -> pd.DataFrame:
    """Results.comparable; arms without metrics are stopped or pending as a whole: they have no curves either."""
    trials = results.comparable(study)
    stopped = trials.arm.isin(trials.arm[trials.status == "stopped"])
    trials["status"] = trials.status.mask(stopped, "stopped")
    if results.tuned(study):
        trials["status"] = trials.status.mask(trials.tuned == "")
    return trials


@dataclass(frozen=True)
class Evidence:
    """What claims are judged by.

    trials: a row per arm and seed, as Results.comparable gives it. places: the rows of each arm. series: by metric
    and row a trial's series; None where it was not measured.
    """

    results: Results
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
            counted = self.counted(metric)
            return minus(counted, self.counted(self.metrics[claim.minus])) if claim.minus else counted
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

        With `fair`, undecided where one of them diverged: the seeds that did not are no fair sample. Without a number,
        it says why there is none.
        """
        found = dataclasses.replace(found, arms=arms)
        if found.n == 0 and not found.note:
            found = dataclasses.replace(found, note=self._why_none(arms))
        if not fair or not set(self.trials.arm[self.diverged]) & set(arms):
            return found
        note = "a diverged trial has no value here"
        return dataclasses.replace(found, verdict=UNDECIDED, note=note, seeds_to_decide=None, for_good=True)

    def _why_none(self, arms: Sequence[str]) -> str:
        """Why there is no seed with a value of all these arms."""
        of_arms = [self.trials.iloc[self.places[arm]].set_index("seed").status for arm in arms]
        by_seed = pd.concat(of_arms, axis=1, join="inner")
        if (by_seed == "stopped").any(axis=None):
            return "stopped early"
        ended = by_seed[by_seed.isin(ENDED).all(axis=1)]
        if ended.empty:
            return "pending"
        return "diverged" if (ended == "diverged").any(axis=1).all() else "not measured"

    def of_arm(self, arm: str, values: pd.Series) -> pd.Series:
        """The arm's values by seed."""
        rows = self.places[arm]
        return pd.Series(values.to_numpy(float)[rows], self.trials.seed.to_numpy()[rows])

    def right(self, arms: Sequence[str], metric: Metric) -> list[Shares] | None:
        """Of each arm, in which share of its seeds each of N cases was answered right, float64 [N].

        By the seeds that all of the arms have. None where a trial does not say, or of another test set.
        """
        seeds = [set(self.of_arm(arm, self.counted(metric)).dropna().index) for arm in arms]
        both, rows = set.intersection(*seeds), self.trials.set_index(["arm", "seed"]).key
        found = []
        for arm in arms:
            told = [self.results.correct(rows[arm, seed], metric.name) for seed in sorted(both)]
            of_trials = [one for one in told if one is not None]
            if not told or len(of_trials) < len(told) or len({len(one) for one in of_trials}) > 1:
                return None
            found.append(np.mean(of_trials, axis=0))
        return found if len({len(one) for one in found}) == 1 else None
