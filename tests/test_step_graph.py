"""CUDA graphs of a step give what the step gives; where there can be none, the reason is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from study.images.config import TrialConfig
from study.images.data import Dataset
from study.images.step_graph import FIRST_CALLS, StepGraphs
from study.images.training import Training

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def config(**fields: Any) -> TrialConfig:
    return TrialConfig.checked(**{"dataset": "digits", "width": 4, "batch_size": 100, "epochs": 6, **fields})


def trained(training: Training) -> list[Any]:
    while not training.done:
        training.run(1000)
    return [training.weights_sha256(), training.train_loss.tolist(), training.train_accuracy.tolist()]


class OwnNetwork(nn.Module):
    """A network that says it can be part of a graph, and reads from the device if told to."""

    capturable = True

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.reads = reads

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.flatten(1))
        return logits * (1 if self.reads and logits.sum().item() == 0.5 else 2)


class SilentNetwork(OwnNetwork):
    capturable = False


@pytest.mark.skipif(torch.cuda.is_available(), reason="there a step can be captured")
def test_a_step_that_can_not_be_captured_is_called_as_it_is_and_the_reason_is_said() -> None:
    graphs, calls = StepGraphs(), []

    def step(batch: Tensor, out: Tensor) -> None:
        calls.append(batch.tolist())
        out.fill_(len(calls))

    out = torch.empty(2)
    for i in range(FIRST_CALLS + 2):
        assert graphs.eager is None or i > FIRST_CALLS
        graphs.call(step, torch.tensor([i, i]), out)
        assert out.tolist() == [i + 1, i + 1]
    assert calls == [[i, i] for i in range(FIRST_CALLS + 2)]
    assert graphs.eager is not None
    assert "CUDA" in graphs.eager


def test_without_a_gpu_the_reason_is_that(digits: Dataset) -> None:
    assert Training(config(), digits).eager == "not on a CUDA device"


@needs_cuda
@pytest.mark.parametrize(
    "fields",
    [
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.001},
        {"precision": "bfloat16"},
        {"fc_layers": 2, "dropout": 0.5},
        {"optimizer": "adam", "lr": 0.001},
        {"optimizer": "adamw", "lr": 0.001},
        {"optimizer": "adagrad", "lr": 0.01},
        {"optimizer": "rmsprop", "lr": 0.001, "momentum": 0.5},
        {"loss": "balanced_cross_entropy", "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_graphs_give_the_same_bits_as_the_steps_they_hold(fields: dict[str, Any], digits: Dataset) -> None:
    # 15 steps an epoch, the last of 37 images: both sizes are captured.
    with_graphs, without = (Training(config(**fields), digits, "cuda") for _ in range(2))
    without._graphs.eager = "to compare"
    assert trained(with_graphs) == trained(without)
    assert with_graphs.eager is None
    assert set(with_graphs._graphs._graphs) == {100, 37}


@needs_cuda
def test_a_resnet_in_graphs_learns_what_it_learns_without(digits: Dataset) -> None:
    one, other = (Training(config(model="resnet18", epochs=1), digits, "cuda") for _ in range(2))
    other._graphs.eager = "to compare"
    trained(one)
    trained(other)
    # Its overlapping max pool adds gradients in whatever order they come.
    assert one.train_loss == pytest.approx(other.train_loss, rel=1e-2)


@needs_cuda
@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda _: OwnNetwork(reads=False), None),
        (lambda _: OwnNetwork(reads=True), "captur"),
        (lambda _: SilentNetwork(reads=True), "does not say that it is capturable"),
    ],
)
def test_one_s_own_network_is_captured_only_if_it_says_so_and_can_be(
    network: Any, said: str | None, digits: Dataset
) -> None:
    own = config(model="own:network")
    training = Training(own, digits, "cuda", network)
    compared = Training(own, digits, "cuda", network)
    compared._graphs.eager = "to compare"
    assert trained(training) == trained(compared)
    assert training.eager is None if said is None else said in str(training.eager)
