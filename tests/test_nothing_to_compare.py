"""Claims about arms without a number say why there is none: pending, diverged, stopped, never measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from storages import Trial, storage_of

from analysis import load
from analysis.claims import COMPARED, verdicts
from analysis.words import explained
from study.declare import claims
from study.declare.claims import Claim
from study.metric import higher, lower

METRICS = (lower("loss", "nats"), higher("happy", "%", optional=True))
WHOLE: Trial = {"loss": np.linspace(4, 2, 20).tolist(), "happy": [1.0] * 20}
WITHOUT: Trial = {"loss": np.linspace(4, 2, 20).tolist(), "happy": [np.nan] * 20}
DIVERGED: Trial = ("diverged", {"loss": [4.0, 3.0], "happy": [0.0, 0.0]})
OF_LOSS = [
    claims.increasing("loss", "."),
    claims.decreasing("loss", "."),
    claims.above("loss", ".", "a", "b"),
    claims.below("loss", ".", "a", "b"),
    claims.equivalent("loss", ".", margin=0.1),
    claims.either_way("loss", ".", "a", "b"),
    claims.levels_off("loss", ".", "a", margin=0.1),
    claims.about_published(".", "a", margin=0.1),
]
OF_WHAT_HAPPENS = [claims.happens("happy", ".", "a"), claims.drops("loss", ".", "a", to=2.3, margin=0.1)]


def judged(folder: Path, made: list[Claim], a: Trial, b: Trial) -> list[tuple[str, str, str]]:
    """Of each claim its verdict, its numbers, and the words."""
    trials = {"a": [a] * 3, "b": [b] * 3, "c": [a] * 3}
    store = storage_of(folder, METRICS, trials, made, {"a": {"loss": 2.0}})
    return [(one.verdict, one.numbers, explained(one)) for one in verdicts(load(store), "width")]


def test_all_kinds_are_here() -> None:
    assert {claim.kind for claim in (*OF_LOSS, *OF_WHAT_HAPPENS)} == set(COMPARED)


@pytest.mark.parametrize(
    ("trial", "said", "words"),
    [
        (None, ": pending", "Nothing to compare yet."),
        (
            DIVERGED,
            ": a diverged trial has no value here",
            "There is nothing to compare: a diverged trial has",
        ),
        ("stopped", ": stopped early", "There is nothing to compare: stopped early."),
    ],
)
def test_it_says_why_no_seed_has_a_number(tmp_path: Path, trial: Trial, said: str, words: str) -> None:
    for verdict, numbers, explanation in judged(tmp_path, OF_LOSS, trial, trial):
        assert verdict == "undecided"
        assert all(said in part for part in numbers.split("; ")), numbers
        assert explanation.startswith(words)


def test_what_diverged_did_not_happen(tmp_path: Path) -> None:
    for verdict, numbers, _ in judged(tmp_path, OF_WHAT_HAPPENS, DIVERGED, DIVERGED):
        assert "0 % of seeds" in numbers.replace("0.0", "0") or "0 [" in numbers, numbers
        assert verdict != "reproduced"


def test_what_a_finished_trial_lacks_was_not_measured(tmp_path: Path) -> None:
    ((_, numbers, words),) = judged(tmp_path, [claims.above("happy", ".", "a", "b")], WITHOUT, WHOLE)
    assert numbers == "a − b: not measured"
    assert words == "There is nothing to compare: not measured."


def test_what_is_equal_with_every_seed_is_neither_above_nor_below(tmp_path: Path) -> None:
    ((verdict, numbers, _),) = judged(tmp_path, [claims.either_way("loss", ".", "a", "b")], WHOLE, WHOLE)
    assert (verdict, numbers) == ("undecided", "a above b: equal with every seed")


def test_stopped_arms_have_no_curves_to_compare_either(tmp_path: Path) -> None:
    trials: dict[str, list[Trial]] = {"a": [WHOLE, WHOLE, "stopped"], "b": [WHOLE] * 3}
    made = [claims.levels_off("loss", ".", "a", margin=0.1)]
    ((found),) = verdicts(load(storage_of(tmp_path, METRICS, trials, made)), "width")
    assert found.numbers.endswith(": stopped early")


@pytest.mark.parametrize("words", [["verify"], ["report"], ["status"], ["compare", "width", "width"]])
def test_no_library_warns_of_arms_that_diverged(tmp_path: Path, words: list[str]) -> None:
    judged(tmp_path / "results", [*OF_LOSS, *OF_WHAT_HAPPENS], DIVERGED, DIVERGED)
    command = [sys.executable, "-W", "always", "-m", "study", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr
