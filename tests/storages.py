"""Storages made by hand, for tests of analysis: what each trial says is chosen by the test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from study.declare.claims import Claim
from study.images.config import ImageConfig
from study.images.metrics import METRICS
from study.metric import Metric
from study.running.history import History
from study.store.trial_store import TrialStore

PROVENANCE = {
    "training_seconds": 1.5,
    "rate": 100.0,
    "started": "2026-01-01T00:00:00+00:00",
    "device": "cpu",
    "cpu": "a processor",
    "torch": "2.14.1",
    "ray": "2.60.0",
    "python": "3.12.0",
}
RECORD = {
    "name": "width",
    "source": "search_spaces/width.py",
    "title": "Width & 50 %",
    "figure": 10,
    "question": "Does width matter?",
    "varies": "width",
    "training": "Images",
    "continues": True,
    "counts": "images",
    "watched": "train_accuracy",
    "selected_by": "",
    "fixed": {},
    "overrides": {"epochs": 1},
    "data": {"dataset": "mnist"},
    "published_for": {"dataset": "mnist"},
    "versions": {"study": "0.2.0"},
}
FACTS = {"parameters": 1000, "flops_per_image": 2000, "test_images": 10_000}
# The test accuracy of a network that answers one class: MNIST's 1,135 ones of 10,000.
ONE_CLASS = 0.1135
# A trial's test accuracy; None is a trial that is not finished, "diverged" one that diverged, "stopped" one
# that a scheduler stopped.
Accuracy = float | None | str
# What a trial measured: values by metric, one for each step, NaN where it was not measured.
Measured = Mapping[str, Sequence[float]]
# A trial: what it measured to its end; the same before it diverged; None or "stopped" as above.
Trial = Measured | tuple[str, Measured] | str | None


def made_storage(
    folder: Path,
    accuracy: Mapping[str, Sequence[Accuracy]],
    curves: Mapping[str, Sequence[Sequence[float]]] | None = None,
    claims: Sequence[Claim] = (),
    published: Mapping[str, Mapping[str, float]] | None = None,
    **changes: Any,
) -> TrialStore:
    """A storage with one study, `width`, of trials of the report's training with these test accuracies.

    `accuracy` is by arm and seed. `curves` are training accuracies per step; where none is given, it is 0.1, 0.2,
    0.3, 0.4, each plus seed / 100.
    """
    trials: dict[str, list[Trial]] = {}
    for arm, of_seeds in accuracy.items():
        trials[arm] = []
        for seed, of_seed in enumerate(of_seeds):
            curve = curves[arm][seed] if curves else np.array([0.1, 0.2, 0.3, 0.4]) + seed / 100
            trials[arm].append(_of_images(of_seed, curve))
    return storage_of(folder, METRICS, trials, claims, published, **changes)


def _of_images(accuracy: Accuracy, train_accuracy: Sequence[float]) -> Trial:
    n = len(train_accuracy)
    along = {"train_accuracy": train_accuracy, "train_loss": np.linspace(4, 1, n).tolist()}
    if accuracy == "diverged":
        return "diverged", along
    if accuracy is None or isinstance(accuracy, str):
        return accuracy
    at_end = {
        "test_accuracy": accuracy,
        "test_top5": 0.999,
        "test_loss": 0.1,
        "one_class": float(accuracy == ONE_CLASS),
    }
    return {**along, **{name: [*[math.nan] * (n - 1), value] for name, value in at_end.items()}}


def storage_of(
    folder: Path,
    metrics: Sequence[Metric],
    trials: Mapping[str, Sequence[Trial]],
    claims: Sequence[Claim] = (),
    published: Mapping[str, Mapping[str, float]] | None = None,
    **changes: Any,
) -> TrialStore:
    """A storage with one study, `width`, of a training that measures these metrics; its trials by arm and seed.

    `changes` are those of the study's record.
    """
    store = TrialStore(folder)
    arms = []
    for arm, of_seeds in trials.items():
        keys = [f"{arm.replace('/', '_')}-{seed}" for seed in range(len(of_seeds))]
        arms.append({"label": arm, "overrides": {}, "candidates": [{"overrides": {}, "keys": keys}]})
        for seed, trial in enumerate(of_seeds):
            if trial == "stopped":
                store.save_stopped(keys[seed], {"step": 1})
            elif isinstance(trial, tuple):
                write_trial(store, keys[seed], metrics, trial[1], seed, diverged=True)
            elif trial is not None:
                assert isinstance(trial, Mapping)
                write_trial(store, keys[seed], metrics, trial, seed)
    names = [metric.name for metric in metrics]
    record = {
        **RECORD,
        "metrics": [metric.model_dump(mode="json") for metric in metrics],
        "watched": RECORD["watched"] if RECORD["watched"] in names else names[0],
        "arms": arms,
        "seeds": (seeds := max(map(len, trials.values()))),
        "planned_seeds": seeds,
        "looked_at": [seeds],
        "reference": next(iter(trials)),
    }
    told = {"claims": [claim.model_dump(mode="json") for claim in claims], "published": published or {}}
    store.save_study({**record, **told, **changes})
    return store


def write_trial(
    store: TrialStore,
    key: str,
    metrics: Sequence[Metric],
    measured: Measured,
    seed: int = 0,
    diverged: bool = False,
) -> None:
    """A trial that ended. One that diverged did so in the step after the last that it measured."""
    history = History(metrics)
    history.add(_rows(measured))
    if diverged:
        history.add([dict.fromkeys(measured, math.nan)])
    result = {**made_result(seed, "diverged" if diverged else 0.0, history.step), "config": {}}
    if not diverged:
        result |= {"metrics": history.values(), "at": history.at()}
    store.commit(key, history.columns(), result)


def _rows(measured: Measured) -> Iterable[dict[str, float]]:
    for values in zip(*measured.values(), strict=True):
        yield {
            name: float(value) for name, value in zip(measured, values, strict=True) if not math.isnan(value)
        }


def made_result(seed: int = 0, accuracy: Accuracy = 0.97, steps: int = 2) -> dict[str, Any]:
    """What result.json says of a trial of the report's training, which measured nothing but its test accuracy."""
    diverged = accuracy == "diverged"
    ended: dict[str, Any] = {"status": "diverged"}
    if not diverged:
        metrics = {"test_accuracy": accuracy, "best_test_accuracy": accuracy}
        ended = {"status": "finished", "metrics": metrics, "at": dict.fromkeys(metrics, steps)}
    return {
        "training": "Images",
        "config": ImageConfig().model_dump(mode="json"),
        "seed": seed,
        "data": "0" * 64,
        **ended,
        "steps": steps,
        "facts": FACTS,
        "weights_sha256": None if diverged else "0" * 64,
        "provenance": PROVENANCE,
    }
