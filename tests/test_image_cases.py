"""The report's training tells which test images it answers right, and nothing else of it changes by that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import image_run, to_the_end
from torch import Tensor, nn

import study
from analysis import load
from study import Study, own_code
from study.images.data import Dataset
from study.images.declaration import Images
from study.images.training import ImageTraining
from study.running.trial_run import TrialRun

SMALL: dict[str, Any] = {"dataset": "digits", "width": 4, "batch_size": 100, "epochs": 2}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # The order of a sum depends on the number of threads.
    torch.set_num_threads(1)


def test_a_study_of_images_keeps_which_of_them_were_answered_right(tmp_path: Path, digits: Dataset) -> None:
    one = Study(title="Digits", arms={"a": {}, "b": {"width": 2}}, fixed=SMALL)
    table = study.run(one, seeds=1, storage=tmp_path, in_process=True, progress=False)
    results = load(tmp_path)
    for key, accuracy in zip(table.key, table.test_accuracy, strict=True):
        told = json.loads((tmp_path / "trials" / key / "result.json").read_text())["correct"]
        assert [*told] == ["test_accuracy"]
        right = results.correct(key, "test_accuracy")
        assert right is not None
        assert (len(right), right.mean()) == (len(digits.test_labels), accuracy)
    run = to_the_end(image_run(digits, **SMALL))
    with torch.no_grad():
        logits = run.training.model.eval()(torch.tensor(digits.test_images) / 255)  # type: ignore[attr-defined]
    right = results.correct(table.key[0], "test_accuracy")
    assert right is not None
    assert right.tolist() == (logits.argmax(1).numpy() == digits.test_labels).tolist()


class Counted(nn.Module):
    """A network of the user's own, which counts how often it is asked."""

    capturable = True
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))

    def forward(self, images: Tensor) -> Tensor:
        type(self).calls += 1
        logits: Tensor = self.layers(images)
        return logits


def own(digits: Dataset, device: str = "cpu") -> TrialRun:
    own_code.provide({"own:counted": lambda config: Counted()})
    return image_run(digits, device=device, **{**SMALL, "model": "own:counted"})


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_what_the_last_evaluation_saw_is_told_without_another(digits: Dataset, device: str) -> None:
    run = to_the_end(own(digits, device))
    calls, weights = Counted.calls, run.weights_sha256()
    right = run.correct_cases()["test_accuracy"]
    assert Counted.calls == calls
    again = own(digits, device)
    again.resume(run.state())
    assert np.array_equal(again.correct_cases()["test_accuracy"], right)
    assert Counted.calls == calls + 1  # of 360 images, in one batch
    assert right.mean() == run.history.value("test_accuracy")
    assert run.weights_sha256() == again.weights_sha256() == weights


@pytest.mark.parametrize("device", DEVICES)
def test_after_further_steps_the_answers_of_before_are_not_told(digits: Dataset, device: str) -> None:
    run = own(digits, device)
    while run.step < 16:  # an epoch has 15
        run.run(16 - run.step)
    with torch.no_grad():
        logits = run.training.model.eval()(torch.tensor(digits.test_images, device=device) / 255)  # type: ignore[attr-defined]
    right = run.correct_cases()["test_accuracy"]
    assert right.tolist() == (logits.argmax(1).cpu().numpy() == digits.test_labels).tolist()
    assert right.mean() != run.history.value("test_accuracy")


def test_asking_in_between_changes_no_number(digits: Dataset) -> None:
    whole, asked = (image_run(digits, **SMALL, fc_layers=2, dropout=0.5) for _ in range(2))
    to_the_end(whole)
    while not asked.done:
        asked.run(4)
        asked.correct_cases()
    assert asked.weights_sha256() == whole.weights_sha256()
    assert np.array_equal(asked.correct_cases()["test_accuracy"], whole.correct_cases()["test_accuracy"])


class OtherMetrics(ImageTraining):
    """Measures the loss alone, so that it has no metric of the recipe's to tell cases of."""

    metrics = tuple(metric for metric in Images.metrics if metric.series in ("test_loss", "train_loss"))

    def advance(self, t: int, n: int, seed_step: Any) -> Any:
        for row in super().advance(t, n, seed_step):
            yield {name: value for name, value in row.items() if name in ("test_loss", "train_loss")}


def test_a_class_based_on_the_recipe_may_have_other_metrics(digits: Dataset) -> None:
    run = to_the_end(TrialRun(OtherMetrics, Images.Config(**SMALL), digits, 0))
    assert run.correct_cases() == {}
