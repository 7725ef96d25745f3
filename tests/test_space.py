"""Where a search looks: every domain, conditions, points and back; and what can't be searched."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ray import tune

from study import StudyError
from study.declare.dimension import Dimension
from study.declare.space import Space

FLAT = {
    "lr": tune.loguniform(1e-4, 1.0),
    "share": tune.quniform(0.0, 1.0, 0.25),
    "width": tune.randint(2, 20),
    "even": tune.qrandint(2, 8, 2),
    "power": tune.lograndint(1, 1000),
    "loss": tune.choice(["a", "b", True, 1]),
    "epochs": 3,
}
BRANCHES = {
    "lr": tune.uniform(0.0, 1.0),
    "optimizer": tune.choice(
        [
            {"optimizer": "sgd", "momentum": tune.uniform(0.0, 0.9)},
            {"optimizer": "adam", "beta": tune.choice([{"beta": 0.9, "eps": tune.uniform(0.0, 1.0)}, 0.5])},
            "none",
        ]
    ),
}


def drawn(space: Space, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    generator = random.Random(seed)
    return space.choose(lambda name, one: one.drawn(generator))


@pytest.mark.parametrize("given", [FLAT, BRANCHES])
def test_hyperparameters_lead_back_to_the_point_that_they_come_from(given: dict[str, Any]) -> None:
    space = Space(given)
    for seed in range(50):
        point, values = drawn(space, seed)
        assert space.values(point) == values
        assert space.values(space.point(values)) == values
        assert values.keys() <= space.names


def test_values_lie_in_their_ranges_with_both_ends_as_tune_has_them() -> None:
    values = [drawn(Space(FLAT), seed)[1] for seed in range(400)]
    assert {one["width"] for one in values} == set(range(2, 20))
    assert {one["even"] for one in values} == {2, 4, 6, 8}
    assert {one["share"] for one in values} == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert {repr(one["loss"]) for one in values} == {"'a'", "'b'", "True", "1"}
    assert all(one["epochs"] == 3 and 1 <= one["power"] < 1000 and 1e-4 <= one["lr"] <= 1 for one in values)
    # Evenly in the logarithm: a quarter of the values in each of four decades.
    assert 60 < sum(one["lr"] < 1e-3 for one in values) < 140
    assert all(one["lr"] == float(f"{one['lr']:.4g}") for one in values)


def test_what_depends_on_a_choice_is_set_with_it_alone() -> None:
    seen = set()
    for seed in range(100):
        values = drawn(Space(BRANCHES), seed)[1]
        seen.add(tuple(sorted(values)))
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
        assert ("eps" in values) == (values.get("beta") == 0.9)
    assert len(seen) == 4
    assert Space(BRANCHES).conditional
    assert not Space(FLAT).conditional


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"a": tune.choice([1, 2, 3]), "b": tune.randint(0, 4)}, 12),
        ({"a": tune.quniform(0.0, 1.0, 0.25), "b": 7}, 5),
        ({"a": tune.choice([{"x": tune.randint(0, 3)}, {"y": 1}, 5])}, 5),
        ({"a": tune.uniform(0, 1)}, float("inf")),
    ],
)
def test_a_space_knows_how_many_points_it_has(given: dict[str, Any], size: float) -> None:
    assert Space(given).size == size


@pytest.mark.parametrize(
    ("given", "values", "said"),
    [
        (FLAT, {"lr": 2.0}, r"lr = 2.0 is not in \[0.0001, 1\]"),
        (FLAT, {"even": 3}, "even = 3 is no multiple of 2"),
        (FLAT, {"loss": "c"}, "loss = 'c' is none of 'a', 'b', True, 1"),
        (FLAT, {"epochs": 4}, "epochs = 4: is 3"),
        (FLAT, {"width": True}, "width = True is not in"),
        (FLAT, {"depth": 3}, "depth: not searched"),
        (
            BRANCHES,
            {"lr": 0.1, "optimizer": "adam", "momentum": 0.5, "beta": 0.5},
            "momentum: not searched with",
        ),
        (BRANCHES, {"lr": 0.1, "optimizer": "sgd"}, "momentum is missing"),
    ],
)
def test_what_is_no_point_is_said(given: dict[str, Any], values: dict[str, Any], said: str) -> None:
    whole = drawn(Space(FLAT), 0)[1] | values if given is FLAT else values
    with pytest.raises(ValueError, match=said):
        Space(given).point(whole)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        (tune.randn(0, 1), "a: can't be searched"),
        (tune.uniform(2, 1), "a: .2, 1. is no range"),
        (tune.sample_from(lambda spec: 1), "a: can't be searched"),
    ],
)
def test_what_cannot_be_searched_is_refused(domain: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        Space({"a": domain})


def test_a_value_near_an_end_of_its_range_lies_at_the_edge() -> None:
    rate = Dimension(1e-4, 1.0, log=True)
    assert [rate.edge(value) for value in (1e-4, 1.5e-4, 1e-2, 0.7)] == ["lower", "lower", "", "upper"]
    assert [Dimension(0, 10, whole=True).edge(value) for value in (0, 5, 10)] == ["lower", "", "upper"]
    # Of three values two would always be ends.
    assert Dimension(0, 2, whole=True).edge(2) == ""
    assert Dimension(0, 4, whole=True, choices=(1, 2, 3, 4, 5)).edge(5) == ""
