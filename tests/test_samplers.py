"""Samplers: what they suggest depends on what they were told, in whatever process they were told it."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from study.declare.samplers import SAMPLERS
from study.declare.space import Space
from study.search.sampler import Sampler

NUMBERS = Space({"x": tune.uniform(-1.0, 1.0), "rate": tune.loguniform(1e-3, 1.0), "n": tune.randint(1, 9)})
BRANCHES = Space(
    {
        "x": tune.uniform(-1.0, 1.0),
        "how": tune.choice([{"how": "a", "rate": tune.loguniform(1e-3, 1.0)}, {"how": "b"}]),
    }
)
# Points that are tried: enough that every sampler has begun to go by what it was told. gp takes a second for each.
POINTS, POINTS_OF_GP = 24, 14


def value(space: Space, point: dict[str, Any]) -> float:
    values = space.values(point)
    return (values["x"] - 0.3) ** 2 + abs(values.get("rate", 0.5) - 0.1) + 0.01 * values.get("n", 0)


def search(name: str, space: Space, known: list[dict[str, Any]], objectives: int = 1) -> list[dict[str, Any]]:
    """So many suggestions, of which an earlier process made the first ones; two are always tried at once."""
    sampler = Sampler(name, space, ["lower"] * objectives, "test")
    points: list[dict[str, Any]] = []
    while len(points) < (POINTS_OF_GP if name == "gp" else POINTS):
        if len(points) > 1:
            tried = value(space, points[len(points) - 2])
            # Some fail, some are stopped early.
            number = len(points) - 2
            kind = number % 7 if objectives == 1 else 0
            sampler.told(
                number,
                None if kind == 5 else [tried, 1 - tried][:objectives],
                stopped_at=(3, tried) if kind == 6 else None,
            )
        if len(points) < len(known):
            sampler.suggested(point := known[len(points)])
        else:
            point = sampler.suggest()
        points.append(point)
    return points


@pytest.mark.parametrize(
    ("name", "space", "objectives"),
    [
        *((name, NUMBERS, 1) for name in SAMPLERS),
        *((name, BRANCHES, 1) for name, kind in SAMPLERS.items() if kind.conditional),
        *((name, NUMBERS, 2) for name, kind in SAMPLERS.items() if kind.objectives > 1 and name != "gp"),
    ],
)
def test_a_sampler_that_is_told_the_same_suggests_the_same(name: str, space: Space, objectives: int) -> None:
    whole = search(name, space, [], objectives)
    for cut in (POINTS_OF_GP - 1,) if name == "gp" else (0, 1, POINTS // 2, POINTS - 1):
        assert search(name, space, whole[:cut], objectives) == whole


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes"])
def test_what_it_was_told_is_what_it_goes_by(name: str) -> None:
    points = search(name, NUMBERS, [])
    first, last = (min(value(NUMBERS, one) for one in part) for part in (points[:10], points[10:]))
    assert last < first
    assert points[-1] != search("random", NUMBERS, [])[-1]


def test_a_start_is_what_comes_next_and_what_it_leaves_open_is_suggested() -> None:
    sampler = Sampler("tpe", NUMBERS, ["lower"], "test")
    assert sampler.suggest({"x": 0.5, "rate": 0.01, "n": 4}) == {"x": 0.5, "rate": 0.01, "n": 4}
    open_one = sampler.suggest({"x": -0.5})
    assert open_one["x"] == -0.5
    assert open_one.keys() == {"x", "rate", "n"}


def test_another_purpose_draws_other_points() -> None:
    one, other = (Sampler("random", NUMBERS, ["lower"], purpose) for purpose in ("a", "b"))
    assert one.suggest() != other.suggest()
