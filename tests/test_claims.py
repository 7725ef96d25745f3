"""Verdicts rest on intervals over seeds: each kind of claim is reproduced, contradicted or undecided."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from conftest import Study
from storages import ONE_CLASS, Accuracy, made_storage

from analysis import load
from analysis.claims import COMPARED, verdicts
from analysis.judging import Verdict
from study.declare import claims
from study.declare.claims import Claim, Kind

HIGH, MIDDLE, LOW = (0.970, 0.971, 0.972), (0.960, 0.961, 0.963), (0.950, 0.952, 0.951)
# The third seed turns the order around.
UNSURE = (0.980, 0.981, 0.940)
RISES = [0.1, 0.5, *[0.9] * 38]
SLOWLY = [0.1, 0.2, *[0.9] * 38]
SHAKY = [0.1, 0.5, *[0.8, 1.0] * 19]
DROPS = [0.1, 0.5, *[0.9] * 18, *[0.1] * 20]
STILL_RISING = np.linspace(0.1, 0.9, 40).tolist()
ANY = {"a": HIGH, "b": HIGH}
TEST, TRAIN = "test_accuracy", "train_accuracy"


def with_seeds(curve: Sequence[float], place: int = 0) -> list[list[float]]:
    """The curve with three seeds, a little apart, and in each arm by another bit."""
    apart = 0.001 + 0.0001 * place
    return [[value + apart * seed * (i % 3) for i, value in enumerate(curve)] for seed in range(3)]


def judged(
    folder: Path,
    claim: Claim,
    accuracy: dict[str, Sequence[Accuracy]],
    curves: dict[str, Sequence[float]] | None = None,
    published: dict[str, dict[str, float]] | None = None,
) -> Verdict:
    of_seeds = {arm: with_seeds(curves[arm], place) for place, arm in enumerate(curves)} if curves else None
    store = made_storage(folder, accuracy, of_seeds, [claim], published)
    (found,) = verdicts(load(store), "width")
    return found


@pytest.mark.parametrize(
    ("claim", "accuracy", "verdict"),
    [
        (claims.increasing(TEST, "."), {"a": LOW, "b": MIDDLE, "c": HIGH}, "reproduced"),
        (claims.increasing(TEST, "."), {"a": LOW, "b": HIGH, "c": MIDDLE}, "contradicted"),
        (claims.increasing(TEST, "."), {"a": LOW, "b": UNSURE, "c": HIGH}, "undecided"),
        (claims.decreasing(TEST, "."), {"a": HIGH, "b": MIDDLE, "c": LOW}, "reproduced"),
        (claims.decreasing(TEST, "."), {"a": LOW, "b": HIGH, "c": MIDDLE}, "contradicted"),
        (claims.above(TEST, ".", "c", "a", "b"), {"a": LOW, "b": MIDDLE, "c": HIGH}, "reproduced"),
        (claims.above(TEST, ".", "a", "b"), {"a": LOW, "b": MIDDLE, "c": HIGH}, "contradicted"),
        (claims.above(TEST, ".", "a", "b"), {"a": HIGH, "b": UNSURE}, "undecided"),
        (claims.above(TEST, ".", "a", "b"), {"a": HIGH, "b": ["diverged"] * 3}, "reproduced"),
        (claims.above(TEST, ".", "a", "b"), {"a": HIGH, "b": (0.95, None, None)}, "undecided"),
        (claims.above(TEST, ".", "a", "b", margin=0.5), {"a": HIGH, "b": MIDDLE}, "reproduced"),
        (claims.above(TEST, ".", "a", "b", margin=1.5), {"a": HIGH, "b": MIDDLE}, "contradicted"),
        (claims.below(TEST, ".", "a", "b", "c"), {"a": LOW, "b": MIDDLE, "c": HIGH}, "reproduced"),
        (claims.below(TEST, ".", "b", "a", "c"), {"a": LOW, "b": MIDDLE, "c": HIGH}, "contradicted"),
        # What is left of an arm that a scheduler thinned out is no fair sample of it.
        (claims.above(TEST, ".", "a", "b"), {"a": (*HIGH, "stopped"), "b": (*LOW, 0.95)}, "undecided"),
        # Seeds that agree exactly are no proof of a difference.
        (claims.above(TEST, ".", "a", "b"), {"a": (0.97, 0.96), "b": (0.96, 0.95)}, "undecided"),
        (claims.above(TEST, ".", "a", "b"), {"a": (0.3, 0.2, 0.4), "b": (0.2, 0.1, 0.3)}, "undecided"),
        (claims.equivalent(TEST, "."), {"a": ["diverged"] * 3, "b": ["diverged"] * 3}, "undecided"),
        (claims.equivalent(TEST, ".", margin=1.5), {"a": MIDDLE, "b": HIGH}, "reproduced"),
        (claims.equivalent(TEST, ".", margin=1.5), {"a": LOW, "b": HIGH}, "contradicted"),
        (claims.equivalent(TEST, ".", margin=1.5), {"a": HIGH, "b": UNSURE}, "undecided"),
        (claims.happens("one_class", ".", "a"), {"a": [ONE_CLASS] * 3, "b": HIGH}, "reproduced"),
        (claims.happens("one_class", ".", "b"), {"a": [ONE_CLASS] * 3, "b": HIGH}, "contradicted"),
        (
            claims.happens("one_class", ".", "a"),
            {"a": [ONE_CLASS, ONE_CLASS, 0.1136], "b": HIGH},
            "undecided",
        ),
        (
            claims.happens("one_class", ".", "a"),
            {"a": [ONE_CLASS, ONE_CLASS, "diverged"], "b": HIGH},
            "undecided",
        ),
    ],
)
def test_claims_about_test_accuracy(
    tmp_path: Path, claim: Claim, accuracy: dict[str, Sequence[Accuracy]], verdict: str
) -> None:
    found = judged(tmp_path, claim, accuracy)
    assert found.verdict == verdict, found.numbers


@pytest.mark.parametrize(
    ("claim", "a", "b", "verdict"),
    [
        (claims.above(TRAIN, ".", "a", "b", first=5), RISES, SLOWLY, "reproduced"),
        (claims.above(TRAIN, ".", "a", "b", first=5), SLOWLY, RISES, "contradicted"),
        (claims.below(TRAIN, ".", "a", "b", first=5), SLOWLY, RISES, "reproduced"),
        (claims.below(TRAIN, ".", "a", "b", first=5), RISES, SLOWLY, "contradicted"),
        (claims.decreasing(TRAIN, ".", first=5), RISES, SLOWLY, "reproduced"),
        (claims.equivalent(TRAIN, ".", first=5, margin=9), RISES, SLOWLY, "reproduced"),
        (claims.equivalent(TRAIN, ".", first=5, margin=1), RISES, SLOWLY, "contradicted"),
        # An arm with fewer steps: the same ones are compared.
        (claims.below(TRAIN, ".", "a", "b", first=30), SLOWLY, RISES[:2], "reproduced"),
        (claims.rougher(TRAIN, ".", "a", "b"), SHAKY, RISES, "reproduced"),
        (claims.rougher(TRAIN, ".", "a", "b"), RISES, SHAKY, "contradicted"),
        (claims.levels_off(TRAIN, ".", "a", margin=1), RISES, RISES, "reproduced"),
        (claims.levels_off(TRAIN, ".", "a", margin=1), STILL_RISING, RISES, "contradicted"),
        (claims.drops(TRAIN, ".", "a", to=10, margin=5), DROPS, RISES, "reproduced"),
        (claims.drops(TRAIN, ".", "b", to=10, margin=5), DROPS, RISES, "contradicted"),
        (claims.above(TRAIN, ".", "a", "b"), RISES, DROPS, "reproduced"),
        (claims.above(TRAIN, ".", "a", "b"), DROPS, RISES, "contradicted"),
    ],
)
def test_claims_about_training_curves(
    tmp_path: Path, claim: Claim, a: list[float], b: list[float], verdict: str
) -> None:
    found = judged(tmp_path, claim, ANY, {"a": a, "b": b})
    assert found.verdict == verdict, found.numbers


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        ({"a": {"test_accuracy": 97.2}}, "reproduced"),
        ({"a": {"test_accuracy": 90.0}}, "contradicted"),
        ({"a": {"test_accuracy": 97.2, "test_top5": 90.0}}, "contradicted"),
        ({"a": {"test_accuracy": 98.15}}, "undecided"),
        ({}, "undecided"),
    ],
)
def test_claims_about_published_values(
    tmp_path: Path, published: dict[str, dict[str, float]], verdict: str
) -> None:
    found = judged(tmp_path, claims.about_published(".", margin=1), ANY, published=published)
    assert found.verdict == verdict, found.numbers


def test_every_kind_has_a_verdict() -> None:
    assert set(COMPARED) == set(get_args(Kind))


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, claims.above(TEST, ".", "a", "b"), {"a": (0.99,), "b": (0.5,)})
    assert found.verdict == "undecided"
    (comparison,) = found.comparisons
    assert (comparison.n, comparison.mean) == (1, pytest.approx(49.0))
    assert math.isnan(comparison.low)


def test_the_numbers_behind_a_verdict_are_the_paired_differences(tmp_path: Path) -> None:
    found = judged(tmp_path, claims.above(TEST, ".", "a", "b"), {"a": (0.97, 0.98, 0.99), "b": (0.96,) * 3})
    # 1, 2, 3 points: 2 +- 2.484138 (see test_statistics)
    assert str(found.comparisons[0]) == "a − b: 2.00 [−0.48, 4.48] points (n = 3)"


def test_verify_exits_with_3_only_where_a_claim_is_contradicted(study: Study) -> None:
    wider = claims.increasing(TEST, "Wider is better.")
    made_storage(study.folder / "good", {"1": LOW, "2": HIGH}, claims=[wider])
    made_storage(study.folder / "bad", {"1": HIGH, "2": LOW}, claims=[wider])
    good, bad = study("verify", "--storage", "good"), study("verify", "--storage", "bad", "--json")
    assert (good.returncode, bad.returncode) == (0, 3)
    assert "reproduced    width: Wider is better." in good.stdout
    assert "1 reproduced, 0 contradicted" in good.stdout
    (found,) = json.loads(bad.stdout)
    assert found["verdict"] == "contradicted"
    assert found["comparisons"][0]["mean"] == pytest.approx(-2.0)
