"""A storage that study 0.1 wrote (tests/format1): its trials count, its figures are shown, its halves continue."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import Study

HERE = Path(__file__).parent / "format1"
# The one trial of which study 0.1 had trained 30 of 46 steps.
HALF = "9aa67d75111379b74b9808d2ea9dffc1"
# The numbers of `study verify` of study 0.1; of roughness and the end it looked at the last epoch alone. It took two
# seeds for enough to decide three of these claims.
NUMBERS = {
    "Wider is better.": [14.72],
    "One class.": [50.0],
    "It drops.": [0.0],
    "Slower.": [1.02],
    "As published.": [-77.08, -67.86, -32.47],
    "Best.": [14.72],
}


@pytest.fixture
def before(study: Study) -> Study:
    """A copy of the storage, as ./results."""
    shutil.copytree(HERE, study.folder, dirs_exist_ok=True)
    return study


def test_its_trials_count_and_none_is_trained_again(before: Study) -> None:
    plan = json.loads(before("plan", "tiny_width.py", "--seeds", "3", "--json").stdout)
    assert (plan["already_stored"], plan["to_continue"], plan["to_train"]) == (4, 1, 2)
    stored = {path: path.read_bytes() for path in before.folder.glob("results/trials/*/result.json")}
    done = before("tune", "tiny_width.py", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert "4 stored, 0 to train" in done.stderr
    assert "27.64 ± 26.47" in done.stdout
    assert {path: path.read_bytes() for path in stored} == stored


def test_its_studies_are_judged_by_the_rules_of_today_with_the_numbers_that_they_had(before: Study) -> None:
    """Before any run of today: the record of the study is of format 1 too."""
    found = json.loads(before("verify", "--json").stdout)
    numbers = {one["sentence"]: [compared["mean"] for compared in one["comparisons"]] for one in found}
    for sentence, means in NUMBERS.items():
        assert numbers[sentence] == pytest.approx(means, abs=0.006)
    assert {one["verdict"] for one in found} == {"undecided"}
    assert before("report", "--out", "report").returncode == 0
    assert "Tiny Width" in (before.folder / "report/index.html").read_text()


def test_a_trial_that_it_had_half_trained_continues_there(before: Study) -> None:
    done = before("tune", "tiny_width.py", "--seeds", "3", "--in-process")
    assert done.returncode == 0, done.stderr
    assert "continues at step 30" in done.stderr
    trial = before.folder / "results/trials" / HALF
    curve = pq.read_table(trial / "curve.parquet").to_pydict()
    assert curve["step"] == list(range(1, 47))
    # Its first steps are those of 0.1, whatever machine goes on with them.
    assert curve["train_loss"][:3] == pytest.approx([2.3204, 2.2995, 2.3000], abs=2e-4)
    assert [
        step for step, value in zip(curve["step"], curve["test_accuracy"], strict=True) if value is not None
    ] == [
        23,
        46,
    ]
    assert json.loads((trial / "result.json").read_text())["format"] == 2
