"""Studies trained until they are decided: seeds go where something is undecided, and change no verdict."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Study as Command
from conftest import wait_until
from ray import tune

import study
from analysis import load
from analysis.claims import verdicts
from study import Study, StudyError, above

# Arms: how far each lies from the first, in standard deviations of a seed.
RATES = [0.0, 1.0, 2.0, 30.0]


@study.function(study.higher("score"))
def noisy(at: float = 0.0) -> dict[str, float]:
    # Other noise in each arm: of a seed's equal noise nothing would be left in a difference.
    return {"score": 100 + at + random.Random(f"{random.random()} {at}").gauss(0, 1)}


@study.function(study.higher("score"))
def falls(at: float = 0.0) -> dict[str, float]:
    return {"score": float("nan") if at > 1 else at + random.random()}


def rates(*claims: Any, training: Any = noisy, values: Sequence[float] = RATES, **more: Any) -> Study:
    space = {"at": tune.grid_search(list(values))}
    return Study(title="Rates", training=training, scientific=space, claims=claims, **more)


def run(folder: Path, declared: Study, **more: Any) -> Counter[str]:
    """How many seeds each arm got."""
    study.run(declared, storage=folder, in_process=True, progress=False, **more)
    return seeds_of(folder)


def seeds_of(folder: Path) -> Counter[str]:
    return Counter(load(folder).of("rates").arm)


def judged(folder: Path) -> list[tuple[str, str]]:
    return [(found.verdict, found.numbers) for found in verdicts(load(folder), "rates")]


def test_seeds_go_to_the_arms_of_undecided_claims(tmp_path: Path) -> None:
    easy, hard = above("score", "easy", 30.0, 0.0), above("score", "hard", 2.0, 0.0)
    seeds = run(tmp_path / "first", rates(easy, hard), until_decided=True, max_seeds=25)
    # The easy one takes three seeds, and no claim is about 1.0.
    assert seeds["30.0"] == seeds["1.0"] == 3
    assert 3 < seeds["2.0"] == seeds["0.0"] <= 25
    # The same seeds, run by hand, have the same verdicts.
    run(tmp_path / "by_hand", rates(easy, hard), seeds=seeds["2.0"])
    found, by_hand = judged(tmp_path / "first"), judged(tmp_path / "by_hand")
    assert found[1] == by_hand[1]
    assert [verdict for verdict, _ in found] == ["reproduced", "reproduced"]
    # One seed fewer left it undecided.
    run(tmp_path / "before", rates(easy, hard), seeds=seeds["2.0"] - 1)
    assert judged(tmp_path / "before")[1][0] == "undecided"


def test_without_claims_differences_from_the_reference_are_decided(tmp_path: Path) -> None:
    seeds = run(tmp_path, rates(values=[0.0, 3.0, 30.0]), until_decided=True)
    assert seeds["0.0"] == seeds["3.0"] > 3 == seeds["30.0"]


def test_it_ends_where_all_seeds_are_trained_that_are_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = rates(above("score", "none", 0.001, 0.0), values=[0.0, 0.001])
    study.run(same, storage=tmp_path, in_process=True, until_decided=True, max_seeds=5)
    assert seeds_of(tmp_path) == {"0.0": 5, "0.001": 5}
    assert "0 of 1 claims decided; the rest is not by 5 seeds" in capsys.readouterr().err
    # More may be allowed later, and what was trained before counts.
    assert run(tmp_path, same, until_decided=True, max_seeds=6) == {"0.0": 6, "0.001": 6}


def test_what_no_seed_can_decide_gets_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declared = rates(above("score", "none", 2.0, 0.0), training=falls, values=[0.0, 2.0])
    study.run(declared, storage=tmp_path, in_process=True, until_decided=True)
    assert seeds_of(tmp_path) == {"0.0": 3, "2.0": 3}
    assert "0 of 1 claims decided; the rest can't be by more seeds" in capsys.readouterr().err


def test_stored_seeds_count_and_are_kept(tmp_path: Path) -> None:
    easy = rates(above("score", "easy", 30.0, 0.0), values=[0.0, 30.0])
    assert run(tmp_path, easy, seeds=6) == {"0.0": 6, "30.0": 6}
    before = sorted(tmp_path.glob("trials/*"))
    assert run(tmp_path, easy, until_decided=True) == {"0.0": 6, "30.0": 6}
    assert sorted(tmp_path.glob("trials/*")) == before


def test_a_study_that_goes_on_until_it_is_decided_has_no_plan(tmp_path: Path) -> None:
    planned = rates(above("score", "hard", 2.0, 0.0), seeds=4)
    run(tmp_path, planned, until_decided=True, max_seeds=4)
    assert load(tmp_path).studies["rates"]["planned_seeds"] is None


def test_fewer_seeds_than_before_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, rates(), seeds=4)
    study.run(rates(), seeds=3, storage=tmp_path, in_process=True)
    said = " ".join(capsys.readouterr().err.split())
    assert "rates: was run with 1 seeds more, which stay stored and are left out now" in said
    run(tmp_path, rates(), seeds=4)
    assert "more" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"until_decided": True, "max_seeds": 2}, "at most 2 seeds are allowed, and 3 are the fewest"),
        ({"until_decided": True, "seeds": 9, "max_seeds": 8}, "at most 8 seeds are allowed, and 9"),
        ({"max_seeds": 8}, "goes with until_decided"),
        ({"until_decided": True, "scheduler": "asha"}, "leave the scheduler out"),
    ],
)
def test_requests_that_do_not_go_together_are_refused(
    tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        study.run(rates(), storage=tmp_path / "none", progress=False, **more)
    assert not (tmp_path / "none").exists()


def test_one_arm_without_claims_has_nothing_to_decide(tmp_path: Path) -> None:
    alone = Study(title="Rates", training=noisy, arms={"a": {"at": 1.0}})
    with pytest.raises(StudyError, match="no claims and one arm: there is nothing to decide"):
        study.run(alone, storage=tmp_path, progress=False, until_decided=True)


FILE = """
import random, time
import study
from ray import tune

@study.function(study.higher("score"))
def noisy(at: float = 0.0) -> dict[str, float]:
    time.sleep(0.1)
    return {"score": 100 + at + random.Random(f"{random.random()} {at}").gauss(0, 1)}

STUDY = study.Study(
    title="Rates", training=noisy, scientific={"at": tune.grid_search([0.0, 2.0, 30.0])},
    claims=[study.above("score", "easy", 30.0, 0.0), study.above("score", "hard", 2.0, 0.0)],
)
"""


def test_it_continues_after_a_kill_to_the_same_end(study: Command) -> None:
    (study.folder / "rates.py").write_text(FILE)
    words = ("tune", "rates.py", "--until-decided", "--max-seeds", "6")
    undisturbed = study(*words, "--in-process", "--storage", "undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert "2 claims:" in undisturbed.stdout
    trials = study.folder / "results/trials"
    running = study.begin(*words)
    wait_until(lambda: len(list(trials.glob("*/result.json"))) >= 11, "the second round")
    running.kill()
    running.wait()
    done = study(*words)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (study.folder / "undisturbed/trials").iterdir()}
    assert {path.name for path in trials.iterdir()} >= names
    found = [
        json.loads(study("verify", "--json", "--storage", one).stdout) for one in ("results", "undisturbed")
    ]
    assert [one["verdict"] for one in found[0]] == [one["verdict"] for one in found[1]]
    assert study("report").returncode == 0
    page = (study.folder / "report/report.md").read_text()
    assert "study tune rates.py --until-decided --max-seeds" in page
    again = study(*words)
    assert "0 to train" in again.stderr
    assert "2 of 2 claims decided" in again.stderr or "not by 6 seeds" in again.stderr
