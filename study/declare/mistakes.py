"""What in a study does not fit together, a line each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError

from study.declare.claims import OF_SEVERAL_ARMS, WITHIN_A_MARGIN, Claim
from study.declare.domains import is_domain, is_user_function
from study.declare.search_mistakes import listed, mistakes_of_choosing, mistakes_of_search, mistakes_of_tuning
from study.errors import StudyError, did_you_mean, last_line, validated
from study.metric import Metric

if TYPE_CHECKING:
    from study.declare.study import Study
    from study.training import Config

MAX_ARMS = 1_000_000
# As records and tables have them.
MOST_IN_LABEL = 1000


def mistakes_of_study(study: Study) -> list[str]:
    """Every mistake of its structure or, where there is none, of its arms and of what names them."""
    return [*_structural_mistakes(study)] or [
        *_arm_mistakes(study),
        *mistakes_of_tuning(study),
        *_label_mistakes(study),
    ]


def _structural_mistakes(study: Study) -> Iterator[str]:
    if sum(map(bool, (study.scientific, study.arms, study.search))) != 1:
        yield "give either scientific={...} or arms={...}, and at least one arm; or search={...}"
    known = study.kind.Config.model_fields
    named = [("scientific", study.scientific), ("fixed", study.fixed), ("nuisance", study.nuisance)]
    named += [("start", values) for values in study.start]
    named += [(f"arm {label!r}", overrides) for label, overrides in study.arms.items()]
    for where, fields in named:
        for field in fields:
            if field == "seed":
                yield f"{where}: seed is chosen at the start, with --seeds, not in a study"
            elif field not in known:
                yield f"{where}: unknown hyperparameter {field!r}{did_you_mean(field, known)}"
    for field in study.fixed.keys() & study.scientific.keys():
        yield f"fixed: {field} is what scientific varies"
    for field, space in study.scientific.items():
        is_grid = isinstance(space, Mapping) and space.keys() == {"grid_search"}
        values = space["grid_search"] if is_grid else None
        if is_user_function(space):
            yield (
                f"scientific: {field}: tune.sample_from may draw other values each time the study is read, so that "
                "none would be continued; use a domain such as tune.uniform(0, 1), or tune.grid_search([...])"
            )
        elif not isinstance(values, list) and not is_domain(space):
            yield f"scientific: {field} = {space!r}: use tune.grid_search([...]) or one of Tune's domains"
        elif values is not None and not values:
            yield f"scientific: {field}: the grid is empty"
    sizes = [study.samples or 1]
    grids = [space.get("grid_search") for space in study.scientific.values() if isinstance(space, Mapping)]
    sizes += [len(grid) for grid in grids if isinstance(grid, list)]
    if math.prod(sizes) > MAX_ARMS:
        yield f"scientific: {math.prod(sizes):,} arms; at most {MAX_ARMS:,} are allowed"
    drawn = any(is_domain(space) for space in study.scientific.values())
    if drawn != (study.samples is not None):
        yield "samples goes with domains in scientific: samples=8 draws eight points of them"
    yield from _nuisance_mistakes(study)
    yield from mistakes_of_search(study)


def _nuisance_mistakes(study: Study) -> Iterator[str]:
    for field, space in study.nuisance.items():
        if not is_domain(space):
            yield f"nuisance: {field} = {space!r}: use a domain such as tune.loguniform(0.001, 1)"
        if any(field in others for others in (study.scientific, study.fixed, *study.arms.values())):
            yield f"nuisance: {field} is set elsewhere in the study too"
    if bool(study.nuisance) != (study.nuisance_samples is not None):
        yield "nuisance and nuisance_samples go together"
    if study.selected_by and not study.nuisance:
        yield f"selected_by = {study.selected_by!r}: selects among nuisance hyperparameters, of which there are none"
    if not study.nuisance:
        return
    yield from mistakes_of_choosing(study, "nuisance", "selected_by", study.selected_by)


def _arm_mistakes(study: Study) -> Iterator[str]:
    seen: set[str] = set()
    configs: dict[str, str] = {}
    # A mistake that `fixed` makes by itself would be repeated by each arm; it is said once.
    alone = mistakes_of_config(study.kind.Config, study.fixed)
    said: dict[str, None] = {}
    for arm in study.expand():
        if arm.label in seen:
            yield f"arm {arm.label!r} occurs twice"
        seen.add(arm.label)
        if len(arm.label) > MOST_IN_LABEL:
            yield (
                f"arm {arm.label[:20]!r}...: a label of {len(arm.label):,} characters; at most {MOST_IN_LABEL:,} are "
                'allowed, so give the arms shorter ones: arms={"short": {...}}'
            )
        for candidate in arm.candidates:
            try:
                config = validated(study.kind.Config, {**study.fixed, **arm.overrides, **candidate})
                same = config.model_dump_json()
                if configs.setdefault(same, arm.label) != arm.label:
                    yield f"arm {arm.label!r} trains the same as arm {configs[same]!r}"
            except PydanticSerializationError as error:
                yield f"arm {arm.label!r}: has a value that can't be stored: {last_line(error)}"
            except StudyError as error:
                for mistake in error.mistakes:
                    said[f"fixed: {mistake}" if mistake in alone else f"arm {arm.label!r}: {mistake}"] = None
    yield from said


def mistakes_of_config(config: type[Config], fields: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with these hyperparameters by themselves."""
    try:
        validated(config, fields)
    except StudyError as error:
        return error.mistakes
    return ()


def _label_mistakes(study: Study) -> Iterator[str]:
    labels = study.labels
    if study.reference and study.reference not in labels:
        yield f"reference: no arm {study.reference!r}{did_you_mean(study.reference, labels)}"
    for label, values in study.published.items():
        if label not in labels:
            yield f"published: no arm {label!r}{did_you_mean(label, labels)}"
        for name, value in values.items():
            if name not in study.metrics:
                yield f"published: unknown metric {name!r}{did_you_mean(name, study.metrics)}"
            elif study.metrics[name].unit == "%" and not 0 <= value <= 100:
                yield f"published: {label!r}: {value} is not a percentage"
    if study.watched not in study.metrics:
        yield f"watched: unknown metric {study.watched!r}{did_you_mean(study.watched, study.metrics)}"
    for claim in study.claims:
        if claim.metric and claim.metric not in study.metrics:
            near = did_you_mean(claim.metric, study.metrics) or f"; allowed are {listed(study.metrics)}"
            yield f"claims: {claim.kind}: unknown metric {claim.metric!r}{near}"
        elif claim.kind in WITHIN_A_MARGIN and claim.margin is None:
            yield f"claims: {claim.kind}: give margin=..., in the metric's unit"
        elif claim.kind == "equivalent" and claim.margin == 0:
            yield "claims: equivalent: margin = 0: no two arms differ by less than nothing; give a larger one"
        if claim.metric in study.metrics:
            yield from _metric_mistakes(study, claim, study.metrics[claim.metric])
        for label in claim.arms:
            if label not in labels:
                near = did_you_mean(label, labels)
                yield f"claims: {claim.kind} names no arm of the study: {label!r}{near}"
        named = claim.arms or labels
        if claim.kind in OF_SEVERAL_ARMS and len(named) < 2:
            yield f"claims: {claim.kind} compares arms, and there is only {named[0]!r}"
        if claim.kind == "either_way" and len(named) > 2:
            yield f"claims: either_way compares two arms, not {len(named)}"
        known = {name for label in named for name in study.published.get(label, {})}
        if claim.kind == "about_published" and not (known & {claim.metric} if claim.metric else known):
            of = f" of {claim.metric}" if claim.metric else ""
            yield f"claims: {claim.kind}: no published value{of} for {', '.join(map(repr, named))}"


def _metric_mistakes(study: Study, claim: Claim, metric: Metric) -> Iterator[str]:
    if claim.minus and claim.minus not in study.metrics:
        yield f"claims: {claim.kind}: minus: unknown metric {claim.minus!r}{did_you_mean(claim.minus, study.metrics)}"
    elif claim.minus and study.metrics[claim.minus].unit != metric.unit:
        yield f"claims: {claim.kind}: minus: {claim.minus} is not in the unit of {claim.metric}"
    if claim.any_test_set and not metric.cases:
        yield (
            f"claims: {claim.kind}: any_test_set: {claim.metric} is no share of cases that are known one by one; "
            "a metric says that it is with cases=..."
        )
