"""Each trial's share of the machine, how many run at once, and what can never be had."""

from __future__ import annotations

import pytest

from study import StudyError, TrialConfig
from study.cost import cost
from study.resources import Node, Resources, decide

LAPTOP, GPU_NODE = Node(4, 0), Node(16, 2)
CNN, RESNET = (cost(TrialConfig(model=model)).flops for model in ("cnn", "resnet101"))


def test_without_a_gpu_a_trial_gets_one_core() -> None:
    share = decide(None, None, [LAPTOP], CNN)
    assert (share, share.threads, share.concurrent_on([LAPTOP, LAPTOP])) == (Resources(1, 0), 1, 8)


def test_a_large_network_gets_more_of_a_gpu_than_a_small_one() -> None:
    small, large = decide(None, None, [GPU_NODE], CNN), decide(None, None, [GPU_NODE], RESNET)
    assert 0 < small.gpus < large.gpus <= 1
    assert small.concurrent_on([GPU_NODE]) == 16


@pytest.mark.parametrize(
    ("cpus", "gpus", "at_once"),
    [(1, 0.25, 8), (1, 0.3, 6), (4, 0.25, 4), (1, 1, 2), (1, 2, 1), (3, 0, 5)],
)
def test_a_fraction_of_a_gpu_never_spans_two(cpus: float, gpus: float, at_once: int) -> None:
    assert decide(cpus, gpus, [GPU_NODE], CNN).concurrent_on([GPU_NODE]) == at_once


@pytest.mark.parametrize(
    ("cpus", "gpus", "said"),
    [
        (5, None, "asks for 5 CPUs"),
        (1, 1, "the largest has 4 CPUs and 0 GPUs"),
        (0.5, None, "a whole number of cores"),
        (1, 1.5, "a fraction up to 1, or whole GPUs"),
        (1, -1, "--gpus-per-trial -1"),
    ],
)
def test_what_can_never_be_had_is_said(cpus: float, gpus: float | None, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        decide(cpus, gpus, [LAPTOP], CNN)
