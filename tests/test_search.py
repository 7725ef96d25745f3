"""Searching: points drawn from Tune's domains are reproducible, and selection never sees the test set."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from study import Study, StudyError
from study.declare.domains import quasi_random_points, random_points

DOMAINS = {
    "lr": tune.loguniform(0.001, 1.0),
    "width": tune.randint(2, 20),
    "optimizer": tune.choice(["sgd", "adam"]),
}


def test_points_are_the_same_at_every_start_and_a_longer_search_begins_with_them() -> None:
    few, many = random_points(DOMAINS, 5), random_points(DOMAINS, 9)
    assert random_points(DOMAINS, 5) == few
    assert many[:5] == few
    assert len({point["lr"] for point in many}) == 9
    assert all(0.001 <= point["lr"] <= 1.0 and 2 <= point["width"] < 20 for point in many)


def test_points_that_repeat_are_one_arm() -> None:
    assert len(random_points({"optimizer": tune.choice(["sgd", "adam"])}, 50)) == 2


def test_sampled_arms_are_labelled_by_their_value() -> None:
    study = Study(title="T", scientific={"lr": tune.loguniform(0.001, 1.0)}, samples=4)
    for arm in study.expand():
        assert float(arm.label) == arm.overrides["lr"]


def test_quasi_random_points_cover_each_part_of_the_range() -> None:
    points = quasi_random_points({"lr": tune.loguniform(1e-4, 1.0), "width": tune.randint(0, 8)}, 8)
    assert points == quasi_random_points({"lr": tune.loguniform(1e-4, 1.0), "width": tune.randint(0, 8)}, 8)
    # One of eight points in each eighth of either range: what a Sobol sequence is for.
    assert sorted(point["width"] for point in points) == list(range(8))
    import math

    assert sorted(int((math.log10(point["lr"]) + 4) * 2) for point in points) == list(range(8))


def test_a_quantised_domain_is_refused_for_tuning() -> None:
    with pytest.raises(StudyError, match=r"nuisance: lr: use tune\.uniform"):
        quasi_random_points({"lr": tune.quniform(0, 1, 0.1)}, 2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scientific": {"lr": tune.uniform(0.1, 1)}}, "samples goes with domains"),
        ({"scientific": {"lr": tune.grid_search([0.1])}, "samples": 3}, "samples goes with domains"),
        ({"scientific": {"lr": tune.uniform(-2, -1)}, "samples": 1}, "lr = -1."),
        ({"arms": {"a": {}}, "nuisance": {"lr": tune.uniform(0.1, 1)}}, "nuisance_samples go together"),
        ({"arms": {"a": {}}, "nuisance": {"lr": tune.uniform(0.1, 1)}, "nuisance_samples": 2},
         "must not be selected on the test set"),
        ({"arms": {"a": {"lr": 1}}, "nuisance": {"lr": tune.uniform(0.1, 1)}, "nuisance_samples": 2,
          "fixed": {"validation_size": 5}}, "nuisance: lr is set elsewhere"),
        ({"arms": {"a": {}}, "nuisance": {"lr": 3}, "nuisance_samples": 2, "fixed": {"validation_size": 5}},
         "use a domain"),
    ],
)  # fmt: skip
def test_a_search_that_does_not_fit_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        Study(title="T", **fields)
