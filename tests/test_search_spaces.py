"""The shipped studies are the report's: its arms, its published values, its sentences as claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from study import load
from study.declare.loading import SHIPPED, available
from study.errors import validated
from study.images.data import Dataset
from study.running.trial_run import TrialRun

# Figure: arms, and the test accuracies that the report gives, in the order of the arms (None: not given).
REPORT: dict[str, tuple[int, dict[str, float | None]]] = {
    "baseline": (1, {"baseline": 97.220}),
    "learning_rate": (2, {"0.01": None, "0.1": None, "1.0": None}),
    "batch_size": (3, {"32": None, "128": None, "512": None, "2048": None}),
    "momentum": (4, {"0.0": None, "0.5": None, "0.9": None, "0.99": None}),
    "l2_regularization": (5, {"0.001": 96.670, "0.01": 95.380, "0.1": 90.570, "1.0": 11.350}),
    "optimizers": (6, {"SGD, momentum 0.9": 98.310, "Adagrad": 97.340, "Adam": 97.950}),
    "loss_functions": (7, {"cross_entropy": None, "balanced_cross_entropy": None}),
    "conv_depth": (8, {"1": 93.820, "2": 96.560, "3": 97.560}),
    "fc_depth": (9, {"1": 97.280, "2": 97.090, "3": 96.440}),
    "network_width": (10, {"12": 95.170, "25": 96.280, "50": 96.870, "100": 97.430}),
    "resnet": (11, {"resnet18": 97.870, "resnet34": 96.810, "resnet50": 97.950, "resnet101": 97.630}),
    "improvements": (
        12,
        {"vanilla": 96.960, "dropout": 97.200, "dropout, momentum, decay": 97.460, "best": 97.890},
    ),
}


@pytest.mark.parametrize("name", REPORT)
def test_a_study_of_the_report_has_its_arms_and_published_values(name: str) -> None:
    study, (figure, arms) = load(name), REPORT[name]
    assert study.figure == figure
    assert [arm.label for arm in study.expand()] == list(arms)
    published = {label: study.published.get(label, {}).get("test_accuracy") for label in arms}
    assert published == arms
    assert study.question.endswith("?")
    assert study.claims


def test_the_best_models_other_values_are_there_too() -> None:
    of_best = load("improvements").published["best"]
    assert of_best == {"test_accuracy": 97.890, "best_test_accuracy": 98.320, "test_top5": 100.0}


def test_every_published_value_is_claimed() -> None:
    for name in REPORT:
        study = load(name)
        claims = [claim for claim in study.claims if claim.kind == "about_published"]
        labels = {label for claim in claims for label in claim.arms or study.published}
        # 11.350 is what is left of a collapse, which has a claim of its own.
        assert labels | ({"1.0"} if name == "l2_regularization" else set()) == study.published.keys(), name


def test_every_shipped_study_loads() -> None:
    assert available().keys() == {*REPORT, "more_epochs", "optimizers_tuned"}
    assert load("more_epochs").figure is None
    tuned = load("optimizers_tuned")
    assert all(len(arm.candidates) == 8 for arm in tuned.expand())
    assert tuned.fixed["validation_size"] > 0


@pytest.mark.parametrize("path", sorted((SHIPPED / "inference").glob("*.py")), ids=lambda path: path.stem)
def test_every_setting_that_is_inferred_is_compared_with_something_published(path: Path) -> None:
    study = load(path)
    assert [arm.label for arm in study.expand()] == list(study.published)
    assert f"study infer {path.stem}" in path.read_text()


@pytest.mark.parametrize(("name", "parameters"), [("keras_convnet", 34_826), ("pytorch_example", 1_199_882)])
def test_other_people_s_networks_are_theirs_and_train(name: str, parameters: int, digits: Dataset) -> None:
    """The numbers of parameters are those of Keras' page and of PyTorch's script."""
    study = load(SHIPPED / f"references/{name}.py")
    (arm,) = study.expand()
    fixed = {"dataset": "digits", "validation_size": 0} if name == "keras_convnet" else {"dataset": "digits"}
    config = validated(study.kind.Config, {**study.fixed, **arm.overrides, **fixed})
    run = TrialRun(study.kind, config, digits, 0)
    run.run(2)
    network = run.training.network if name == "pytorch_example" else run.training.model
    assert sum(weights.numel() for weights in network.parameters()) == parameters
    assert run.history.last("train_loss") is not None


def test_both_precisions_are_compared_on_two_networks() -> None:
    study = load(SHIPPED / "references/precisions.py")
    assert len(study.expand()) == 4
    assert [claim.kind for claim in study.claims] == ["equivalent", "equivalent"]
