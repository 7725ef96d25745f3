"""What searches are compared on: Hartmann's function with noise, and the report's network on digits and on MNIST."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from study.images import Dataset

Point = Mapping[str, float]
NOISE, MINIMUM = 0.1, -3.32237
VARIABLES = [f"x{i}" for i in range(6)]


@dataclass(frozen=True)
class Range:
    """Where a hyperparameter is searched: between two numbers, both included."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


def domains(space: Mapping[str, Range]) -> dict[str, Any]:
    """The same in Ray Tune's words."""
    from ray import tune

    return {
        name: tune.randint(of.low, of.high + 1)
        if of.whole
        else (tune.loguniform if of.log else tune.uniform)(of.low, of.high)
        for name, of in space.items()
    }


@dataclass(frozen=True)
class Problem:
    """`evaluate(point, repeat)`: the score that a search sees, and what the point is worth; the lower the better."""

    space: dict[str, Range]
    start: dict[str, float]
    evaluate: Callable[[Point, int], tuple[float, float]]


def hartmann(x: list[float]) -> float:
    """Hartmann's function of six variables in [0, 1] (Dixon and Szego, Towards Global Optimisation 2, 1978)."""
    weights = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    return float(-weights @ np.exp(-(a * (np.array(x) - p) ** 2).sum(axis=1)))


def noise(x: list[float], seed: int, repeat: int) -> float:
    """What is measured besides, at this point with this seed."""
    return random.Random(f"{x} {seed} {repeat}").gauss(0, NOISE)


def _hartmann(point: Point, repeat: int) -> tuple[float, float]:
    x = [point[name] for name in VARIABLES]
    return hartmann(x) + noise(x, 0, repeat), hartmann(x)


def mnist_part() -> Dataset:
    """MNIST's first 6,000 training images and first 2,000 test images, from the folder that STUDY_DATA names."""
    from study.images import Dataset
    from study.images.data import load

    whole = load("mnist", Path(os.environ.get("STUDY_DATA", "data")))
    train, test = slice(6000), slice(2000)
    return Dataset(
        "mnist_part",
        whole.train_images[train], whole.train_labels[train], whole.test_images[test], whole.test_labels[test],
    )  # fmt: skip


def network_config(of: str, repeat: int) -> dict[str, str | int]:
    """What is not searched. Each repeat holds other images out."""
    if of == "digits":
        return {"dataset": "digits", "epochs": 3, "batch_size": 32, "validation_size": 300 + repeat}
    return {"dataset": "problems:mnist_part", "batch_size": 32, "validation_size": 1000 + repeat}


def _network(of: str, point: Point, repeat: int) -> tuple[float, float]:
    """Errors on the images held out, and on the test set."""
    import torch

    from study.images.config import ImageConfig
    from study.images.data import load
    from study.images.declaration import Images
    from study.running.trial_run import TrialRun

    torch.set_num_threads(1)
    config = ImageConfig(**network_config(of, repeat), **point)
    run = TrialRun(Images, config, load(config.dataset, Path()), 0)
    while not run.done:
        run.run(100)
    if run.diverged:
        return 1.0, 1.0
    measured = run.history.values()
    return 1 - measured["validation_accuracy"], 1 - measured["test_accuracy"]


NETWORK_SPACE = {
    "lr": Range(1e-3, 1.0, log=True),
    "momentum": Range(0.0, 0.95),
    "weight_decay": Range(1e-6, 1e-1, log=True),
    "width": Range(2, 16, whole=True),
}
NETWORK_START = {"lr": 0.1, "momentum": 0.0, "weight_decay": 1e-6, "width": 8}
PROBLEMS = {
    "hartmann": Problem(dict.fromkeys(VARIABLES, Range(0.0, 1.0)), dict.fromkeys(VARIABLES, 0.5), _hartmann),
    "digits": Problem(NETWORK_SPACE, NETWORK_START, partial(_network, "digits")),
    "mnist": Problem(NETWORK_SPACE, NETWORK_START, partial(_network, "mnist")),
}
