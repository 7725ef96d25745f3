"""A study may plan its number of seeds; with how many it was run is remembered, for its verdicts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from ray import tune

import study
from analysis import load
from analysis.results import looks_of
from study import Study, StudyError


@study.function(study.lower("loss"))
def noisy(lr: float = 0.1) -> dict[str, float]:
    return {"loss": lr + random.random()}


def planned(seeds: int | None) -> Study:
    rates = {"lr": tune.grid_search([0.1, 5.0])}
    return Study(title="Rates", training=noisy, scientific=rates, seeds=seeds)


def run(folder: Path, declared: Study, seeds: int | None = None) -> int | None:
    """Run it; the number of seeds for which its verdicts are, None for any number of looks."""
    study.run(declared, seeds=seeds, storage=folder, in_process=True, progress=False)
    return looks_of(load(folder).studies["rates"]).planned


def test_a_study_is_run_with_the_seeds_that_it_plans(tmp_path: Path) -> None:
    assert run(tmp_path, planned(4)) == 4
    assert len(load(tmp_path).of("rates")) == 8
    # The same again, or after a stop, is no other look.
    assert run(tmp_path, planned(4)) == 4
    # More seeds are, and so it stays with fewer again.
    assert run(tmp_path, planned(4), seeds=5) is None
    assert run(tmp_path, planned(4)) is None


def test_a_plan_that_was_made_after_a_look_is_none(tmp_path: Path) -> None:
    assert run(tmp_path, planned(None)) is None
    assert len(load(tmp_path).of("rates")) == 6
    assert run(tmp_path, planned(3)) is None
    assert run(tmp_path, planned(5)) is None
    assert run(tmp_path / "lowered", planned(5)) == 5
    assert run(tmp_path / "lowered", planned(3)) is None


def test_a_study_of_other_trials_is_another_one(tmp_path: Path) -> None:
    assert run(tmp_path, planned(2), seeds=4) is None
    other = Study(title="Rates", training=noisy, arms={"a": {"lr": 3.0}}, seeds=2)
    assert run(tmp_path, other) == 2


@pytest.mark.parametrize("seeds", [0, -1, 10_001, "many"])
def test_no_such_number_of_seeds_is_planned(seeds: Any) -> None:
    with pytest.raises(StudyError, match="seeds"):
        planned(seeds)
