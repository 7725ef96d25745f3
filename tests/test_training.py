"""A Training is a pure function of its config: however it is divided, interrupted and resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from study.images.config import TrialConfig
from study.images.data import Dataset
from study.images.training import Training

RESUME_IN_NEW_PROCESS = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import torch
from study.images import data
from study.images.config import TrialConfig
from study.images.training import Training
torch.set_num_threads(1)
config, state = TrialConfig(**json.loads(sys.argv[1])), Path(sys.argv[2])
training = Training(config, data.load("digits", Path()))
training.resume(state.read_bytes())
while not training.done:
    training.run(1000)
print(json.dumps([training.weights_sha256(), [asdict(epoch) for epoch in training.epochs],
                  training.train_loss.tolist(), training.train_accuracy.tolist()]))
"""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # The order of a sum depends on the number of threads.
    torch.set_num_threads(1)


def config(**fields: Any) -> TrialConfig:
    return TrialConfig.checked(**{"dataset": "digits", "width": 4, "batch_size": 100, "epochs": 2, **fields})


def trained(config: TrialConfig, digits: Dataset, steps: int = 10**6) -> Training:
    training = Training(config, digits)
    while not training.done:
        training.run(steps)
    return training


def outcome(training: Training) -> list[Any]:
    epochs = [asdict(epoch) for epoch in training.epochs]
    return [training.weights_sha256(), epochs, training.train_loss.tolist(), training.train_accuracy.tolist()]


def test_a_training_reports_every_iteration_and_every_epoch(digits: Dataset) -> None:
    training = trained(config(), digits)
    assert training.iterations == 2 * 15  # 1,437 images in batches of 100, the last has 37
    assert len(training.train_loss) == len(training.train_accuracy) == 30
    assert [epoch.epoch for epoch in training.epochs] == [1, 2]
    assert training.train_loss[-1] < training.train_loss[0]
    # The last batch of an epoch has 37 images, so its accuracy is a multiple of 1/37.
    hits = training.train_accuracy[14] * 37
    assert hits == pytest.approx(round(hits), abs=1e-4)


def test_an_epochs_metrics_are_those_of_its_weights_on_the_whole_test_set(digits: Dataset) -> None:
    training = trained(config(width=8, epochs=3), digits)
    with torch.no_grad():
        logits = training.model.eval()(torch.tensor(digits.test_images) / 255)
    ranked = logits.argsort(dim=1, descending=True).numpy()
    hits = ranked == digits.test_labels[:, None]
    last = training.epochs[-1]
    assert last.test_accuracy == pytest.approx(hits[:, 0].mean())
    assert last.test_top5 == pytest.approx(hits[:, :5].any(axis=1).mean())
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(digits.test_labels))
    assert last.test_loss == pytest.approx(loss.item(), rel=1e-5)
    assert last.test_accuracy > 0.3


def test_how_steps_are_divided_changes_nothing(digits: Dataset) -> None:
    assert outcome(trained(config(), digits, steps=7)) == outcome(trained(config(), digits))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"momentum": 0.9, "weight_decay": 0.001},
        {"fc_layers": 2, "fc_width": 16, "dropout": 0.5},
        {"precision": "bfloat16", "width": 2},
    ],
    ids=["plain", "momentum", "dropout", "bfloat16"],
)
def test_resumed_in_a_new_process_it_ends_with_the_same_bits(
    fields: dict[str, Any], digits: Dataset, tmp_path: Path
) -> None:
    whole = config(**fields)
    training = Training(whole, digits)
    # After the first step, inside an epoch, between epochs, inside the second.
    for stop in (1, 7, 15, 22):
        while training.iteration < stop:
            training.run(stop - training.iteration)
        state = tmp_path / "state"
        state.write_bytes(training.state())
        training = Training(whole, digits)
        training.resume(state.read_bytes())
        assert training.iteration == stop
    words = [sys.executable, "-c", RESUME_IN_NEW_PROCESS, json.dumps(whole.model_dump()), str(state)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == outcome(trained(whole, digits))


def test_a_process_that_trained_something_else_before_gives_the_same_bits(digits: Dataset) -> None:
    fresh = outcome(trained(config(), digits))
    trained(config(width=3, precision="bfloat16", seed=5, epochs=1), digits)
    torch.rand(7)
    assert outcome(trained(config(), digits)) == fresh


def test_a_seed_means_the_same_data_order_in_every_arm(digits: Dataset) -> None:
    orders = [Training(config(width=width), digits)._order(0) for width in (2, 8)]
    assert torch.equal(*orders)
    assert not torch.equal(orders[0], Training(config(seed=1), digits)._order(0))
    assert not torch.equal(orders[0], Training(config(), digits)._order(1))


def test_seeds_differ_in_their_weights(digits: Dataset) -> None:
    first, second = (Training(config(seed=seed), digits).weights_sha256() for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_epochs_last_update_can_be_the_one_that_diverges(digits: Dataset, epochs: int) -> None:
    training = trained(config(lr=1e30, momentum=0.0, batch_size=2000, epochs=epochs), digits)
    assert training.diverged
    assert training.epochs == []
    assert (training.iteration, training.weights_sha256()) == (1, None)


@pytest.mark.parametrize("steps", [1, 4, 1000])
def test_divergence_is_a_result_that_does_not_depend_on_when_it_is_noticed(
    steps: int, digits: Dataset
) -> None:
    training = trained(config(lr=1e30), digits, steps)
    assert training.diverged
    assert training.done
    # One step at this rate overflows; the curve ends with the first loss that is not finite.
    assert np.isfinite(training.train_loss[:-1]).all()
    assert not np.isfinite(training.train_loss[-1])
    assert training.iteration == len(training.train_loss) == 2
    assert training.epochs == []
    assert training.weights_sha256() is None


def test_bfloat16_is_close_to_float32_but_not_the_same(digits: Dataset) -> None:
    exact = trained(config(epochs=1), digits).train_loss
    rounded = trained(config(epochs=1, precision="bfloat16"), digits).train_loss
    assert rounded == pytest.approx(exact, abs=0.1)
    assert not np.array_equal(rounded, exact)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu_it_resumes_to_the_same_bits(precision: str, digits: Dataset) -> None:
    whole = config(precision=precision, fc_layers=2, dropout=0.5, momentum=0.9)
    undisturbed = Training(whole, digits, "cuda")
    while not undisturbed.done:
        undisturbed.run(1000)
    training = Training(whole, digits, "cuda")
    while not training.done:
        training.run(4)
        again = Training(whole, digits, "cuda")
        again.resume(training.state())
        training = again
    assert outcome(training) == outcome(undisturbed)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_agrees_with_a_cpu(digits: Dataset) -> None:
    on_gpu = Training(config(epochs=1), digits, "cuda")
    on_gpu.run(1000)
    on_cpu = trained(config(epochs=1), digits)
    # TF32 convolutions, 15 steps
    assert on_gpu.train_loss == pytest.approx(on_cpu.train_loss, abs=2e-2)
