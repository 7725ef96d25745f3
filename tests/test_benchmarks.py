"""The benchmarks run; who is compared does the same work; fused trials are the trials they stand for."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from study.images.config import ImageConfig
from study.images.data import Dataset
from study.images.models import network

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from fused import grouped, vmapped

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script: str, *words: str, on_one_core: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / script), *words]
    if on_one_core:
        command = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *command]
    # Threads of one trial wait for each other, which takes for ever where other tests want the cores too.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


@pytest.fixture
def small_mnist(tmp_path: Path, digits: Dataset) -> Path:
    """A folder in torchvision's layout of MNIST, with the embedded digits in it."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, images, labels in (
        ("train", digits.train_images, digits.train_labels),
        ("t10k", digits.test_images, digits.test_labels),
    ):
        sizes = b"".join(size.to_bytes(4, "big") for size in (len(images), 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + sizes[:4] + labels.astype("uint8").tobytes()
        )
    return tmp_path


def test_every_tool_trains_the_same_arms_on_the_same_images(tmp_path: Path, small_mnist: Path) -> None:
    pytest.importorskip("optuna")
    words = ["--images", "1000", "--repetitions", "1", "--untuned", "--float32", "--data", str(small_mnist)]
    # Of several threads each would wait for those whose core another test has.
    done = run("compare.py", *words, "--out", str(tmp_path / "out"), on_one_core=True)
    table = pd.read_csv(tmp_path / "out" / "peers.csv")
    assert set(table.tool) == {"study", "ray_tune", "optuna_study", "sequential"}
    assert (table.images == 1000).all()
    assert (table.trials == 4).all()
    accuracies = table.filter(regex="accuracy_(12|25|50|100)$")
    assert accuracies.shape == (4, 4)
    # 8 steps teach little, but more than nothing: chance is 0.1.
    assert (accuracies.max(axis="columns") > 0.25).all()
    assert (table[["cpu_seconds", "peak_mib", "of_mm_square"]] > 0).all(axis=None)
    assert all(tool in done.stdout for tool in table.tool)
    assert (tmp_path / "out" / "peers.png").stat().st_size > 0


def test_verdicts_are_calibrated_with_every_kind_of_claim_and_of_looks() -> None:
    table = run("calibration.py", "--studies", "3").stdout
    for claim in ("above", "rises", "equivalent", "about published", "happens", "either way"):
        assert f"| {claim}" in table
    assert all(f"| {way}" in table for way in ("each", "five", "wish", "hope"))
    looks = run("looks.py", "--studies", "100").stdout
    assert all(f"| {way}" in looks for way in ("ours", "confidence", "looks"))
    tuned = run("tuned.py", "--studies", "4000").stdout.splitlines()
    # Better and worse, of 5 and of 10 seeds: 2.5 % each with a standard error of 0.25.
    rates = {row.split("|")[1].strip(): row.split("|")[4:6] for row in tuned if "one of two" in row}
    assert all(float(one.split("+")[0]) > 6 for one in rates["all seeds choose and report"])
    assert all(float(rate) < 4 for one in rates["every third seed chooses"] for rate in one.split("+"))


@pytest.mark.parametrize("fuse", [grouped, vmapped])
@pytest.mark.parametrize("model", ["cnn", "resnet18"])
def test_fused_trials_learn_what_separate_ones_learn(model: str, fuse: Callable[..., object]) -> None:
    torch.manual_seed(0)
    alone = [network(model)(ImageConfig(model=model, width=3), (1, 28, 28, 10)).double() for _ in range(2)]
    forward, weights = fuse([copy.deepcopy(one) for one in alone])
    fused_optimizer = torch.optim.SGD(weights, lr=0.01)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.01) for one in alone]
    for _ in range(3):
        images, labels = torch.rand(4, 2, 28, 28, dtype=torch.float64), torch.randint(10, (4, 2))
        logits = forward(images)
        fused_optimizer.zero_grad()
        sum(nn.functional.cross_entropy(logits[:, i], labels[:, i]) for i in range(2)).backward()
        fused_optimizer.step()
        for i, (one, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
            separate = one(images[:, i : i + 1])
            # Only sums in another order: float64 leaves 1e-15 a step, and 18 layers amplify it.
            torch.testing.assert_close(logits[:, i], separate, rtol=1e-8, atol=1e-8)
            optimizer.zero_grad()
            nn.functional.cross_entropy(separate, labels[:, i]).backward()
            optimizer.step()


def test_an_epoch_is_timed_with_graphs_and_without_and_where_there_are_none_it_says_why() -> None:
    lines = run("epoch.py", "--images", "128", "--epochs", "1", "--device", "cpu").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["float32", "float32", "bfloat16", "bfloat16"]
    assert [line.endswith("(not on a CUDA device)") for line in lines[1:]] == [True, False] * 2


def test_each_way_to_share_a_device_is_measured_and_one_that_fails_says_why(tmp_path: Path) -> None:
    words = "--device cpu --trials 2 --seconds 0.1 --batch 4 --width 2 --images 16 --precision float32"
    run("gpu_sharing.py", *words.split(), "--model", "nowhere:none", "cnn", "--out", str(tmp_path))
    table = pd.read_csv(tmp_path / "gpu_sharing.csv").set_index(["model", "way"])
    ways = ["processes", "streams", "grouped", "vmap"]
    assert [*table.index] == [(model, way) for model in ("nowhere:none", "cnn") for way in ways]
    assert table.failed["nowhere:none"].str.contains("No module named").all()
    assert table.failed["cnn"].isna().all()
    assert (table.images_per_second["cnn"] > 0).all()
