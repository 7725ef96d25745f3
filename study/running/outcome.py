"""What a trial that ended leaves in the store: its curve and its result."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from study import provenance
from study.images.cost import Cost
from study.images.training import Training


def curve(training: Training) -> dict[str, Any]:
    """Column -> array, one row per iteration; epochs and iterations count from 1."""
    iterations = range(1, training.iteration + 1)
    return {
        "iteration": list(iterations),
        "epoch": [1 + (i - 1) // training.iterations_per_epoch for i in iterations],
        "train_loss": training.train_loss,
        "train_accuracy": training.train_accuracy,
    }


def result(
    training: Training,
    cost: Cost,
    test_class_counts: list[int],
    started: datetime,
    threads: int,
    commit: str | None,
) -> dict[str, Any]:
    """result.json; all of it but `provenance` is the same whenever and wherever the trial is trained."""
    return {
        "config": training.config.model_dump(),
        "status": "diverged" if training.diverged else "finished",
        "metrics": [asdict(epoch) for epoch in training.epochs],
        "iterations": training.iteration,
        "parameters": cost.parameters,
        "flops_per_image": cost.flops,
        # How many test images of each class: analysis knows from it how sure an accuracy is, and which
        # one a network has that answers a single class.
        "test_class_counts": test_class_counts,
        "weights_sha256": training.weights_sha256(),
        "provenance": {
            **provenance.versions(),
            **provenance.hardware(str(training.device), threads),
            "eager": training.eager,
            "git_commit": commit,
            "started": started.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "training_seconds": round(training.seconds, 4),
            "images_per_second": round(training.images_per_second, 1),
        },
    }
