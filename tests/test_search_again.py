"""Searches that are run again: after damage, with other options, beside other searches; and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Study as Command
from ray import tune
from searching import Picky, bowl, picky, record, suggested, written

import study
from analysis import load
from analysis.importance import importance
from analysis.searching import best_so_far, edges, honest, objectives, of_random, points, title_of
from study import Study, StudyError
from study.store.records import STUDY, Damaged, decoded, encoded


def run(*studies: Any, storage: Path, **more: Any) -> Any:
    return study.run(*studies, storage=storage, in_process=True, progress=False, **more)


def damage(storage: Path, key: str) -> None:
    place = storage / "trials" / key / "result.json"
    place.write_bytes(place.read_bytes()[:-9])


def test_a_search_can_be_started_again_after_a_point_ended_twice(tmp_path: Path) -> None:
    file = bowl(tmp_path)
    run(file, storage=tmp_path / "r", budget=5)
    damage(tmp_path / "r", suggested(tmp_path / "r")[1][1])
    for budget in (7, 9, 9):
        run(file, storage=tmp_path / "r", budget=budget)
    known = suggested(tmp_path / "r")
    assert len(known) == 9
    run(file, storage=tmp_path / "undisturbed", budget=9)
    assert [one[1] for one in known] == [one[1] for one in suggested(tmp_path / "undisturbed")]


def test_points_that_were_stopped_early_are_continued_without_the_scheduler(
    tmp_path: Path, study: Command
) -> None:
    bowl(tmp_path, budget=8)
    words = ("tune", "bowl.py", "--storage", "r", "--max-concurrent", "2")
    assert study(*words, "--scheduler", "asha").returncode == 0
    stopped = {path.parent.name for path in (tmp_path / "r").glob("trials/*/stopped.json")}
    assert stopped
    # Finalists whose seeds are added are not stopped either, though the search is over.
    assert study(*words, "--scheduler", "asha", "--seeds", "4").returncode == 0
    arms = record(tmp_path / "r")["arms"]
    assert {len(arm["candidates"][0]["keys"]) for arm in arms} == {4}
    assert {key for arm in arms for key in arm["candidates"][0]["keys"]} <= written(tmp_path / "r").keys()
    for budget in ("10", "11"):
        done = study(*words, "--budget", budget)
        assert done.returncode == 0, done.stderr
    assert stopped <= written(tmp_path / "r").keys()
    assert not [*(tmp_path / "r").glob("trials/*/stopped.json")]


def test_searches_in_one_run_share_what_they_try(tmp_path: Path) -> None:
    def searching(title: str, **fields: Any) -> Study:
        return picky(title=title, search={"a": tune.randint(0, 4)}, fixed={"b": 1}, **fields)

    wide = picky(title="Wide", search={"a": tune.randint(0, 4), "b": tune.randint(0, 3)}, budget=12)
    plain = Study(title="Plain", training=Picky, arms={"same": {"b": 1}, "other": {"a": 1, "b": 1}})
    run(plain, searching("One"), searching("Other", sampler="random"), wide, storage=tmp_path)
    results = load(tmp_path)
    for name in ("one", "other", "wide"):
        table = points(results, name)
        assert set(table.status) == {"finished"}
        # All that ended was told, whoever trained it, but for what ended last.
        said = {number for one in record(tmp_path, name)["search"]["suggestions"] for number in one["knew"]}
        assert len(said) >= len(table) - 1
    assert record(tmp_path, "one")["arms"][1]["overrides"] == {"a": 3}
    assert len(of_random(results, "one")) == 4


def test_a_damaged_result_of_what_was_found_is_trained_again(tmp_path: Path) -> None:
    file = bowl(tmp_path, budget=4)
    before = run(file, storage=tmp_path / "r")
    damage(tmp_path / "r", record(tmp_path / "r")["arms"][1]["candidates"][0]["keys"][2])
    after = run(file, storage=tmp_path / "r")
    assert after.loss.tolist() == before.loss.tolist()


def test_fresh_trains_everything_again_once(tmp_path: Path) -> None:
    file = bowl(tmp_path, budget=5)
    run(file, storage=tmp_path / "r")
    before = written(tmp_path / "r")
    run(file, storage=tmp_path / "r", fresh=True)
    after = written(tmp_path / "r")
    assert before.keys() == after.keys()
    assert all(before[key] != after[key] for key in before)  # each says when it was begun
    run(file, storage=tmp_path / "r")
    assert written(tmp_path / "r") == after


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_spaces_in_steps_are_searched_to_their_ends_and_reported(tmp_path: Path, sampler: str) -> None:
    class Steps(study.Training):
        class Config(study.Config):
            x: float = 0.5
            n: int = 8

        metrics = (study.lower("told"), study.lower("val"))
        selected_by, version = "val", "1"

        def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
            self.steps, self.at = 1, config.x + config.n / 100 + seed / 10

        def step(self, t: int) -> dict[str, float]:
            return {"told": self.at, "val": self.at}

    space = {"x": tune.quniform(0.0, 1.0, 0.25), "n": tune.qrandint(4, 33, 8)}
    steps = Study(title="Steps", training=Steps, search=space, budget=90, sampler=sampler)
    run(steps, storage=tmp_path)
    tried = {(one["x"], one["n"]) for one, _, _ in suggested(tmp_path, "steps")}
    assert tried == {(x / 4, n) for x in range(5) for n in (8, 16, 24, 32)}
    results = load(tmp_path)
    shares = importance(results, "steps")
    assert next(iter(shares)) == "x"
    assert sum(shares.values()) == pytest.approx(1)
    assert edges(results, "steps") == {"x": "lower", "n": "lower"}
    assert record(tmp_path, "steps")["arms"][1]["overrides"] == {"x": 0.0, "n": 8}


def test_what_depends_on_a_choice_is_called_by_it_and_what_all_have_is_weighed(tmp_path: Path) -> None:
    space = {
        "b": tune.randint(0, 6),
        "a": tune.choice([{"a": tune.randint(0, 3)}, {"a": 3}]),
    }
    run(picky(search=space, budget=30, sampler="random"), storage=tmp_path)
    results = load(tmp_path)
    assert importance(results, "picky").keys() <= {"a", "b"}
    assert importance(results, "picky")
    said = record(tmp_path, "picky")["search"]["space"]
    names = [one["name"] for one in said]
    assert names == ["b", "a", "a=0.a"]
    assert [title_of(said, name) for name in names[:2]] == ["b", "a"]
    assert title_of(said, "a=0.a") == "a, a=0"  # the choice fixes nothing that it could be called by


def test_hyperparameters_that_do_not_fit_the_data_cost_nothing(tmp_path: Path) -> None:
    class Fits(Picky):
        @classmethod
        def misfits(cls, config: Any, folder: Path) -> list[str]:
            return ["too many"] if config.a == 2 else []

    run(picky(training=Fits, search={"a": tune.randint(0, 4)}), storage=tmp_path)
    assert {one["a"] for one, key, _ in suggested(tmp_path, "picky") if key} == {0, 1, 3}


def test_what_was_found_is_trained_until_it_is_decided(tmp_path: Path, study: Command) -> None:
    bowl(tmp_path, budget=8)
    words = ("tune", "bowl.py", "--storage", "r", "--in-process", "--until-decided")
    refused = study(*words, "--max-seeds", "3", "--seeds", "5")
    assert refused.returncode == 2
    assert not (tmp_path / "r").exists()
    done = study(*words, "--max-seeds", "12")
    assert done.returncode == 0, done.stderr
    assert "reproduced" in done.stdout
    seeds = [len(arm["candidates"][0]["keys"]) for arm in record(tmp_path / "r")["arms"]]
    assert max(seeds) <= 12
    again = study(*words, "--max-seeds", "12")
    assert "left out" not in again.stderr
    assert [len(arm["candidates"][0]["keys"]) for arm in record(tmp_path / "r")["arms"]] == seeds


def test_seed_0_never_tells_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="seed 0 searches, and at least one more is needed"):
        run(picky(), storage=tmp_path, seeds=1)
    file = bowl(tmp_path, budget=6)
    frame = run(file, storage=tmp_path / "r", seeds=4)
    results = load(tmp_path / "r")
    trials = results.trials.set_index("key")
    table = honest(results, "bowl", objectives(results, "bowl")[0]).set_index("arm")
    for arm in record(tmp_path / "r")["arms"]:
        values = trials.val_loss[arm["candidates"][0]["keys"]].tolist()
        said = table.loc[arm["label"]]
        assert said.in_search == values[0]
        assert said.with_others == pytest.approx(sum(values[1:]) / 3)
        assert said.n == 3
    best, base = table.loc["best"], table.loc["baseline"]
    assert best.gain_in_search == pytest.approx(best.in_search - base.in_search)
    assert best.gain == pytest.approx(best.with_others - base.with_others)
    assert best.luck == pytest.approx(best.gain_in_search - best.gain)
    assert set(frame.seed) == {1, 2, 3}


def test_the_best_so_far_is_kept_through_what_has_no_score() -> None:
    import numpy as np

    nan = float("nan")
    lower = best_so_far(np.array([nan, 3.0, 4.0, nan, 1.0, 2.0]), -1)
    assert np.array_equal(lower, [nan, 3, 3, 3, 1, 1], equal_nan=True)
    assert best_so_far(np.array([1.0, 3.0, 2.0]), 1).tolist() == [1, 3, 3]
    assert len(best_so_far(np.empty(0), 1)) == 0


def test_a_reference_may_be_what_will_be_found(tmp_path: Path) -> None:
    run(picky(reference="best"), storage=tmp_path)
    assert record(tmp_path, "picky")["reference"] == "best"


def test_a_finished_search_has_nothing_left_in_its_plan(tmp_path: Path, study: Command) -> None:
    bowl(tmp_path, budget=5)
    assert (
        json.loads(study("tune", "bowl.py", "--dry-run", "--json").stdout)["to_train"] == 5 + 2 + 2 * 2
    )  # one of the five is the baseline
    study("tune", "bowl.py", "--in-process")
    assert json.loads(study("plan", "bowl.py", "--json").stdout)["to_train"] == 0
    more = json.loads(study("plan", "bowl.py", "--seeds", "4", "--json").stdout)
    assert {(one["arm"], one["seed"]) for one in more["pending"]} == {
        ("baseline", 3), ("best", 3), ("2nd best", 3),
    }  # fmt: skip


def test_event_files_of_points_and_of_what_was_found_stay(tmp_path: Path) -> None:
    file = bowl(tmp_path, budget=4)
    for _ in range(2):
        run(file, storage=tmp_path / "r", tensorboard=True)
        there = {
            path.parent.parent.name.partition("-")[0]
            for path in (tmp_path / "r/tensorboard/bowl").glob("*/*/events*")
        }
        assert {"baseline", "best", "2nd_best"} <= there
        assert len(there) >= 4


@pytest.mark.parametrize(
    "odd",
    [
        lambda search: search["suggestions"][1].update(knew=[7]),
        lambda search: search["suggestions"][1]["point"].update(lr=9.0),
        lambda search: search["suggestions"][1]["point"].update(other=1.0),
        lambda search: search["space"][0].update(low=-1.0),
        lambda search: search["space"][0].update(choices=[]),
        lambda search: search["space"][1].update(step=0.0),
        lambda search: search.update(objectives=["other"]),
        lambda search: search.update(space=[]),
    ],
)
def test_a_record_that_no_search_wrote_is_damaged(tmp_path: Path, odd: Any) -> None:
    file = bowl(tmp_path, budget=3)
    run(file, storage=tmp_path / "r")
    place = tmp_path / "r/studies/bowl.json"
    found = decoded(place.read_bytes(), STUDY, place)
    odd(found["search"])
    place.write_bytes(encoded(found))
    with pytest.raises(Damaged):
        decoded(place.read_bytes(), STUDY, place)
    assert "bowl" not in load(tmp_path / "r").studies
    run(file, storage=tmp_path / "r")  # which writes it anew
    assert len(suggested(tmp_path / "r")) == 3
