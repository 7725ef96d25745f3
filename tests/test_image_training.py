"""A trial of images is a pure function of its config and seed: however it is divided, interrupted and resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Study as CommandLine
from conftest import image_run, to_the_end

from study.images.data import Dataset
from study.running.trial_run import TrialRun

RESUME_IN_NEW_PROCESS = """
import json, sys
from pathlib import Path
from study.images import data
from study.images.declaration import Images
from study.running.resources import Resources
from study.running.trial_run import TrialRun
import torch
Resources(1, 0).prepare_process()
run = TrialRun(Images, Images.Config(**json.loads(sys.argv[1])), data.load("digits", Path()), 0)
run.resume(Path(sys.argv[2]).read_bytes())
while not run.done:
    run.run(1000)
columns = {name: run.history.series(name)[1].tolist() for name in run.history.metrics}
print(json.dumps([run.weights_sha256(), columns]))
"""
BASE = {"dataset": "digits", "width": 4, "batch_size": 100, "epochs": 2}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # The order of a sum depends on the number of threads.
    torch.set_num_threads(1)


def begun(digits: Dataset, seed: int = 0, device: str = "cpu", **fields: Any) -> TrialRun:
    return image_run(digits, seed, device, **{**BASE, **fields})


def trained(digits: Dataset, steps: int = 10**6, seed: int = 0, **fields: Any) -> TrialRun:
    return to_the_end(begun(digits, seed, **fields), steps)


def outcome(run: TrialRun) -> list[Any]:
    return [
        run.weights_sha256(),
        {name: run.history.series(name)[1].tolist() for name in run.history.metrics},
    ]


def series(run: TrialRun, name: str) -> np.ndarray:
    return run.history.series(name)[1]


def test_a_trial_reports_every_step_and_every_epoch(digits: Dataset) -> None:
    run = trained(digits)
    assert run.steps == 2 * 15  # 1,437 images in batches of 100, the last has 37
    assert len(series(run, "train_loss")) == len(series(run, "train_accuracy")) == 30
    assert run.history.series("test_accuracy")[0].tolist() == [15, 30]
    losses, accuracies = series(run, "train_loss"), series(run, "train_accuracy")
    assert losses[-1] < losses[0]
    # The last batch of an epoch has 37 images, so its accuracy is a multiple of 1/37.
    hits = accuracies[14] * 37
    assert hits == pytest.approx(round(hits), abs=1e-4)
    assert run.training.counted(30) == 2 * 1437
    assert run.training.counted(16) == 1437 + 100


def test_an_epochs_metrics_are_those_of_its_weights_on_the_whole_test_set(digits: Dataset) -> None:
    run = trained(digits, width=8, epochs=3)
    with torch.no_grad():
        logits = run.training.model.eval()(torch.tensor(digits.test_images) / 255)  # type: ignore[attr-defined]
    ranked = logits.argsort(dim=1, descending=True).numpy()
    hits = ranked == digits.test_labels[:, None]
    values = run.history.values()
    assert values["test_accuracy"] == pytest.approx(hits[:, 0].mean())
    assert values["test_top5"] == pytest.approx(hits[:, :5].any(axis=1).mean())
    assert values["one_class"] == 0 < len(set(ranked[:, 0]))
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(digits.test_labels))
    assert values["test_loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert values["best_test_accuracy"] == series(run, "test_accuracy").max() > 0.3


class Mostly(torch.nn.Module):
    """Answers class 1 for images brighter than this on average, else class 0."""

    def __init__(self, brightness: float) -> None:
        super().__init__()
        self.brightness, self.scale = brightness, torch.nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answers = (images.mean((1, 2, 3)) > self.brightness).long()
        return self.scale * torch.nn.functional.one_hot(answers, 10)


@pytest.mark.parametrize(("others", "collapsed"), [(0, 1.0), (3, 1.0), (4, 0.0)])
def test_a_network_has_collapsed_where_99_percent_of_its_answers_are_the_same(
    digits: Dataset, others: int, collapsed: float
) -> None:
    images = torch.tensor(digits.test_images)
    assert len(images) == 360
    brightest = (images / 255).mean((1, 2, 3)).sort(descending=True).values
    run = begun(digits, epochs=1)
    run.training.model = Mostly(float(brightest[others]) + 1e-6)  # type: ignore[attr-defined]
    assert to_the_end(run, 10**6).history.values()["one_class"] == collapsed


def test_how_steps_are_divided_changes_nothing(digits: Dataset) -> None:
    assert outcome(trained(digits, steps=7)) == outcome(trained(digits))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"momentum": 0.9, "weight_decay": 0.001},
        {"fc_layers": 2, "fc_width": 16, "dropout": 0.5},
        {"precision": "bfloat16", "width": 2},
        {"optimizer": "adam", "lr": 0.001},
    ],
    ids=["plain", "momentum", "dropout", "bfloat16", "adam"],
)
def test_resumed_in_a_new_process_it_ends_with_the_same_bits(
    fields: dict[str, Any], digits: Dataset, tmp_path: Path
) -> None:
    run = begun(digits, **fields)
    # After the first step, inside an epoch, between epochs, inside the second.
    for stop in (1, 7, 15, 22):
        while run.step < stop:
            run.run(stop - run.step)
        state = tmp_path / "state"
        state.write_bytes(run.state())
        run = begun(digits, **fields)
        run.resume(state.read_bytes())
        assert run.step == stop
    words = [sys.executable, "-c", RESUME_IN_NEW_PROCESS, json.dumps({**BASE, **fields}), str(state)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == outcome(trained(digits, **fields))


def test_a_process_that_trained_something_else_before_gives_the_same_bits(digits: Dataset) -> None:
    fresh = outcome(trained(digits))
    trained(digits, width=3, precision="bfloat16", seed=5, epochs=1)
    torch.rand(7)
    assert outcome(trained(digits)) == fresh


def test_a_seed_means_the_same_data_order_in_every_arm(digits: Dataset) -> None:
    def order(epoch: int = 0, **fields: Any) -> torch.Tensor:
        return begun(digits, **fields).training._order(epoch)  # type: ignore[attr-defined, no-any-return]

    assert torch.equal(order(width=2), order(width=8))
    assert not torch.equal(order(), order(seed=1))
    assert not torch.equal(order(), order(1))


def test_seeds_differ_in_their_weights(digits: Dataset) -> None:
    first, second = (begun(digits, seed=seed).weights_sha256() for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_epochs_last_update_can_be_the_one_that_diverges(digits: Dataset, epochs: int) -> None:
    run = trained(digits, lr=1e30, momentum=0.0, batch_size=2000, epochs=epochs)
    assert run.diverged
    assert np.isfinite(series(run, "train_loss")).all()
    assert not np.isfinite(series(run, "test_loss")).any()
    assert (run.step, run.weights_sha256()) == (1, None)


@pytest.mark.parametrize("steps", [1, 4, 1000])
def test_divergence_is_a_result_that_does_not_depend_on_when_it_is_noticed(
    steps: int, digits: Dataset
) -> None:
    run = trained(digits, steps, lr=1e30)
    assert run.diverged
    assert run.done
    # One step at this rate overflows; the curve ends with the first loss that is not finite.
    losses = series(run, "train_loss")
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])
    assert run.step == len(losses) == 2
    assert len(series(run, "test_accuracy")) == 0
    assert run.weights_sha256() is None


def test_bfloat16_is_close_to_float32_but_not_the_same(digits: Dataset) -> None:
    exact = series(trained(digits, epochs=1), "train_loss")
    rounded = series(trained(digits, epochs=1, precision="bfloat16"), "train_loss")
    assert rounded == pytest.approx(exact, abs=0.1)
    assert not np.array_equal(rounded, exact)


@pytest.mark.parametrize(("channels", "height", "width", "classes"), [(3, 32, 32, 100), (2, 20, 25, 3)])
@pytest.mark.parametrize("model", ["cnn", "resnet18"])
def test_images_may_have_any_shape_and_any_number_of_classes(
    channels: int, height: int, width: int, classes: int, model: str
) -> None:
    drawn = np.random.default_rng(0)
    parts = [
        part
        for n in (40, 20)
        for part in (
            drawn.integers(0, 256, (n, channels, height, width), np.uint8),
            drawn.integers(0, classes, n),
        )
    ]
    run = to_the_end(
        image_run(Dataset("drawn", *parts, classes=classes), model=model, width=4, batch_size=20)
    )
    assert run.training.model.eval()(torch.zeros(2, channels, height, width)).shape == (2, classes)  # type: ignore[attr-defined]
    assert 0 <= run.history.values()["test_top5"] <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu_it_resumes_to_the_same_bits(precision: str, digits: Dataset) -> None:
    whole: dict[str, Any] = {"precision": precision, "fc_layers": 2, "dropout": 0.5, "momentum": 0.9}
    undisturbed = to_the_end(begun(digits, device="cuda", **whole))
    run = begun(digits, device="cuda", **whole)
    while not run.done:
        run.run(4)
        again = begun(digits, device="cuda", **whole)
        again.resume(run.state())
        run = again
    assert outcome(run) == outcome(undisturbed)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_agrees_with_a_cpu(digits: Dataset) -> None:
    on_gpu = to_the_end(begun(digits, device="cuda", epochs=1))
    on_cpu = trained(digits, epochs=1)
    # TF32 convolutions, 15 steps
    assert series(on_gpu, "train_loss") == pytest.approx(series(on_cpu, "train_loss"), abs=2e-2)


@pytest.mark.parametrize(
    ("training", "test", "held_out"), [(40, 10, 1), (40, 10, 39), (40, 1, 0), (1, 1, 0), (2, 1, 1)]
)
def test_it_trains_on_one_image_and_holds_out_one(
    training: int, test: int, held_out: int, digits: Dataset
) -> None:
    few = Dataset(
        "few", digits.train_images[:training], digits.train_labels[:training], digits.test_images[:test],
        digits.test_labels[:test],
    )  # fmt: skip
    for loss in ("cross_entropy", "balanced_cross_entropy"):
        run = image_run(few, dataset="digits", width=2, validation_size=held_out, loss=loss)
        values = to_the_end(run).history.values()
        assert 0 <= values["test_accuracy"] <= 1
        assert (values.get("validation_accuracy") is not None) == bool(held_out)


def test_the_command_line_holds_out_one_image(study: CommandLine, tiny_study: Path) -> None:
    done = study("tune", tiny_study.name, "--seeds", "1", "--in-process", "--set", "validation_size=1")
    assert done.returncode == 0, done.stderr
