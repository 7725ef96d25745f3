"""What a study's search starts from: its budget and sampler as they were asked for, and its first points."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from study.declare.mistakes import mistakes_of_config, mistakes_of_study
from study.declare.search_mistakes import TRIES, drawing
from study.declare.study import BASELINE, MAX_BUDGET, Arm, Study
from study.errors import StudyError
from study.training import Config


def asked(study: Study, budget: int | None = None, sampler: str | None = None) -> Study:
    """The same with another budget or sampler of its search. Raises StudyError where it can't have it."""
    given = {"budget": budget, "sampler": sampler}
    changed = {name: value for name, value in given.items() if value is not None}
    if not changed:
        return study
    if not study.search and not study.nuisance:
        words = " and ".join(f"--{name}" for name in changed)
        raise StudyError(f"{study.name} does not search, for which {words} would be")
    if budget is not None and not 1 <= budget <= MAX_BUDGET:
        raise StudyError(f"budget = {budget:,}: give 1 to {MAX_BUDGET:,} trials")
    if study.nuisance and budget is not None:  # of each arm
        changed = {"nuisance_samples": changed.pop("budget"), **changed}
    study = study.model_copy(update=changed)
    if mistakes := mistakes_of_study(study):
        raise StudyError(*(f"{study.name}: {mistake}" for mistake in mistakes))
    return study


def in_arms(study: Study) -> dict[str, Study]:
    """By the label of the arm, the searches of a study whose arms are tuned by a sampler; of one that searches itself,
    the study, without a label.
    """
    if study.search:
        return {"": study}
    arms = study.with_tuned({}, {}).expand() if study.searches else []
    return {arm.label: _in_arm(study, arm) for arm in arms}


def _in_arm(study: Study, arm: Arm) -> Study:
    """The search for an arm's nuisance hyperparameters."""
    return study.model_copy(
        update={
            "search": study.nuisance,
            "nuisance": {},
            "scientific": {},
            "arms": {},
            "fixed": {**study.fixed, **arm.overrides},
            "budget": study.nuisance_samples,
            "objective": (study.selected_by,),
            "finalists": 1,
        }
    )


def searched_configs(study: Study) -> list[Config]:
    """The baseline's hyperparameters, and such in which each choice of the space occurs, where it can."""
    found, drawn = [study.config(Arm(BASELINE, {}), {}, {})], random.Random(0)
    for name, one in study.space.dimensions.items():
        for place in range(len(one.choices or ())):
            for _ in range(TRIES):
                point, values = study.space.choose(drawing(drawn, name, place))
                if name in point and not mistakes_of_config(study.kind.Config, {**study.fixed, **values}):
                    found.append(study.config(Arm(BASELINE, values), {}, {}))
                    break
    return found


def start_points(study: Study, overrides: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The points (`Space`) that a search begins with: the baseline, where that is one, and those of `start`."""
    points = [study.space.point(values) for values in study.start]
    baseline = study.config(Arm(BASELINE, {}), {}, overrides)
    known = {name: value for name, value in baseline.model_dump().items() if name in study.space.names}
    try:
        point = study.space.point(known, among_others=True)
    except ValueError:  # it lies outside
        return points
    same = study.config(Arm(BASELINE, study.space.values(point)), {}, overrides) == baseline
    return [point, *(one for one in points if one != point)] if same else points
