"""Studies that search: what is suggested survives every kill, and what was found is told by other seeds."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Study as Command
from conftest import wait_until
from ray import tune
from searching import Picky, bowl, picky, record, suggested, written

import study
from analysis import load
from study import Study, StudyError


def test_a_search_keeps_to_its_budget_and_the_best_are_trained_with_other_seeds(tmp_path: Path) -> None:
    loaded = bowl(tmp_path)
    frame = study.run(loaded, storage=tmp_path / "r", in_process=True, progress=False)
    found, results = record(tmp_path / "r"), load(tmp_path / "r")
    suggestions = found["search"]["suggestions"]
    assert len({one["key"] for one in suggestions}) == 14
    assert suggestions[0]["values"] == {"lr": 0.1, "width": 8}  # the baseline
    # The best by the search's own scores, without the baseline.
    trials = results.trials.set_index("key")
    scores = {one["key"]: trials.val_loss[one["key"]] for one in suggestions[1:]}
    best = sorted(scores, key=lambda key: scores[key])[:2]
    assert [arm["label"] for arm in found["arms"]] == ["baseline", "best", "2nd best"]
    assert [arm["candidates"][0]["keys"][0] for arm in found["arms"]] == [suggestions[0]["key"], *best]
    # What is told of them is told by other seeds than the search's.
    assert sorted(set(frame.seed)) == [1, 2]
    assert set(frame.key).isdisjoint(one["key"] for one in suggestions)
    assert "best" in found["search"]["best"]


def test_killed_again_and_again_it_suggests_what_it_would_have(tmp_path: Path, study: Command) -> None:
    bowl(tmp_path, pause=0.005)
    study("tune", "bowl.py", "--in-process", "--storage", "undisturbed")
    whole = suggested(tmp_path / "undisturbed")
    generator = random.Random(0)
    kills = 0
    for begun in (1, 5, 9, 13):
        process = study.begin("tune", "bowl.py", "--in-process", "--storage", "killed")
        there = tmp_path / "killed/studies/bowl.json"

        def has_begun(process: Any = process, there: Path = there, begun: int = begun) -> bool:
            known = len(suggested(tmp_path / "killed")) if there.exists() else 0
            return known >= begun or process.poll() is not None

        wait_until(has_begun, "a suggestion")
        time.sleep(generator.random() / 20)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        known = suggested(tmp_path / "killed")
        assert known == whole[: len(known)]
    last = study("tune", "bowl.py", "--in-process", "--storage", "killed")
    assert last.returncode == 0, last.stderr
    assert kills >= 2
    assert suggested(tmp_path / "killed") == whole
    assert record(tmp_path / "killed")["arms"] == record(tmp_path / "undisturbed")["arms"]
    ours, theirs = (load(tmp_path / name).trials for name in ("killed", "undisturbed"))
    assert ours.key.tolist() == theirs.key.tolist()
    assert ours.val_loss.tolist() == theirs.val_loss.tolist()


def test_two_at_once_through_ray_nothing_is_lost_or_trained_twice(tmp_path: Path, study: Command) -> None:
    bowl(tmp_path, pause=0.01, widest=36)
    command = ("tune", "bowl.py", "--storage", "r", "--cpus-per-trial", "1", "--max-concurrent", "2")
    process = study.begin(*command)
    wait_until(lambda: len(written(tmp_path / "r")) >= 4 or process.poll() is not None, "four results")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    known, results = suggested(tmp_path / "r"), written(tmp_path / "r")
    assert 4 <= len(known) < 14
    done = study(*command)
    after = suggested(tmp_path / "r")
    assert after[: len(known)] == known
    assert results.items() <= written(tmp_path / "r").items()
    # Points that can't be trained are told as such, and the others go on.
    failed = [values for values, key, _ in after if key not in written(tmp_path / "r")]
    assert all(values["width"] > 36 for values in failed)
    assert done.returncode == (1 if failed else 0), done.stderr
    assert len({key for _, key, _ in after}) == 14
    assert [arm["label"] for arm in record(tmp_path / "r")["arms"]] == ["baseline", "best", "2nd best"]
    # In a second run all is known.
    again = study(*command)
    assert suggested(tmp_path / "r") == after
    assert "3 stored, 0 to train, " + f"{len(failed)} to be searched" in again.stderr
    assert again.returncode == done.returncode


def test_a_search_with_early_stopping_goes_on_and_trains_the_best_to_their_ends(
    tmp_path: Path, study: Command
) -> None:
    bowl(tmp_path, budget=10)
    command = ("tune", "bowl.py", "--storage", "r", "--scheduler", "asha", "--max-concurrent", "2")
    done = study(*command)
    assert done.returncode == 0, done.stderr
    stopped = {path.parent.name for path in (tmp_path / "r").glob("trials/*/stopped.json")}
    searched = [key for _, key, _ in suggested(tmp_path / "r")]
    assert stopped
    assert stopped <= set(searched)
    assert len(set(searched)) == 10
    arms = record(tmp_path / "r")["arms"]
    assert len(arms) == 3
    assert {key for arm in arms for key in arm["candidates"][0]["keys"]} <= written(tmp_path / "r").keys()
    again = study(*command)
    assert [key for _, key, _ in suggested(tmp_path / "r")] == searched, again.stderr


def test_a_larger_budget_goes_on_and_a_smaller_one_forgets_nothing(tmp_path: Path) -> None:
    loaded = bowl(tmp_path)

    def run(budget: int) -> list[str]:
        study.run(loaded, storage=tmp_path / "r", budget=budget, in_process=True, progress=False)
        return [key for _, key, _ in suggested(tmp_path / "r")]

    few = run(5)
    many = run(12)
    results = written(tmp_path / "r")
    assert many[: len(few)] == few
    assert len(set(many)) == 12
    assert run(5) == many
    assert record(tmp_path / "r")["search"]["budget"] == 5
    assert run(12) == many
    assert results.items() <= written(tmp_path / "r").items()


def test_what_the_storage_knows_is_not_trained_again(tmp_path: Path) -> None:
    loaded = bowl(tmp_path)
    study.run(loaded, storage=tmp_path / "r", in_process=True, progress=False)
    known, results = suggested(tmp_path / "r"), written(tmp_path / "r")
    (tmp_path / "r/studies/bowl.json").unlink()
    study.run(loaded, storage=tmp_path / "r", in_process=True, progress=False)
    assert [one[:2] for one in suggested(tmp_path / "r")] == [one[:2] for one in known]
    assert written(tmp_path / "r") == results


def test_a_damaged_result_is_trained_again_and_the_search_stays_as_it_was(tmp_path: Path) -> None:
    loaded = bowl(tmp_path)
    study.run(loaded, storage=tmp_path / "r", in_process=True, progress=False)
    known, before = suggested(tmp_path / "r"), load(tmp_path / "r").trials
    place = tmp_path / "r/trials" / known[6][1] / "result.json"
    place.write_bytes(place.read_bytes()[:-9])
    study.run(loaded, storage=tmp_path / "r", in_process=True, progress=False)
    assert [one[:2] for one in suggested(tmp_path / "r")] == [one[:2] for one in known]
    assert load(tmp_path / "r").trials.val_loss.tolist() == before.val_loss.tolist()


def test_another_space_is_another_search(tmp_path: Path) -> None:
    loaded = bowl(tmp_path, budget=4)
    study.run(loaded, storage=tmp_path / "r", in_process=True, progress=False)
    first = record(tmp_path / "r")["search"]
    study.run(loaded, storage=tmp_path / "r", sampler="random", in_process=True, progress=False)
    other = record(tmp_path / "r")["search"]
    assert other["identity"] != first["identity"]
    assert other["suggestions"][1] != first["suggestions"][1]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_small_space_is_searched_to_its_end_without_what_cannot_be(tmp_path: Path, sampler: str) -> None:
    study.run(picky(sampler=sampler), storage=tmp_path, in_process=True, progress=False)
    tried = {(one[0]["a"], one[0]["b"]) for one in suggested(tmp_path, "picky") if one[1]}
    every = {(a, b) for a in range(6) for b in range(3) if a + b != 5}
    assert tried == every
    best = record(tmp_path, "picky")["arms"][1]["overrides"]
    assert best == {"a": 3, "b": 0}


def test_of_several_objectives_the_arms_are_points_that_no_other_beats(tmp_path: Path) -> None:
    class Two(study.Training):
        class Config(study.Config):
            x: float = 0.5
            y: float = 0.9

        metrics = (study.lower("told"), study.lower("time"), study.higher("quality"))
        version = "1"

        def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
            self.steps, self.config = 1, config

        def step(self, t: int) -> dict[str, float]:
            x, y = self.config.x, self.config.y
            return {"told": x, "time": x + y, "quality": x - y}

    space = {"x": tune.uniform(0, 1), "y": tune.uniform(0, 1)}
    two = Study(
        title="Two", training=Two, search=space, budget=30, objective=("time", "quality"), sampler="nsga2"
    )
    study.run(two, storage=tmp_path, in_process=True, progress=False)
    trials = load(tmp_path).trials.set_index("key")
    keys = {key for _, key, _ in suggested(tmp_path, "two")}
    arms = record(tmp_path, "two")["arms"][1:]
    assert len(arms) == 3
    for arm in arms:
        ours = trials.loc[arm["candidates"][0]["keys"][0]]
        assert not any(trials.time[key] < ours.time and trials.quality[key] > ours.quality for key in keys)
    assert record(tmp_path, "two")["search"]["best"] == ""  # there is no one best


def test_where_every_point_diverges_it_is_said_and_nothing_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hopeless = picky(search={"a": tune.randint(4, 6), "b": tune.randint(1, 3)}, fixed={})
    study.run(hopeless, storage=tmp_path, in_process=True)
    said = capsys.readouterr().err
    assert [arm["label"] for arm in record(tmp_path, "picky")["arms"]] == ["baseline"]
    # The baseline lies outside of the space, and is trained beside it.
    assert "no point that was tried has a score: all failed, diverged or were stopped early" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"budget": None}, "search: give budget="),
        ({"budget": 0}, "budget"),
        ({"sampler": "tpee"}, "sampler = 'tpee': there are .* did you mean 'tpe'"),
        (
            {"objective": "score"},
            "objective = 'score': needed is a metric that is not the reported one: val_score",
        ),
        ({"objective": "val_scor"}, "objective = 'val_scor': needed is a metric .* did you mean 'val_score'"),
        ({"objective": ("val_score", "val_score")}, "objective: a metric is given twice"),
        ({"search": {"a": tune.choice([3])}}, "search: the space has one point only"),
        ({"search": {"c": tune.randint(0, 3)}}, "search: unknown hyperparameter 'c'"),
        ({"search": {"seed": tune.randint(0, 3)}}, "search: seed is no hyperparameter"),
        ({"search": {"a": tune.uniform(0.1, 0.9)}}, "search: a = "),
        ({"search": {"a": 3}}, "search: the space has one point only"),
        ({"start": [{"a": 9, "b": 1}]}, r"start: a = 9 is not in \[0, 5\]"),
        ({"start": [{"a": 1}]}, "start: b is missing"),
        ({"start": [{"d": 1}]}, "start: unknown hyperparameter 'd'"),
        ({"fixed": {"a": 1}}, "fixed: a is what search varies"),
        ({"arms": {"x": {"a": 1}}}, "give either scientific"),
        ({"finalists": 0}, "finalists"),
        ({"reference": "bset"}, "reference: no arm 'bset'; did you mean 'best'"),
        (
            {"search": {"a": tune.choice([{"a": 1, "b": tune.randint(0, 3)}, 2])}, "sampler": "cmaes"},
            "sampler = 'cmaes': can't search where some hyperparameters depend on others; tpe, nsga2, random can",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_trained(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        picky(**fields)


def test_words_of_a_search_are_for_studies_that_search(tmp_path: Path) -> None:
    plain = Study(title="Plain", training=Picky, arms={"x": {}})
    with pytest.raises(StudyError, match="plain does not search, for which --budget would be"):
        study.run(plain, budget=3, storage=tmp_path)
    with pytest.raises(StudyError, match="budget goes with search"):
        Study(title="Plain", training=Picky, arms={"x": {}}, budget=3)
    with pytest.raises(StudyError, match=r"sampler = 'cma': there are .* did you mean 'cmaes'"):
        study.run(picky(), sampler="cma", storage=tmp_path)
    with pytest.raises(StudyError, match="a is what its arms set"):
        study.run(picky(), overrides={"a": 1}, storage=tmp_path, in_process=True)
    assert not list(tmp_path.iterdir())


def test_the_plan_foresees_what_is_not_suggested_yet(tmp_path: Path, study: Command) -> None:
    bowl(tmp_path)
    plan = json.loads(study("plan", "bowl.py", "--json").stdout)
    assert {arm["arm"]: arm["to train"] for arm in plan["arms_of"]} == {
        "baseline": 3, "search": 14, "best": 2, "2nd best": 2,
    }  # fmt: skip
    assert plan["to_train"] == 20  # the baseline is the first of the search
    study("tune", "bowl.py", "--in-process", "--storage", "results")
    after = json.loads(study("plan", "bowl.py", "--budget", "20", "--json").stdout)
    assert {arm["arm"]: arm["to train"] for arm in after["arms_of"]}["search"] == 6
    status = json.loads(study("status", "--json").stdout)
    assert re.fullmatch(r"best val loss [-\d.]+ \(point \d+\)", status[0]["best"])
    assert status[0]["missing"] == 0
