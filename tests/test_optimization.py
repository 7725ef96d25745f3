"""Each optimizer and loss is torch's, with the config's numbers, and trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import image_run, to_the_end

from study.images import ImageConfig, optimization
from study.images.data import Dataset
from study.images.training import _validation_split


@pytest.mark.parametrize(
    ("fields", "kind", "expected"),
    [
        ({"optimizer": "sgd", "momentum": 0.9, "nesterov": True}, "SGD", {"momentum": 0.9, "nesterov": True}),
        ({"optimizer": "adagrad", "lr": 0.01}, "Adagrad", {"lr": 0.01}),
        ({"optimizer": "adam", "lr": 0.001}, "Adam", {"lr": 0.001}),
        ({"optimizer": "adamw", "lr": 0.001, "weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1}),
        ({"optimizer": "rmsprop", "lr": 0.001, "momentum": 0.5}, "RMSprop", {"momentum": 0.5}),
    ],
)
def test_an_optimizer_has_the_configs_numbers_and_learns(
    fields: dict[str, Any], kind: str, expected: dict[str, Any], digits: Dataset
) -> None:
    run = image_run(digits, dataset="digits", width=8, batch_size=100, epochs=2, **fields)
    training: Any = run.training
    assert type(training.optimizer).__name__ == kind
    group = training.optimizer.param_groups[0]
    assert {name: group[name] for name in expected} == expected
    assert group["weight_decay"] == training.config.weight_decay
    losses = to_the_end(run, 100).history.series("train_loss")[1]
    assert losses[-5:].mean() < 0.9 * losses[:3].mean()


def test_balanced_weights_are_the_reports() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    # N / n_c / K, and 0 for the seven classes that have no image.
    assert optimization.balanced_weights(labels, 10).tolist() == pytest.approx(
        [10 / 6 / 10, 10 / 3 / 10, 1.0] + [0.0] * 7
    )


def test_balanced_cross_entropy_weighs_by_the_training_set(digits: Dataset) -> None:
    config = ImageConfig(dataset="digits", loss="balanced_cross_entropy", label_smoothing=0.1)
    loss = optimization.loss(config, digits.train_labels, 10)
    assert loss.weight is not None
    counts = np.bincount(digits.train_labels)
    assert loss.weight.tolist() == pytest.approx((1437 / counts / 10).tolist())
    assert loss.label_smoothing == 0.1
    logits, labels = torch.randn(4, 10), torch.tensor([0, 1, 2, 3])
    expected = torch.nn.functional.cross_entropy(logits, labels, weight=loss.weight, label_smoothing=0.1)
    assert loss(logits, labels) == expected


def test_validation_images_are_held_out_of_training(digits: Dataset) -> None:
    run = to_the_end(image_run(digits, dataset="digits", width=4, validation_size=437, batch_size=100))
    assert run.steps == 10
    accuracy = run.history.values()["validation_accuracy"]
    assert accuracy * 437 == pytest.approx(round(accuracy * 437), abs=1e-6)
    kept, held_out = _validation_split(1437, 437)
    assert sorted(np.concatenate([kept, held_out]).tolist()) == list(range(1437))
    assert image_run(digits, dataset="digits", width=4, batch_size=100).steps == 15
