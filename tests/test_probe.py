"""Automatic shares of a GPU: measured where torch sees one, by the rule of thumb on Ray's logical GPUs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from ray import tune

import study
from study import Study
from study.images.data import Dataset
from study.images.declaration import Images
from study.plan import Trial
from study.running.own_ray import token_in
from study.running.probe import measure, shape
from study.running.ray_session import QUIET
from study.running.scratch import workspace

# Built in a worker, it waits until three trials hold their shares at the same time.
TOGETHER = """
import json, os, time
from pathlib import Path
import ray
from torch import nn

def build(config):
    if os.getpid() != {driver}:
        folder = Path({folder!r})
        held = ray.get_runtime_context().get_assigned_resources()
        (folder / f"seed{{os.getpid()}}").write_text(json.dumps(held))
        deadline = time.monotonic() + 100
        while len(list(folder.glob("seed*"))) < 3:
            assert time.monotonic() < deadline, "the other trials do not run"
            time.sleep(0.05)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""


@pytest.fixture
def three_cores_and_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Ray of this machine that was told so, whatever it has."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    with workspace() as folder, token_in(folder):
        ray.init(
            "local",
            num_cpus=3,
            num_gpus=1,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=str(folder / "ray"),
        )
        yield
        ray.shutdown()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real GPU")
@pytest.mark.usefixtures("three_cores_and_a_gpu")
def test_trials_share_a_gpu_that_only_ray_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paired.py").write_text(TOGETHER.format(driver=os.getpid(), folder=str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    waiting = Study(
        title="Waiting",
        scientific={"model": tune.grid_search(["paired:build"])},
        fixed={"dataset": "digits"},
    )
    frame = study.run(waiting, seeds=3, storage=tmp_path / "results", progress=False)
    assert list(frame.status) == ["finished"] * 3
    for held in tmp_path.glob("seed*"):
        # Ray counts in ten-thousandths, and names the same share once for each way to ask for it.
        assert {amount for name, amount in json.loads(held.read_text()).items() if "GPU" in name} == {0.3333}


def of(**fields: object) -> tuple[str, str, str]:
    trial = Trial("key", "Images", Images.Config(**fields), 0, "data", "study", "arm", "train_accuracy")
    return shape(trial, Images)


def test_configs_with_the_same_load_have_one_shape() -> None:
    assert of(lr=0.5, weight_decay=0.1, epochs=9) == of()
    for other in ({"width": 51}, {"batch_size": 64}, {"precision": "bfloat16"}, {"optimizer": "adam"}):
        assert of(**other) != of()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_load_is_measured_on_a_gpu(digits: Dataset) -> None:
    configs = [
        Images.Config(dataset="digits", **fields)
        for fields in ({"width": 2}, {"model": "resnet50"}, {"model": "resnet50", "batch_size": 1})
    ]
    asked = [("Images", config, "digits") for config in configs]
    small, large, impossible = measure(asked, {"Images": Images}, {"digits": digits}, threads=1)
    assert small is not None
    assert large is not None
    assert 0 < small.memory_bytes < large.memory_bytes < large.total_bytes
    assert 0 < small.busy < large.busy <= 1
    assert impossible is None
