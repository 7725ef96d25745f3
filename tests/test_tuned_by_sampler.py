"""Arms whose nuisance hyperparameters a sampler tunes: one seed tunes, the others tell, and nothing is lost."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Study as Command
from conftest import wait_until
from ray import tune
from searching import record, tuned

import study
from analysis import load
from study import Study, StudyError


def of_study(storage: Path) -> dict[str, Any]:
    return record(storage, "tuned")


def run(*studies: Any, **more: Any) -> Any:
    return study.run(*studies, in_process=True, progress=False, **more)


def test_each_arm_gets_its_own_and_other_seeds_tell(tmp_path: Path) -> None:
    frame = run(tuned(tmp_path), storage=tmp_path / "r")
    found, results = of_study(tmp_path / "r"), load(tmp_path / "r")
    assert found["tuning"].keys() == {"a", "b"}
    trials = results.trials.set_index("key")
    for arm, best in (("a", 0.01), ("b", 0.1)):
        keys = [one["key"] for one in found["tuning"][arm]["suggestions"]]
        assert len(set(keys)) == 8
        assert set(trials.loc[keys, "seed"]) == {0}
        (candidate,) = next(one for one in found["arms"] if one["label"] == arm)["candidates"]
        assert candidate["keys"][0] == trials.val_loss[keys].idxmin()
        assert best / 5 < candidate["overrides"]["lr"] < best * 5
    assert sorted(set(frame.seed)) == [1, 2, 3]
    assert [text.startswith("lr=") for text in frame.tuned] == [True] * 6
    from analysis.claims import verdicts

    (verdict,) = verdicts(results, "tuned")
    assert verdict.verdict == "reproduced"


def test_killed_it_goes_on_as_if_it_had_not_been(tmp_path: Path, study: Command) -> None:
    tuned(tmp_path, pause=0.004)
    words = ("tune", "tuned.py", "--in-process", "--storage")
    assert study(*words, "whole").returncode == 0
    kills = 0
    for trials in (3, 10, 17):  # of a, of b, of what was found
        process = study.begin(*words, "killed")

        def has_begun(process: Any = process, trials: int = trials) -> bool:
            begun = len([*(tmp_path / "killed").glob("trials/*/result.json")])
            return begun >= trials or process.poll() is not None

        wait_until(has_begun, "a trial")
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert kills == 3
    assert study(*words, "killed").returncode == 0
    whole, killed = of_study(tmp_path / "whole"), of_study(tmp_path / "killed")
    for arm in "ab":
        assert killed["tuning"][arm]["suggestions"] == whole["tuning"][arm]["suggestions"]
    assert killed["arms"] == whole["arms"]
    again = study(*words, "killed")
    assert "0 to train" in again.stderr


def test_through_ray_several_at_once(tmp_path: Path, study: Command) -> None:
    tuned(tmp_path)
    plan = json.loads(study("plan", "tuned.py", "--json").stdout)
    assert plan["to_train"] == 2 * 8 + 2 * 3
    done = study("tune", "tuned.py")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(study("status", "--json").stdout)
    assert (row["trials"], row["finished"], row["missing"]) == (22, 22, 0)
    assert row["best"].startswith("a: best val loss ")
    assert json.loads(study("verify", "tuned", "--json").stdout)[0]["verdict"] == "reproduced"


def test_a_sampler_can_be_asked_for_and_more_points(tmp_path: Path) -> None:
    sobol = tuned(tmp_path, sampler="")
    run(sobol, storage=tmp_path / "sobol")
    assert "tuning" not in of_study(tmp_path / "sobol")
    for budget in (4, 6):
        run(sobol, storage=tmp_path / "r", sampler="random", budget=budget)
    found = of_study(tmp_path / "r")["tuning"]
    run(sobol, storage=tmp_path / "other", sampler="random", budget=6)
    assert of_study(tmp_path / "other")["tuning"] == found
    assert {arm: len(one["suggestions"]) for arm, one in found.items()} == {"a": 6, "b": 6}


def test_an_arm_in_which_nothing_can_be_trained_is_left_out(tmp_path: Path) -> None:
    class Fails(study.Training):
        class Config(study.Config):
            kind: str = "a"
            lr: float = 1.0

        metrics = (study.lower("loss"), study.lower("val_loss"))
        selected_by, version = "val_loss", "1"

        def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
            self.steps, self.config = 1, config

        def step(self, t: int) -> dict[str, float]:
            at = float("nan") if self.config.kind == "b" else self.config.lr
            return {"loss": at, "val_loss": at}

    given = Study(
        title="Tuned", training=Fails, arms={"a": {}, "b": {"kind": "b"}}, sampler="random", name="tuned",
        nuisance={"lr": tune.uniform(0, 1)}, nuisance_samples=3, seeds=2,
    )  # fmt: skip
    run(given, storage=tmp_path)
    found = of_study(tmp_path)
    assert [arm["label"] for arm in found["arms"]] == ["a"]
    assert len(found["tuning"]["b"]["suggestions"]) == 3
    run(given, storage=tmp_path)
    assert of_study(tmp_path)["tuning"] == found["tuning"]


BOWL = {"title": "T", "arms": {"a": {}, "b": {"momentum": 0.5}}, "fixed": {"validation_size": 100}}
LR = {"lr": tune.loguniform(1e-3, 1.0)}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"nuisance": LR, "nuisance_samples": 4, "sampler": "tpi"}, "sampler = 'tpi': there are tpe"),
        ({"sampler": "tpe"}, r"sampler goes with search=\{...\} or nuisance=\{...\}"),
        ({"nuisance": LR, "sampler": "tpe"}, "nuisance and nuisance_samples go together"),
        (
            {"nuisance": {"lr": tune.uniform(-1, 1)}, "nuisance_samples": 4, "sampler": "tpe"},
            "nuisance: lr = -1.0: should be greater than 0",
        ),
        (
            {"nuisance": {"optimizer": tune.choice([{"optimizer": "adam"}, {"lr": tune.uniform(0, 1)}])},
             "nuisance_samples": 4, "sampler": "gp"},
            "sampler = 'gp': can't search where some hyperparameters depend on others",
        ),
        (
            {"nuisance": {"dataset": tune.choice(["digits", "mnist"])}, "nuisance_samples": 4, "sampler": "tpe"},
            "nuisance: dataset chooses the data",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_said(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        Study(**{**BOWL, **fields})


def test_one_seed_can_not_tune_and_tell(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="give 2 seeds or more"):
        run(tuned(tmp_path), storage=tmp_path / "r", seeds=1)
    assert not (tmp_path / "r").exists()
