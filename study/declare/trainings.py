"""What a study may name as its training, and what is wrong with one that can't be trained."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from inspect import getattr_static
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from study.declare.data import names_of_data
from study.errors import StudyError, did_you_mean, mistakes_in
from study.metric import MOST_SERIES, Metric
from study.own_code import is_plugin, resolve
from study.training import Config, Training

# What studies train that name nothing else.
DEFAULT = "study.images.declaration:Images"
# What people may give of other libraries, by the name of a base class, and how it is used here.
OF_OTHERS = {
    "LightningModule": "a LightningModule brings a training loop of its own: call its Trainer in a function "
    "(study.function), or its training_step in a Training's step",
    "Module": "a network alone says nothing of data, loss and steps: build it in the __init__ of a Training",
    "Trainable": "a Tune Trainable saves and loads by itself: move its step into a Training",
    "Trainer": "a Trainer brings a training loop of its own: call it in a function (study.function)",
}
# One of these says what a training does in its steps.
STEPPING = ("step", "advance", "implementation")
HOW = "A training is a class based on study.Training, a study.function or a study.command: docs/your-training.md."


def training_of(given: Any) -> type[Training]:
    """The training that a study names; nothing names the default one. Raises StudyError where it is none."""
    if given is None:
        given = DEFAULT
    if isinstance(given, str):
        if not is_plugin(given):
            raise StudyError(f"training = {given!r}: give a class or 'package.module:Class'", HOW)
        given = resolve(given)
    if not (isinstance(given, type) and issubclass(given, Training)):
        raise StudyError(f"training = {_called(given)}: {_why_not(given)}", HOW)
    if mistakes := [*_mistakes_in(given)]:
        raise StudyError(*(f"training {given.called()}: {mistake}" for mistake in mistakes))
    return given


def _called(given: object) -> str:
    return given.__name__ if inspect.isclass(given) or inspect.isfunction(given) else repr(given)[:60]


def _why_not(given: object) -> str:
    kind = given if isinstance(given, type) else type(given)
    for base in kind.__mro__:
        if base.__name__ in OF_OTHERS:
            return OF_OTHERS[base.__name__]
    if inspect.isfunction(given):
        return "a function needs to say what it measures: @study.function(study.lower('loss'))"
    if isinstance(given, Training):
        return "give the class, not an instance of it"
    return "is no training"


def _mistakes_in(kind: type[Training]) -> Iterator[str]:
    yield from _mistakes_in_config(kind)
    metrics = kind.metrics
    if not isinstance(metrics, list | tuple) or not metrics:
        yield "has no metrics; declare what it measures: metrics = [study.lower('loss')]"
        return
    if other := [metric for metric in metrics if not isinstance(metric, Metric)]:
        yield f"metrics: {other[0]!r} is no metric; use study.higher(...) or study.lower(...)"
        return
    names = [metric.name for metric in metrics]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"metrics: {name!r} is declared twice"
    own = [metric.name for metric in metrics if not metric.of]
    for metric in metrics:
        if metric.of and metric.of not in own:
            yield f"metrics: {metric.name!r} counts {metric.of!r}, which has no series{did_you_mean(metric.of, own)}"
    if len(own) > MOST_SERIES:
        yield f"metrics: {len(own)} have a series of their own; at most {MOST_SERIES} may"
    for what in ("watched", "selected_by"):
        if (name := getattr(kind, what)) and name not in names:
            yield f"{what} = {name!r} is no metric of it{did_you_mean(name, names)}"
    if kind.selected_by == names[0]:
        yield f"selected_by = {names[0]!r} is the reported metric, on which nothing may be selected"
    if isinstance(kind.state, str):
        yield f"state = {kind.state!r}: give a list of names"
    if kind.version is not None and (not isinstance(kind.version, str) or not kind.version.strip()):
        yield f"version = {kind.version!r}: give text, such as '1'"
    if all(getattr_static(kind, name) is getattr_static(Training, name) for name in STEPPING):
        yield "has no step(self, t)"


def _has_a_set(kind: Any) -> bool:
    return (
        kind in (set, frozenset)
        or get_origin(kind) in (set, frozenset)
        or any(map(_has_a_set, get_args(kind)))
    )


def _mistakes_in_config(kind: type[Training]) -> Iterator[str]:
    config: Any = kind.Config
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        yield f"Config is {_called(config)}; make it a class with study.Config as its base"
        return
    if not issubclass(config, Config):
        yield f"Config has the base {config.__mro__[1].__name__}; give it study.Config, which knows no unknown names"
        return
    for name, field in config.model_fields.items():
        if name == "seed":
            yield "Config has a field `seed`: the engine gives the seed to __init__"
        if _has_a_set(field.annotation):
            yield f"Config: {name} may be a set, whose order is another in each process; make it a tuple"
        if field.is_required():
            yield f"Config: {name} has no default; the defaults together are the baseline of a study"
    if any(field.is_required() for field in config.model_fields.values()):
        return
    try:
        config()
    except ValidationError as error:
        yield from (f"Config: the default {mistake}" for mistake in mistakes_in(error, config))
    try:
        names_of_data(kind)
    except StudyError as error:
        yield error.mistakes[0].removeprefix(f"{kind.called()}: ")
