"""What in a study that searches, or selects, does not fit together, a line each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from study.declare.data import names_of_data
from study.declare.samplers import SAMPLERS
from study.declare.space import Choose, Space
from study.errors import StudyError, did_you_mean, validated

if TYPE_CHECKING:
    from study.declare.study import Study

# Points with a value that are looked at to find one where it is allowed.
TRIES = 20
# Arms of a study in which they are looked at.
ARMS_TRIED = 10


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
        if study.sampler and study.nuisance:
            yield from _sampler_mistakes(study, "nuisance", study.nuisance, objectives=1)
        elif study.sampler:
            yield "sampler goes with search={...} or nuisance={...}"
        return
    if study.budget is None:
        yield "search: give budget=..., how many trials may be trained to search"
    if study.nuisance:
        yield "search and nuisance don't go together: search for all of them"
    for metric in study.objective or ("",):
        yield from mistakes_of_choosing(study, "search", "objective", metric)
    if len(set(study.objective)) < len(study.objective):
        yield "objective: a metric is given twice"
    yield from _sampler_mistakes(study, "search", study.search, len(study.objective))


def _sampler_mistakes(study: Study, what: str, given: Mapping[str, Any], objectives: int) -> Iterator[str]:
    """Of a sampler and the space in which it suggests, which the study calls `what`."""
    if study.sampler not in SAMPLERS:
        near = did_you_mean(study.sampler, SAMPLERS)
        yield f"sampler = {study.sampler!r}: there are {', '.join(SAMPLERS)}{near}"
    elif objectives > (most := SAMPLERS[study.sampler].objectives):
        yield f"sampler = {study.sampler!r}: looks at {most} objective, not at {objectives}"
    try:
        space = Space(given)
    except StudyError as error:
        yield from error.mistakes
        return
    yield from _space_mistakes(study, space, what)


def _space_mistakes(study: Study, space: Space, what: str) -> Iterator[str]:
    known = study.kind.Config.model_fields
    for name in sorted(space.names):
        if name == "seed":
            yield f"{what}: seed is no hyperparameter: the search has seed 0, and others tell what it found"
        elif name not in known:
            yield f"{what}: unknown hyperparameter {name!r}{did_you_mean(name, known)}"
        elif name in study.fixed:
            yield f"fixed: {name} is what {what} varies"
        elif name in names_of_data(study.kind):
            yield f"{what}: {name} chooses the data, on which points could not be compared"
    if space.size < 2:
        yield f"{what}: the space has one point only; give domains such as tune.loguniform(0.001, 1)"
    kind = SAMPLERS.get(study.sampler)
    if kind and space.conditional and not kind.conditional:
        able = ", ".join(name for name, one in SAMPLERS.items() if one.conditional)
        yield f"sampler = {study.sampler!r}: can't search where some hyperparameters depend on others; {able} can"
    if study.sampler == "pbt":
        yield from _population_mistakes(study, space, what)
    for values in study.start:
        try:
            space.point(values)
        except ValueError as error:
            yield f"start: {error}"
    if study.search:
        yield from dict.fromkeys(_value_mistakes(study, what, space, [{}]))


def _population_mistakes(study: Study, space: Space, what: str) -> Iterator[str]:
    """Why its training can't be trained as a population."""
    kind = study.kind
    if what == "nuisance":
        yield "sampler = 'pbt': trains what a study searches, no nuisance hyperparameters"
    if not kind.continues:
        yield f"sampler = 'pbt': {kind.called()} can't be continued, so that no trial could go on from another's state"
    elif fixed := sorted(space.names - {*kind.changes}):
        yield (
            f"sampler = 'pbt': {', '.join(fixed)} can't change while {kind.called()} trains; what can is "
            f"{listed(kind.changes) if kind.changes else 'nothing: name it in `changes`, and write change(config)'}"
        )
    if study.budget == 1:
        yield "sampler = 'pbt': budget = 1: a population has two members or more"


def mistakes_of_tuning(study: Study) -> Iterator[str]:
    """What is wrong with the values of hyperparameters that a sampler tunes in a study's arms."""
    if study.searches and not study.search:
        arms = [arm.overrides for arm in study.expand()[:ARMS_TRIED]]
        yield from dict.fromkeys(_value_mistakes(study, "nuisance", Space(study.nuisance), arms))


def _value_mistakes(
    study: Study, what: str, space: Space, arms: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What is wrong with the ends of ranges and with choices that fit to no point that was tried in any arm."""
    drawn = random.Random(0)
    for name, one in space.dimensions.items():
        for end in range(int(one.low), int(one.high) + 1) if one.choices is not None else (one.low, one.high):
            tried = [space.choose(drawing(drawn, name, end)) for _ in range(TRIES)]
            points = [values for point, values in tried if name in point]
            why = [_mistakes(study, {**own, **values}) for own in arms for values in points]
            if why and all(why):
                yield from (f"{what}: {mistake}" for mistake in why[0])


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
