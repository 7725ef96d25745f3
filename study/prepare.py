"""What a run needs of its pending trials before the first one starts: data, costs, networks; checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study import data
from study.config import StudyError, TrialConfig
from study.plan import Plan
from study.plugins import by_value, is_plugin

if TYPE_CHECKING:
    from study.models import Cost


@dataclass(frozen=True)
class Prepared:
    """Data sets and plug-in networks by name; by key, each trial's cost and its share of the whole work."""

    datasets: dict[str, data.Dataset]
    networks: dict[str, Callable[..., Any]]
    costs: dict[str, Cost]
    work: dict[str, float]


def prepare(plan: Plan, data_folder: Path) -> Prepared:
    """Read the data and cost each pending trial; imports torch.

    Raises StudyError, listing every trial that its data or its network does not fit.
    """
    from study import models

    prepared = Prepared({}, {}, {}, {})
    mistakes: dict[str, None] = {}
    for trial in plan.pending:
        name, model = trial.config.dataset, trial.config.model
        if name not in prepared.datasets:
            prepared.datasets[name] = data.load(name, data_folder)
        if is_plugin(model) and model not in prepared.networks:
            prepared.networks[model] = by_value(model)
        images = len(prepared.datasets[name].train_labels)
        for mistake in _misfits(trial.config, images):
            mistakes[f"{trial.study}: arm {trial.arm!r}: {mistake}"] = None
        cost = prepared.costs[trial.key] = models.cost(trial.config)
        trained = (images - trial.config.validation_size) * trial.config.epochs
        prepared.work[trial.key] = float(cost.flops * trained)
    if mistakes:
        raise StudyError(*mistakes)
    return prepared


def _misfits(config: TrialConfig, images: int) -> Iterator[str]:
    """What is wrong with the config for a training set of so many images."""
    left = images - config.validation_size
    if left < 1:
        yield f"validation_size = {config.validation_size}: {config.dataset} has {images:,} training images"
    elif config.model.startswith("resnet") and left % config.batch_size == 1 % config.batch_size:
        yield (
            f"batch_size = {config.batch_size}: leaves a batch of one image of {left:,}, "
            f"from which a ResNet's batch normalisation can't be computed"
        )
