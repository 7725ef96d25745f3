"""What a run needs of its pending trials before the first one starts: data, costs, networks; checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.declare.own_code import by_value, is_plugin
from study.errors import StudyError
from study.images import data
from study.images.config import TrialConfig
from study.images.cost import Cost, cost
from study.plan import Plan, Trial


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
    # torch takes as long to import as Ray to start, and this runs meanwhile.
    from study.images import models  # noqa: F401

    prepared = Prepared({}, {}, {}, {})
    for trial in plan.pending:
        name, model = trial.config.dataset, trial.config.model
        if name not in prepared.datasets:
            prepared.datasets[name] = data.load(name, data_folder)
        if is_plugin(model) and model not in prepared.networks:
            prepared.networks[model] = by_value(model)
    images = {name: len(dataset.train_labels) for name, dataset in prepared.datasets.items()}
    check(plan.pending, images.__getitem__)
    for trial in plan.pending:
        of_image = prepared.costs[trial.key] = cost(trial.config)
        trained = (images[trial.config.dataset] - trial.config.validation_size) * trial.config.epochs
        prepared.work[trial.key] = float(of_image.flops * trained)
    return prepared


def check(trials: Sequence[Trial], training_images: Callable[[str], int]) -> None:
    """Raises StudyError, naming everything in the trials' configs that their data sets don't fit."""
    images = {name: training_images(name) for name in {trial.config.dataset for trial in trials}}
    mistakes = {
        f"{trial.study}: {mistake}": None
        for trial in trials
        for mistake in _misfits(trial.config, images[trial.config.dataset])
    }
    if mistakes:
        raise StudyError(*mistakes)


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
