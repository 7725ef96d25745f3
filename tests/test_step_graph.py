"""CUDA graphs of a step give what the step gives; where there can be none, the reason is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import image_run, to_the_end
from torch import Tensor, nn

from study import own_code
from study.images.data import Dataset
from study.images.step_graph import FIRST_CALLS, StepGraphs
from study.running.trial_run import TrialRun

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def begun(digits: Dataset, device: str = "cpu", eager: str | None = None, **fields: Any) -> TrialRun:
    run = image_run(
        digits, device=device, **{"dataset": "digits", "width": 4, "batch_size": 100, "epochs": 6, **fields}
    )
    if eager:
        run.training._graphs.eager = eager  # type: ignore[attr-defined]
    return run


def outcome(run: TrialRun) -> list[Any]:
    to_the_end(run)
    return [run.weights_sha256(), *(run.history.series(name)[1].tolist() for name in run.history.metrics)]


def eager(run: TrialRun) -> str | None:
    return run.training.eager  # type: ignore[attr-defined, no-any-return]


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
    assert eager(begun(digits)) == "not on a CUDA device"


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
    with_graphs = begun(digits, "cuda", **fields)
    assert outcome(with_graphs) == outcome(begun(digits, "cuda", "to compare", **fields))
    assert eager(with_graphs) is None
    assert set(with_graphs.training._graphs._graphs) == {100, 37}  # type: ignore[attr-defined]


@needs_cuda
def test_a_resnet_in_graphs_learns_what_it_learns_without(digits: Dataset) -> None:
    fields = {"model": "resnet18", "epochs": 1}
    one, other = (to_the_end(begun(digits, "cuda", why, **fields)) for why in (None, "to compare"))
    # Its overlapping max pool adds gradients in whatever order they come.
    losses = (run.history.series("train_loss")[1] for run in (one, other))
    assert next(losses) == pytest.approx(next(losses), rel=1e-2)


@needs_cuda
@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda config: OwnNetwork(reads=False), None),
        (lambda config: OwnNetwork(reads=True), "captur"),
        (lambda config: SilentNetwork(reads=True), "does not say that it is capturable"),
    ],
)
def test_one_s_own_network_is_captured_only_if_it_says_so_and_can_be(
    network: Any, said: str | None, digits: Dataset
) -> None:
    own_code.provide({"own:network": network})
    run = begun(digits, "cuda", model="own:network")
    assert outcome(run) == outcome(begun(digits, "cuda", "to compare", model="own:network"))
    assert eager(run) is None if said is None else said in str(eager(run))
