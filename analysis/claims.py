"""Claims -> verdicts: does the data support what a report says, contradict it, or leave it undecided?

A verdict rests on intervals over seeds that stay right however often one looks (analysis.looks). A claim of several
comparisons is *reproduced* where each one is, at 95 %; it is *contradicted* where any one is, at 95 % for all of them
together (Bonferroni); else *undecided*. One seed decides nothing, but that something does not happen in every run.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from study.declare.claims import TRENDS, Claim

from . import series, tuning
from .digits import unit_of_differences
from .evidence import Evidence, gathered
from .judging import (
    A_STEP,
    CONTRADICTED,
    Comparison,
    Verdict,
    above_margin,
    either_way,
    greater,
    one_of_ours,
    share,
    within,
    within_margin,
)
from .other_cases import on_other_cases
from .results import Results, measured
from .statistics import ROUNDING, minus, quiet


@quiet
def verdicts(results: Results, study: str) -> list[Verdict]:
    """A verdict for each claim of the study, in order."""
    record, metrics = results.studies[study], results.metrics(study)
    claims = [Claim.model_validate(claim) for claim in record["claims"]]
    data = gathered(results, study, claims)
    found = []
    for claim in claims:
        arms = list(claim.arms) or [arm["label"] for arm in record["arms"]]
        comparisons, beside = list(COMPARED[claim.kind](data, claim, arms)), list[Comparison]()
        if claim.kind in TRENDS and len(arms) > 2:
            slope, *steps = comparisons
            comparisons, beside = (steps, [slope]) if claim.each_step else ([slope], _against(steps))
        if every := results.choosing(study):
            comparisons = [_in_all_seeds(one, every) for one in comparisons]
        metric = metrics.get(claim.metric)
        found.append(Verdict(study, claim, metric, tuple(comparisons), tuple(beside)))
    return found


def _against(steps: list[Comparison]) -> list[Comparison]:
    """The steps of a trend, of which those that go the other way say so."""
    return [
        dataclasses.replace(step, note="goes the other way") if step.verdict == CONTRADICTED else step
        for step in steps
    ]


def _in_all_seeds(found: Comparison, every: int) -> Comparison:
    """With the seeds that choose counted among those that would decide it."""
    if found.seeds_to_decide is None:
        return found
    fewest, most = found.seeds_to_decide
    needed = tuning.with_telling(fewest, every), most and tuning.with_telling(most, every)
    return dataclasses.replace(found, seeds_to_decide=needed)


def _ordered(
    data: Evidence, claim: Claim, arms: list[str], pairs: list[tuple[str, str]]
) -> Iterator[Comparison]:
    """Is `larger - smaller` above the margin, by seeds, for each pair (larger, smaller)?"""
    metric, values = data.metrics[claim.metric], data.values(claim, arms)
    for larger, smaller in pairs:
        differences = minus(data.of_arm(larger, values), data.of_arm(smaller, values))
        what, unit, margin = f"{larger} − {smaller}", unit_of_differences(metric), claim.margin or 0.0
        found = greater(what, differences, margin, len(pairs), unit, data.looks)
        found = data.between(found, larger, smaller, fair=_without_value(data, claim))
        yield on_other_cases(data, claim, found, np.array([1.0, -1.0]), partial(above_margin, margin))


def _without_value(data: Evidence, claim: Claim) -> bool:
    """Whether a diverged trial has no value of what is compared."""
    return claim.measure == "value" and data.metrics[claim.metric].worst is None


def _trend(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    """The slope over the places of the arms, where there are more than two; then each step."""
    rises = claim.kind == "increasing"
    steps = list(itertools.pairwise(arms))
    if len(arms) > 2:
        metric, values = data.metrics[claim.metric], data.values(claim, arms)
        # Least squares over the places 0, 1, ..., so that a slope is a contrast of each seed's values.
        places = np.arange(len(arms), dtype=np.float64) - (len(arms) - 1) / 2
        weights = places * ((1 if rises else -1) / (places**2).sum())
        by_seed = pd.concat([data.of_arm(arm, values) for arm in arms], axis=1, join="inner")
        slopes = (by_seed * weights).sum(axis=1, skipna=False)
        slopes = slopes.mask(slopes.abs() <= ROUNDING * by_seed.abs().max(axis=1), 0.0)
        unit = unit_of_differences(metric) + A_STEP
        found = greater("rises" if rises else "falls", slopes, 0.0, 1, unit, data.looks)
        found = data.between(found, *arms, fair=_without_value(data, claim))
        yield on_other_cases(data, claim, found, weights, partial(above_margin, 0.0))
    yield from _ordered(data, claim, arms, [(b, a) if rises else (a, b) for a, b in steps])


def _first_above(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(arms[0], other) for other in arms[1:]])


def _first_below(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    return _ordered(data, claim, arms, [(other, arms[0]) for other in arms[1:]])


def _equivalent(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    values, pairs = data.values(claim, arms), list(itertools.combinations(arms, 2))
    unit = unit_of_differences(data.metrics[claim.metric])
    for a, b in pairs:
        differences = minus(data.of_arm(b, values), data.of_arm(a, values))
        margin = claim.margin or 0.0
        found = within(f"{b} − {a}", differences, margin, len(pairs), unit, data.looks)
        found = data.between(found, a, b, fair=_without_value(data, claim))
        yield on_other_cases(data, claim, found, np.array([-1.0, 1.0]), partial(within_margin, margin))


def _either_way(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    values, (one, other) = data.values(claim, arms), arms
    differences = minus(data.of_arm(one, values), data.of_arm(other, values))
    higher = (differences > 0).astype("float64").mask((differences == 0) | differences.isna())
    found = either_way(f"{one} above {other}", higher, data.looks)
    if found.n == 0 and differences.notna().any():
        found = dataclasses.replace(found, note="equal with every seed")
    yield data.between(found, one, other, fair=_without_value(data, claim))


def _about_published(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    pairs = [
        (arm, data.metrics[name])
        for arm in arms
        for name in data.published.get(arm, {})
        if claim.metric in ("", name)  # all that were published, or one
    ]
    first = next(iter(data.metrics))
    for arm, metric in pairs:
        ours, published = data.of_arm(arm, data.counted(metric)), data.published[arm][metric.name]
        named = "" if metric.name == first else f" ({metric.name.replace('_', ' ')})"
        what, unit = f"another run of {arm} − published{named}", unit_of_differences(metric)
        diverged = int(data.diverged.iloc[data.places[arm]].sum())
        margin = claim.margin or 0.0
        found = one_of_ours(what, ours, published, margin, len(pairs), unit, data.looks, diverged)
        yield data.between(found, arm, fair=metric.worst is None)


def _levels_off(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    # Before it diverges, a trial may well be level.
    change = data.of_series(metric, series.pace_at_the_end).mask(data.diverged) * metric.scale
    for arm in arms:
        what, unit = f"{arm}, were it to go on for as long again", unit_of_differences(metric)
        found = within(what, data.of_arm(arm, change), claim.margin or 0.0, len(arms), unit, data.looks)
        yield data.between(found, arm, fair=True)


def _happens(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    # With a trial that diverged, nothing else happened.
    happened = measured(data.trials, metric.name).mask(data.diverged, 0.0)
    for arm in arms:
        what = f"{arm}, {metric.label or metric.name.replace('_', ' ')}"
        yield data.between(share(what, data.of_arm(arm, happened), claim.runs == "every", data.looks), arm)


def _drops(data: Evidence, claim: Claim, arms: list[str]) -> Iterator[Comparison]:
    metric = data.metrics[claim.metric]
    level, margin = (claim.level or 0.0) / metric.scale, (claim.margin or 0.0) / metric.scale
    dropped = data.of_series(metric, lambda values: series.rises_then_drops(values, level, margin))
    dropped = dropped.mask(data.diverged, 0.0)
    for arm in arms:
        what = f"{arm} rises, then drops to {f'{claim.level:g} {metric.unit}'.rstrip()}"
        yield data.between(share(what, data.of_arm(arm, dropped), claim.runs == "every", data.looks), arm)


COMPARED: dict[str, Callable[[Evidence, Claim, list[str]], Iterator[Comparison]]] = {
    "increasing": _trend,
    "decreasing": _trend,
    "above": _first_above,
    "below": _first_below,
    "equivalent": _equivalent,
    "about_published": _about_published,
    "levels_off": _levels_off,
    "drops": _drops,
    "happens": _happens,
    "either_way": _either_way,
}
