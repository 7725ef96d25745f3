"""A plan trains each distinct config once, and none that the store has."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray import tune

from study import Study, StudyError
from study.plan import make_plan
from study.store.trial_store import TrialStore

WIDTH = Study(title="W", scientific={"width": tune.grid_search([2, 4])}, fixed={"dataset": "digits"}).called(
    "w"
)
RATE = Study(title="R", scientific={"lr": tune.grid_search([0.1, 0.2])},
             fixed={"dataset": "digits", "width": 2}).called("r")  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> TrialStore:
    return TrialStore(tmp_path)


def test_a_config_that_two_studies_share_is_one_trial(store: TrialStore) -> None:
    plan = make_plan([WIDTH, RATE], 3, store, Path())
    assert plan.occurrences == 12
    assert len(plan.trials) == 9  # width 2 at lr 0.1 is an arm of both, with three seeds


def test_what_is_stored_is_not_pending(store: TrialStore) -> None:
    first = next(iter(make_plan([WIDTH], 1, store, Path()).trials))
    store.commit(first, {"step": [1]}, {"config": {}, "metrics": {}})
    plan = make_plan([WIDTH], 2, store, Path())
    assert plan.stored == {first}
    assert first not in {trial.key for trial in plan.pending}
    assert len(plan.pending) == 3
    assert len(make_plan([WIDTH], 2, store, Path(), fresh=True).pending) == 4


def test_the_key_depends_on_config_seed_and_data(store: TrialStore) -> None:
    plan = make_plan([WIDTH], 2, store, Path())
    other = make_plan([WIDTH], 2, store, Path(), {"lr": 0.3})
    assert len(plan.trials) == 4
    assert not plan.trials.keys() & other.trials.keys()


def test_planning_writes_nothing(store: TrialStore, tmp_path: Path) -> None:
    make_plan([WIDTH, RATE], 3, store, Path())
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_all_studies_are_said_together(store: TrialStore) -> None:
    with pytest.raises(StudyError) as error:
        make_plan([WIDTH, RATE], 1, store, Path(), {"width": 3, "lr": 0.5})
    assert "w: width is what its arms set" in str(error.value)
    assert "r: lr is what its arms set" in str(error.value)


def test_no_seeds_and_equal_names_are_refused(store: TrialStore) -> None:
    with pytest.raises(StudyError, match="seeds = 0"):
        make_plan([WIDTH], 0, store, Path())
    with pytest.raises(StudyError, match="Two studies are called 'w'"):
        make_plan([WIDTH, RATE.called("w")], 1, store, Path())
