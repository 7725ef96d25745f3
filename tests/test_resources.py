"""Each trial's share of the machine, how many run at once, and what can never be had."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import study
from study import StudyError
from study.images import ImageConfig
from study.images.cost import cost
from study.running.options import Options
from study.running.resources import Load, Node, Resources, decide, share_for

LAPTOP, GPU_NODE = Node(4, 0), Node(16, 2)
CNN, RESNET = (cost(ImageConfig(model=model, width=12)) for model in ("cnn", "resnet101"))


def test_without_a_gpu_a_trial_gets_one_core() -> None:
    share = decide(None, None, [LAPTOP], CNN)
    assert (share, share.threads, share.concurrent_on([LAPTOP, LAPTOP])) == (Resources(1, 0), 1, 8)


@pytest.mark.parametrize(
    ("network", "batch_size", "nodes", "cpus"),
    [
        ({"width": 100}, 128, [LAPTOP], 2),
        ({"width": 50}, 128, [LAPTOP], 2),
        ({"width": 25}, 128, [LAPTOP], 1),
        ({"width": 25}, 512, [LAPTOP], 2),
        ({"model": "resnet18"}, 128, [LAPTOP], 1),  # many small layers
        ({"width": 100}, 128, [Node(1, 0)], 1),
        ({"width": 100}, 128, [LAPTOP, Node(1, 0)], 1),
        ({"width": 100}, 128, [LAPTOP, Node(0, 0)], 2),  # a head without trials
        ({"width": 100}, 128, [GPU_NODE], 1),
    ],
)
def test_without_a_gpu_a_trial_of_large_layers_gets_two_cores(
    network: dict[str, Any], batch_size: int, nodes: list[Node], cpus: float
) -> None:
    known = cost(ImageConfig(**network, batch_size=batch_size))
    assert decide(None, None, nodes, known).cpus == cpus
    assert decide(1, None, nodes, known).cpus == 1


def test_a_large_network_gets_more_of_a_gpu_than_a_small_one() -> None:
    small, large = decide(None, None, [GPU_NODE], CNN), decide(None, None, [GPU_NODE], RESNET)
    assert 0 < small.gpus < large.gpus <= 1
    assert small.concurrent_on([GPU_NODE]) == 16


@pytest.mark.parametrize(
    ("memory", "busy", "cores", "gpus", "at_once"),
    [
        (2, 0.01, 64, 1, 40),  # memory is what there is least of
        (41, 0.01, 64, 1, 1),
        (100, 0.01, 64, 1, 1),  # too large for this GPU: the trial itself will say so
        (2, 1.0, 64, 1, 1),  # a GPU that one trial fills
        (2, 0.9, 64, 1, 1),
        (2, 0.5, 64, 1, 2),
        (2, 0.35, 64, 1, 3),
        (2, 0.125, 64, 1, 8),
        (2, 0.01, 16, 1, 16),  # cores
        (2, 0.01, 16, 4, 4),
        (2, 0.01, 7, 2, 3),
        (2, 0.01, 2, 4, 1),
    ],
)
def test_the_scarcest_of_memory_time_and_cores_says_how_many_share_a_gpu(
    memory: int, busy: float, cores: float, gpus: float, at_once: int
) -> None:
    assert share_for(memory * 2**30, 80 * 2**30, busy, cores, gpus) == 1 / at_once


def test_a_measured_load_takes_the_place_of_the_rule_of_thumb() -> None:
    half_of_it, a_fifth = Load(40, 80, 0.01), Load(1, 80, 0.2)
    assert decide(None, None, [GPU_NODE], CNN, [a_fifth]) == Resources(1, 1 / 5)
    assert decide(2, None, [GPU_NODE], CNN, [a_fifth]) == Resources(2, 1 / 4)
    assert decide(None, 0.1, [GPU_NODE], CNN, [a_fifth]) == Resources(1, 0.1)
    assert decide(None, None, [GPU_NODE], CNN, [a_fifth, half_of_it]) == Resources(1, 1 / 2)
    assert decide(None, None, [LAPTOP], CNN, [a_fifth]) == Resources(1, 0)


def test_the_rule_of_thumb_gives_no_less_memory_than_the_cores_leave_unused() -> None:
    assert decide(None, None, [Node(2, 1), LAPTOP], CNN) == Resources(1, 1 / 2)


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
    ],
)
def test_what_can_never_be_had_is_said(cpus: float, gpus: float | None, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        decide(cpus, gpus, [LAPTOP], CNN)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cpus_per_trial": 0.5}, "cpus_per_trial = 0.5: give a whole number of cores"),
        ({"gpus_per_trial": 1.5}, "a fraction up to 1, or whole GPUs"),
        ({"gpus_per_trial": "many"}, "gpus_per_trial = 'many'"),
        ({"scheduler": "nonsense"}, "scheduler = 'nonsense': allowed are asha"),
        ({"max_concurrent": 0}, "max_concurrent = 0"),
        ({"trial_timeout": 0}, "trial_timeout = 0"),
        ({"max_failure": 1}, "unknown field 'max_failure'; did you mean 'max_failures'?"),
    ],
)
def test_options_that_make_no_sense_are_refused_when_they_are_made(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError, match=re.escape(said)):
        Options(**options)


@pytest.mark.parametrize(
    ("flags", "precision", "warned"),
    [("avx2", "bfloat16", True), ("avx2 amx_bf16", "bfloat16", False), ("avx2", "float32", False)],
)
def test_a_run_whose_bfloat16_would_be_emulated_says_so_before_it_trains(
    flags: str,
    precision: str,
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags : fpu {flags}\n")
    monkeypatch.setattr("study.images.cost.CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setenv("COLUMNS", "300")
    fixed = {"dataset": "digits", "batch_size": 512, "width": 2, "epochs": 1, "precision": precision}
    one = study.Study(title="One", arms={"a": {}}, fixed=fixed)
    study.run(one, seeds=2, storage=tmp_path / "results", in_process=True, gpus_per_trial=0)
    said = capsys.readouterr().err
    assert said.count("emulates them, 2 to 12 times slower than float32") == warned
    assert not warned or said.index("Use float32 here") < said.index("[1/2]")
