"""A difference that the seeds prove may still hang on the choice of the test cases; verdicts say so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from storages import made_result, made_storage

from analysis.claims import verdicts
from analysis.judging import Verdict
from analysis.results import load
from study import Study, StudyError, above, equivalent, function, higher, increasing
from study.declare.claims import Claim
from study.store.cases import Answers, encoded_cases

CASES, SEEDS = 1000, 6


def answers(wrong: np.ndarray, seed: int, flips: int = 5) -> Answers:
    """Right but for the wrong ones and, with each seed, a few others."""
    right = ~wrong
    right[np.random.default_rng(seed).integers(0, CASES, flips)] = False
    return right


def judged(folder: Path, claim: Claim, wrong: Mapping[str, np.ndarray], keep: bool = True) -> Verdict:
    """The verdict where the arms' networks answer these cases wrong."""
    told = {
        arm: [answers(of_arm, 100 * place + seed) for seed in range(SEEDS)]
        for place, (arm, of_arm) in enumerate(wrong.items())
    }
    accuracy = {arm: [float(one.mean()) for one in of_arm] for arm, of_arm in told.items()}
    store = made_storage(folder, accuracy, claims=[claim])
    for arm, of_arm in told.items():
        for seed, one in enumerate(of_arm if keep else []):
            result = {**store.result(f"{arm}-{seed}"), "correct": {"test_accuracy": encoded_cases(one)}}
            store.commit(f"{arm}-{seed}", {"step": [1, 2]}, {**made_result(seed), **result})
    (found,) = verdicts(load(store), "width")
    return found


def first(n: int) -> np.ndarray:
    """The first n cases."""
    return np.arange(CASES) < n


# 90 and 70 wrong: the same ones and 20 more, or others altogether.
SAME = {"a": first(90), "b": first(70)}
OTHERS = {"a": first(90), "b": ~first(CASES - 70)}
BETTER = above("test_accuracy", ".", "b", "a")
ON_ANY = above("test_accuracy", ".", "b", "a", any_test_set=True)


@pytest.mark.parametrize(
    ("claim", "wrong", "verdict", "said"),
    [
        (BETTER, SAME, "reproduced", "stands on another test set"),
        (BETTER, OTHERS, "reproduced", "may not stand on another test set"),
        (ON_ANY, SAME, "reproduced", "stands on another test set"),
        (ON_ANY, OTHERS, "undecided", "may not stand on another test set"),
        (above("test_accuracy", ".", "a", "b"), SAME, "contradicted", "; stands on another test set"),
        (
            increasing("test_accuracy", ".", any_test_set=True),
            {**SAME, "c": first(50)},
            "reproduced",
            "; stands on",
        ),
        (
            increasing("test_accuracy", ".", any_test_set=True),
            {**OTHERS, "c": np.roll(first(70), 500)},
            "undecided",
            "may not",
        ),
        (equivalent("test_accuracy", ".", margin=3), SAME, "reproduced", "; stands on another test set"),
        (equivalent("test_accuracy", ".", margin=3), OTHERS, "reproduced", "may not stand"),
    ],
)
def test_a_verdict_says_whether_it_stands_on_another_test_set(
    tmp_path: Path, claim: Claim, wrong: Mapping[str, np.ndarray], verdict: str, said: str
) -> None:
    found = judged(tmp_path, claim, wrong)
    assert found.verdict == verdict
    assert said in found.numbers
    assert "over its 1,000 test cases" in found.numbers
    assert found.outlook == ""


def test_its_interval_is_that_of_the_differences_by_case(tmp_path: Path) -> None:
    found = judged(tmp_path, BETTER, OTHERS)
    # 160 of 1,000 cases differ by 1 or -1: 2 points with a standard error of 1.26.
    assert "[−0.48, 4.48] over its 1,000 test cases" in found.numbers


def test_results_that_keep_no_cases_decide_nothing_of_any_test_set(tmp_path: Path) -> None:
    found = judged(tmp_path / "asked", ON_ANY, SAME, keep=False)
    assert found.verdict == "undecided"
    assert "which cases were answered right is not stored" in found.numbers
    found = judged(tmp_path / "not_asked", BETTER, SAME, keep=False)
    assert (found.verdict, "test set" in found.numbers) == ("reproduced", False)


def guess(level: float = 0.5) -> dict[str, float]:
    return {"hit_rate": level, "speed": 1.0}


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (above("hit_rate", ".", "b", "a", any_test_set=True), "any_test_set: hit_rate is no share of cases"),
        (above("hit_rate", ".", "b", "a", minus="sped"), "minus: unknown metric 'sped'"),
        (above("hit_rate", ".", "b", "a", minus="speed"), "minus: speed is not in the unit of hit_rate"),
    ],
)
def test_what_a_metric_has_not_can_not_be_asked_of_it(claim: Claim, said: str) -> None:
    training = function(higher("hit_rate", "%"), higher("speed"))(guess)
    with pytest.raises(StudyError, match=said):
        Study(
            title="Guess", training=training, arms={"a": {"level": 0.1}, "b": {"level": 0.2}}, claims=[claim]
        )


@pytest.mark.parametrize("more", [{"first": 5, "any_test_set": True}, {"first": 5, "minus": "test_loss"}])
def test_the_start_of_a_curve_has_no_test_cases(more: dict[str, object]) -> None:
    with pytest.raises(StudyError, match="goes with kinds that compare the values"):
        above("test_accuracy", ".", "b", "a", **more)  # type: ignore[arg-type]


def test_a_metric_may_be_subtracted_from_another(tmp_path: Path) -> None:
    claim = above("best_test_accuracy", "overfits", "b", "a", minus="test_accuracy")
    store = made_storage(tmp_path, {"a": [0.9] * 6, "b": [0.9] * 6}, claims=[claim])
    results = load(store)
    results.trials["best_test_accuracy"] += [0.001 * (i % 6) for i in range(6)] + [
        0.02 + 0.002 * i for i in range(6)
    ]
    (found,) = verdicts(results, "width")
    assert found.verdict == "reproduced"
    assert found.comparisons[0].mean == pytest.approx(2.25)
    assert "minus test accuracy" in found.about
