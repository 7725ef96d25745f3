"""What a run needs of its pending trials before the first one starts: their data and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.plan import Plan, check_fit
from study.training import Cost


@dataclass(frozen=True)
class Prepared:
    """Data by fingerprint, and each pending trial's cost by key."""

    data: dict[str, Any]
    costs: dict[str, Cost]


def prepare(plan: Plan) -> Prepared:
    """Load the data and cost each pending trial, and the samples of those that are not known yet.

    Raises StudyError, listing every trial that its data don't fit.
    """
    data: dict[str, Any] = {}
    trials = [*plan.pending, *(plan.source.samples if plan.source else ())]
    for trial in trials:
        if trial.data not in data:
            data[trial.data] = plan.data.load(plan.trainings[trial.training], trial.config)
    check_fit(plan)
    # The trials of an arm share a config.
    known: dict[tuple[str, int, str], Cost] = {}
    costs = {}
    for trial in trials:
        same = trial.training, id(trial.config), trial.data
        if same not in known:
            known[same] = plan.trainings[trial.training].cost(trial.config, data[trial.data])
        costs[trial.key] = known[same]
    return Prepared(data, costs)


def costs_of(plan: Plan) -> dict[str, Cost]:
    """What every trial costs, the stored ones too, as far as it is known without the data; by key."""
    known: dict[tuple[str, int], Cost] = {}
    for trial in plan.trials.values():
        same = trial.training, id(trial.config)
        if same not in known:
            known[same] = plan.trainings[trial.training].cost(trial.config)
    return {key: known[trial.training, id(trial.config)] for key, trial in plan.trials.items()}
