"""Storages made by hand, for tests of analysis: what each trial says is chosen by the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from study.declare.claims import Claim
from study.images.config import TrialConfig
from study.store.trial_store import TrialStore

PROVENANCE = {
    "training_seconds": 1.5,
    "images_per_second": 100.0,
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
    "fixed": {},
    "overrides": {"epochs": 1},
    "versions": {"study": "0.1.0"},
}
# A trial's test accuracy; None is a trial that is not finished, "diverged" one that diverged, "stopped" one
# that a scheduler stopped.
Accuracy = float | None | str


def made_storage(
    folder: Path,
    accuracy: Mapping[str, Sequence[Accuracy]],
    curves: Mapping[str, Sequence[Sequence[float]]] | None = None,
    claims: Sequence[Claim] = (),
    published: Mapping[str, Mapping[str, float]] | None = None,
    epochs: int = 1,
    **changes: Any,
) -> TrialStore:
    """A storage with one study, `width`, of these test accuracies by arm and seed.

    `curves` are training accuracies per iteration; where none is given, it is 0.1, 0.2, 0.3, 0.4, each plus
    seed / 100.
    """
    store = TrialStore(folder)
    arms = []
    for arm, of_seeds in accuracy.items():
        keys = [f"{arm.replace('/', '_')}-{seed}" for seed in range(len(of_seeds))]
        arms.append({"label": arm, "overrides": {}, "candidates": [{"overrides": {}, "keys": keys}]})
        for seed, of_seed in enumerate(of_seeds):
            curve = curves[arm][seed] if curves else np.array([0.1, 0.2, 0.3, 0.4]) + seed / 100
            if of_seed == "stopped":
                store.save_stopped(keys[seed], {"iteration": 1})
            elif of_seed is not None:
                write_trial(store, keys[seed], seed, of_seed, np.asarray(curve), epochs)
    record = {
        **RECORD,
        "arms": arms,
        "seeds": max(map(len, accuracy.values())),
        "reference": next(iter(accuracy)),
    }
    told = {"claims": [claim.model_dump(mode="json") for claim in claims], "published": published or {}}
    store.save_study({**record, **told, **changes})
    return store


def write_trial(
    store: TrialStore,
    key: str,
    seed: int,
    accuracy: Accuracy,
    train_accuracy: np.ndarray[Any, Any],
    epochs: int = 1,
) -> None:
    """A trial that ended, its iterations divided into so many epochs."""
    n = len(train_accuracy)
    curve = {
        "iteration": np.arange(1, n + 1),
        "epoch": 1 + np.arange(n) * epochs // n,
        "train_loss": np.linspace(4, 1, n, dtype=np.float32),
        "train_accuracy": train_accuracy.astype(np.float32),
    }
    store.commit(key, curve, made_result(seed, accuracy, n))


def made_result(seed: int = 0, accuracy: Accuracy = 0.97, iterations: int = 2) -> dict[str, Any]:
    """What result.json says of a trial of one epoch."""
    diverged = accuracy == "diverged"
    epoch = {"epoch": 1, "test_loss": 0.1, "test_accuracy": accuracy, "test_top5": 0.999}
    return {
        "config": TrialConfig(seed=seed).model_dump(),
        "status": "diverged" if diverged else "finished",
        "metrics": [] if diverged else [{**epoch, "validation_accuracy": None}],
        "iterations": iterations,
        "parameters": 1000,
        "flops_per_image": 2000,
        "test_class_counts": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],  # MNIST's
        "weights_sha256": None if diverged else "0" * 64,
        "provenance": PROVENANCE,
    }
