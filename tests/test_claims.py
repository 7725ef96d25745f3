"""Verdicts rest on intervals over seeds: each kind of claim is reproduced, contradicted or undecided."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from conftest import Study
from storages import ONE_CLASS, Accuracy, made_storage

from analysis import load
from analysis.claims import COMPARED, verdicts
from analysis.judging import Verdict
from analysis.series import Values
from analysis.words import KINDS, explained
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
ANY = {"a": HIGH * 2, "b": HIGH * 2}
TEST, TRAIN = "test_accuracy", "train_accuracy"
COLLAPSED = [ONE_CLASS]
EVERY = claims.happens("one_class", ".", "a", runs="every")


def with_seeds(curve: Sequence[float], place: int = 0) -> list[list[float]]:
    """The curve with six seeds, a little apart, and in each arm by another bit."""
    apart = 0.001 + 0.0001 * place
    return [[value + apart * seed * (i % 3) for i, value in enumerate(curve)] for seed in range(6)]


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
        (claims.increasing(TEST, "."), {"a": LOW, "b": HIGH, "c": MIDDLE}, "reproduced"),
        (claims.increasing(TEST, "."), {"a": LOW, "b": UNSURE, "c": HIGH}, "reproduced"),
        (claims.increasing(TEST, "."), {"a": LOW, "b": HIGH, "c": UNSURE}, "undecided"),
        (claims.increasing(TEST, ".", each_step=True), {"a": LOW, "b": MIDDLE, "c": HIGH}, "reproduced"),
        (claims.increasing(TEST, ".", each_step=True), {"a": LOW, "b": HIGH, "c": MIDDLE}, "contradicted"),
        (claims.increasing(TEST, ".", each_step=True), {"a": LOW, "b": UNSURE, "c": HIGH}, "undecided"),
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
        (claims.happens("one_class", ".", "a"), {"a": COLLAPSED * 6, "b": HIGH * 2}, "reproduced"),
        (claims.happens("one_class", ".", "b"), {"a": COLLAPSED * 6, "b": HIGH * 2}, "contradicted"),
        (claims.happens("one_class", ".", "a"), {"a": COLLAPSED * 5, "b": HIGH}, "undecided"),
        (claims.happens("one_class", ".", "a"), {"a": [*COLLAPSED * 3, *HIGH], "b": HIGH * 2}, "undecided"),
        # In every run: one that differs decides it.
        (EVERY, {"a": [*COLLAPSED * 19, 0.1136], "b": HIGH}, "contradicted"),
        (EVERY, {"a": [*COLLAPSED * 19, "diverged"], "b": HIGH}, "contradicted"),
        (EVERY, {"a": COLLAPSED * 20, "b": HIGH}, "reproduced"),
        (EVERY, {"a": COLLAPSED * 12, "b": HIGH}, "undecided"),
        (claims.happens("one_class", ".", "a"), {"a": [*COLLAPSED * 19, 0.1136], "b": HIGH}, "reproduced"),
    ],
)
def test_claims_about_test_accuracy(
    tmp_path: Path, claim: Claim, accuracy: dict[str, Sequence[Accuracy]], verdict: str
) -> None:
    found = judged(tmp_path, claim, accuracy)
    assert found.verdict == verdict, found.numbers


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ((0.97, 0.95), (0.96, 0.96), "reproduced"),  # a seed for either
        ((0.97,) * 12, (0.96,) * 12, "undecided"),
        ((0.97,) * 13, (0.96,) * 13, "contradicted"),  # three quarters of all runs are sure to be so
        ((0.96,) * 13, (0.97,) * 13, "contradicted"),
        ((0.97,) * 13, (*(0.96,) * 12, 0.97), "undecided"),  # a tie is for neither
        ((0.97,) * 13, (*(0.96,) * 12, 0.98), "reproduced"),
        ((0.97,) * 3, (0.96, 0.96, "diverged"), "undecided"),
    ],
)
def test_either_arm_may_be_the_better_one(
    tmp_path: Path, a: Sequence[Accuracy], b: Sequence[Accuracy], verdict: str
) -> None:
    found = judged(tmp_path, claims.either_way(TEST, ".", "a", "b"), {"a": a, "b": b})
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


def minibatches(seed: int, batch: int, accuracy: Callable[[Values], Values]) -> list[float]:
    """Accuracies of the minibatches of an epoch of 60,000 images: what is right of so many, at an accuracy by time."""
    steps = 60_000 // batch
    share = accuracy(np.arange(steps) / steps)
    return list(np.random.default_rng([seed, batch]).binomial(batch, share) / batch)


def test_the_noise_of_a_small_batch_is_no_instability(tmp_path: Path) -> None:
    batches = {"32": 32, "128": 128, "512": 512}
    wrong = 0
    for study in range(20):
        curves = {
            arm: [
                minibatches(100 * study + seed, batch, lambda t: 0.97 - 0.3 * np.exp(-8 * t))
                for seed in range(5)
            ]
            for arm, batch in batches.items()
        }
        claim = claims.rougher(TRAIN, ".", "32", "128", "512")
        store = made_storage(tmp_path / str(study), dict.fromkeys(batches, [0.97] * 5), curves, [claim])
        wrong += verdicts(load(store), "width")[0].verdict == "reproduced"
    # By changes from step to step it was so in all of them.
    assert wrong <= 3


def test_a_network_that_still_learns_has_not_levelled_off(tmp_path: Path) -> None:
    """With twice the training came 5 points more, though the last tenth is but half a point above the one before."""
    curves = {"a": [minibatches(seed, 128, lambda t: 0.9 + 0.05 * t) for seed in range(10)]}
    claim = claims.levels_off(TRAIN, ".", margin=1)
    store = made_storage(tmp_path, {"a": [0.97] * 10}, curves, [claim])
    (found,) = verdicts(load(store), "width")
    assert found.verdict == "contradicted"
    assert found.comparisons[0].mean == pytest.approx(5, abs=2)


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        ({"a": {"test_accuracy": 97.2}}, "reproduced"),
        ({"a": {"test_accuracy": 90.0}}, "contradicted"),
        ({"a": {"test_accuracy": 97.2, "test_top5": 90.0}}, "undecided"),
        ({"a": {"test_accuracy": 98.15}}, "contradicted"),
        ({}, "undecided"),
    ],
)
def test_claims_about_published_values(
    tmp_path: Path, published: dict[str, dict[str, float]], verdict: str
) -> None:
    found = judged(tmp_path, claims.about_published(".", margin=1), ANY, published=published)
    assert found.verdict == verdict, found.numbers


def test_a_value_that_few_of_ours_reach_since_the_others_diverge_is_not_reproduced(tmp_path: Path) -> None:
    ours = {"a": [*["diverged"] * 17, 0.970, 0.971, 0.972]}
    found = judged(
        tmp_path, claims.about_published(".", margin=1), ours, published={"a": {"test_accuracy": 97.1}}
    )
    assert found.verdict != "reproduced"
    assert "17 of 20 diverged" in found.numbers
    # A single one is noticed, and the others are what ours are like.
    ours = {"a": ["diverged", *[0.969, 0.970, 0.971, 0.972, 0.973] * 2]}
    found = judged(
        tmp_path / "one",
        claims.about_published(".", margin=1),
        ours,
        published={"a": {"test_accuracy": 97.1}},
    )
    assert found.verdict == "reproduced", found.numbers
    assert "1 of 11 diverged" in found.numbers


def test_every_kind_has_a_verdict() -> None:
    assert set(COMPARED) == set(KINDS) == set(get_args(Kind))


@pytest.mark.parametrize(
    ("claim", "a", "b", "said"),
    [
        (claims.above(TEST, ".", "a", "b", margin=0.5), HIGH, LOW, "lies above 0.50 points."),
        (claims.above(TEST, ".", "a", "b"), LOW, HIGH, "lies below 0."),
        (claims.equivalent(TEST, ".", margin=1), HIGH, LOW, "lies outside ±1.00 points."),
        (claims.equivalent(TEST, ".", margin=5), HIGH, LOW, "lies within ±5.00 points."),
        (claims.happens("one_class", ".", "a"), COLLAPSED * 6, HIGH * 2, "lies above one half."),
        (EVERY, [*COLLAPSED * 2, 0.9], HIGH, "a run is without."),
        (
            claims.increasing(TEST, ".", "a", "b"),
            LOW,
            HIGH,
            "arms trained with the same seed; the interval lies above 0.",
        ),
        (claims.above(TEST, ".", "a", "b"), (0.9,), (0.8,), "one seed says nothing of others."),
        (claims.above(TEST, ".", "a", "b"), (None,), (None,), "Nothing to compare yet."),
    ],
)
def test_a_verdict_is_explained_in_words(
    tmp_path: Path, claim: Claim, a: Sequence[Accuracy], b: Sequence[Accuracy], said: str
) -> None:
    assert explained(judged(tmp_path, claim, {"a": a, "b": b})).endswith(said)


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
    # Its spread may be a third of that of the seeds, or three times as large.
    assert found.outlook == "would be decided with about 4 to 30 seeds, were the numbers to stay as they are"
    assert explained(found) == (
        "Compared is the difference between two arms trained with the same seed; the interval reaches to both sides "
        "of 0. It would be decided with about 4 to 30 seeds, were the numbers to stay as they are."
    )


def test_a_study_with_another_number_of_seeds_than_planned_is_judged_as_looked_at_often(
    tmp_path: Path,
) -> None:
    claim = claims.above(TEST, ".", "a", "b")
    stores = [
        made_storage(
            tmp_path / str(place), {"a": HIGH, "b": (0.9675, 0.9665, 0.9685)}, claims=[claim], **plan
        )
        for place, plan in enumerate(
            [
                {},
                {"planned_seeds": None},
                {"looked_at": [1, 3]},
                {"planned_seeds": 5, "looked_at": [3, 5]},
                {"planned_seeds": 5, "looked_at": [5]},
            ]
        )
    ]
    found = [verdicts(load(store), "width")[0] for store in stores]
    assert [one.verdict for one in found] == ["reproduced", *["undecided"] * 4]
    assert "5 seeds were planned" in found[-1].numbers


def test_a_trend_tells_the_steps_that_go_the_other_way(tmp_path: Path) -> None:
    found = judged(tmp_path, claims.increasing(TEST, "."), {"a": LOW, "b": HIGH, "c": MIDDLE})
    assert [one.what for one in found.beside] == ["b − a", "c − b"]
    assert [one.note for one in found.beside] == ["", "goes the other way"]
    steps = judged(tmp_path / "steps", claims.increasing(TEST, ".", each_step=True), {"a": LOW, "b": MIDDLE})
    assert [one.what for one in steps.comparisons] == ["b − a"]


def test_the_slope_over_four_arms_is_the_least_squares_line_of_each_seed(tmp_path: Path) -> None:
    arms = {
        "a": (0.90, 0.91, 0.90),
        "b": (0.92, 0.91, 0.93),
        "c": (0.93, 0.95, 0.94),
        "d": (0.97, 0.95, 0.96),
    }
    found = judged(tmp_path, claims.increasing(TEST, "."), arms)
    slopes = np.polyfit(range(4), 100 * np.array(list(arms.values())), 1)[0]
    (slope,) = found.comparisons
    assert slope.mean == pytest.approx(slopes.mean())
    assert slope.unit == "points a step"


def test_a_rise_that_no_single_step_shows_is_one_of_the_slope(tmp_path: Path) -> None:
    """Steps of 0.3 points with a standard deviation of 0.38, as of a network's width: the report's own size."""
    drawn = np.random.default_rng(0).normal(0, 0.0038, size=(8, 4, 10)) + 0.95
    rising = drawn + 0.003 * np.arange(4)[:, None]
    decided = {"slope": 0, "steps": 0}
    for place, study in enumerate(rising):
        arms = {str(arm): tuple(map(float, study[arm])) for arm in range(4)}
        for name, each in (("slope", False), ("steps", True)):
            claim = claims.increasing(TEST, ".", each_step=each)
            decided[name] += judged(tmp_path / f"{place}{name}", claim, arms).verdict == "reproduced"
    assert decided["slope"] == 8
    assert decided["steps"] < 4


def test_where_most_seeds_diverged_the_others_reproduce_nothing(tmp_path: Path) -> None:
    arms = {"a": (*["diverged"] * 17, 0.970, 0.971, 0.972), "b": (0.97, 0.971, 0.9705, *[0.97] * 17)}
    near = judged(tmp_path, claims.about_published("."), arms, published={"a": {"test_accuracy": 97.0}})
    assert near.verdict != "reproduced", near.numbers
    same = judged(tmp_path / "same", claims.equivalent(TEST, ".", margin=1), arms)
    assert same.verdict != "reproduced", same.numbers


def test_a_published_value_is_one_run_not_a_mean(tmp_path: Path) -> None:
    """Of 20 seeds with a standard deviation of 1 point, a value 1.5 points off the mean is one of ours."""
    drawn = tuple(map(float, np.random.default_rng(1).normal(0.95, 0.01, size=20)))
    for published, verdict in ((96.2, "reproduced"), (93.8, "reproduced"), (99.5, "contradicted")):
        claim, values = claims.about_published(".", margin=1), {"a": {"test_accuracy": published}}
        found = judged(tmp_path / str(published), claim, {"a": drawn}, published=values)
        assert found.verdict == verdict, found.numbers
        assert "our mean is not within 1.00 points" in found.numbers


def test_a_seed_that_fell_is_named_and_the_others_are_compared_by_their_order(tmp_path: Path) -> None:
    steady = np.random.default_rng(2).normal(0.98, 0.001, size=12)
    fell = steady - 0.01
    fell[5] = 0.85
    arms = {"a": tuple(map(float, steady)), "b": tuple(map(float, fell))}
    found = judged(tmp_path, claims.above(TEST, ".", "a", "b", margin=0.5), arms)
    assert "seed 5 lies far from the others" in found.numbers
    assert found.verdict == "reproduced"


def test_a_tie_of_counts_is_no_difference(tmp_path: Path) -> None:
    # 10 images of 10,000 each time: as floats the two differences are not the same.
    arms = {"a": (0.95, 0.9501), "b": (0.949, 0.9491)}
    assert len({a - b for a, b in zip(*arms.values(), strict=True)}) == 2
    for claim in (
        claims.above(TEST, ".", "a", "b"),
        claims.below(TEST, ".", "a", "b"),
        claims.increasing(TEST, "."),
        claims.equivalent(TEST, ".", margin=0.05),
        claims.equivalent(TEST, ".", margin=0.5),
    ):
        assert judged(tmp_path / f"{claim.kind}{claim.margin}", claim, arms).verdict == "undecided"


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
