"""What in a study that searches, or selects, does not fit together, a line each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from study.declare.data import names_of_data
from study.declare.samplers import SAMPLERS
from study.declare.space import Choose, Space
from study.errors import StudyError, did_you_mean, validated

if TYPE_CHECKING:
    from study.declare.study import Study

# Points with a value that are looked at to find one where it is allowed.
TRIES = 20


def mistakes_of_choosing(study: Study, what: str, field: str, metric: str) -> Iterator[str]:
    """Why this metric, given in this field, can't choose among hyperparameters: it must not be the reported one."""
    allowed = [name for name in study.metrics if name != study.kind.metrics[0].name]
    if not metric:
        yield f"{what}: give {field}=..., a metric that is not the reported one: {listed(allowed)}"
    elif metric not in allowed:
        yield (
            f"{field} = {metric!r}: needed is a metric that is not the reported one: "
            f"{listed(allowed)}{did_you_mean(metric, allowed)}"
        )
    elif metric.startswith("test_"):
        yield f"{field} = {metric!r}: what chooses must not look at the test set; use {listed(allowed)}"
    elif why := study.kind.unmeasured(study.kind.Config.model_construct(**study.fixed)).get(metric):
        yield f"{what}: {why}"


def mistakes_of_search(study: Study) -> Iterator[str]:
    """Of what a study gives for its search."""
    if not study.search:
        given = {"budget": study.budget, "objective": study.objective, "start": study.start}
        for name in (name for name, value in given.items() if value):
            yield f"{name} goes with search={{...}}"
        return
    if study.budget is None:
        yield "search: give budget=..., how many trials may be trained to search"
    if study.nuisance:
        yield "search and nuisance don't go together: search for all of them"
    for metric in study.objective or ("",):
        yield from mistakes_of_choosing(study, "search", "objective", metric)
    if len(set(study.objective)) < len(study.objective):
        yield "objective: a metric is given twice"
    if study.sampler not in SAMPLERS:
        near = did_you_mean(study.sampler, SAMPLERS)
        yield f"sampler = {study.sampler!r}: there are {', '.join(SAMPLERS)}{near}"
    elif len(study.objective) > (most := SAMPLERS[study.sampler].objectives):
        yield f"sampler = {study.sampler!r}: looks at {most} objective, not at {len(study.objective)}"
    try:
        space = Space(study.search)
    except StudyError as error:
        yield from error.mistakes
        return
    yield from _space_mistakes(study, space)


def _space_mistakes(study: Study, space: Space) -> Iterator[str]:
    known = study.kind.Config.model_fields
    for name in sorted(space.names):
        if name == "seed":
            yield "search: seed is no hyperparameter: the search has seed 0, and others tell what it found"
        elif name not in known:
            yield f"search: unknown hyperparameter {name!r}{did_you_mean(name, known)}"
        elif name in study.fixed:
            yield f"fixed: {name} is what search varies"
        elif name in names_of_data(study.kind):
            yield f"search: {name} chooses the data, on which points could not be compared"
    if space.size < 2:
        yield "search: the space has one point only; give domains such as tune.loguniform(0.001, 1)"
    kind = SAMPLERS.get(study.sampler)
    if kind and space.conditional and not kind.conditional:
        able = ", ".join(name for name, one in SAMPLERS.items() if one.conditional)
        yield f"sampler = {study.sampler!r}: can't search where some hyperparameters depend on others; {able} can"
    for values in study.start:
        try:
            space.point(values)
        except ValueError as error:
            yield f"start: {error}"
    yield from dict.fromkeys(_value_mistakes(study, space))


def _value_mistakes(study: Study, space: Space) -> Iterator[str]:
    """What is wrong with the ends of ranges and with choices that fit to no point that was tried."""
    drawn = random.Random(0)
    for name, one in space.dimensions.items():
        for end in range(int(one.low), int(one.high) + 1) if one.choices is not None else (one.low, one.high):
            tried = [space.choose(drawing(drawn, name, end)) for _ in range(TRIES)]
            why = [_mistakes(study, values) for point, values in tried if name in point]
            if why and all(why):
                yield from (f"search: {mistake}" for mistake in why[0])


def drawing(drawn: random.Random, fixed: str, value: Any) -> Choose:
    """Chooses at random, but this value in the dimension `fixed`."""
    return lambda name, one: value if name == fixed else one.drawn(drawn)


def _mistakes(study: Study, values: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        validated(study.kind.Config, {**study.fixed, **values})
    except StudyError as error:
        return error.mistakes
    return ()


def listed(names: Iterable[str]) -> str:
    """These names in a sentence."""
    return ", ".join(names) or "the training has no other"
