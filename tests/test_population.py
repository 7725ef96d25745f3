"""Population-based training: who is replaced, what a copy is trained with, and that a kill changes nothing."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Study as Command
from conftest import wait_until
from ray import tune
from searching import record

import study
from analysis import load
from analysis.searching import honest
from study import Study, StudyError
from study.lineage import lineage_of, told
from study.store.trial_store import TrialStore, searched_keys

# A noisy descent: a large lr is good at first, a small one later.
WALK = '''"""Which learning rates?"""
import random, time
from ray import tune
import study

class Walk(study.Training):
    class Config(study.Config):
        lr: float = 0.1
        fails: bool = False

    metrics = (study.lower("loss"), study.lower("val_loss"))
    selected_by, version = "val_loss", "1"
    state = ("at", "lr")
    changes = ("lr",)

    def __init__(self, config, data, seed, device):
        self.steps, self.lr, self.at, self.fails = 40, config.lr, [1.0, 1.0], config.fails

    def change(self, config):
        self.lr = config.lr

    def step(self, t):
        time.sleep({pause})
        if self.fails and t == 22 and self.lr > 0.05:
            raise RuntimeError("too fast")
        slopes = 2 * self.at[0] + random.gauss(0, 1), 20 * self.at[1] + random.gauss(0, 1)
        self.at = [at - self.lr * slope for at, slope in zip(self.at, slopes)]
        loss = self.at[0] ** 2 + 10 * self.at[1] ** 2
        return {{"loss": loss, "val_loss": loss * random.uniform(0.9, 1.1)}}

STUDY = study.Study(
    title="Walk", training=Walk, search={{"lr": tune.loguniform(1e-4, 0.2)}}, budget=8, sampler="pbt",
    seeds=3, finalists=2,
)
'''


def walk(folder: Path, pause: float = 0.0) -> Path:
    path = folder / "walk.py"
    path.write_text(WALK.format(pause=pause))
    return path


def run(*studies: Any, **more: Any) -> Any:
    return study.run(*studies, in_process=True, progress=False, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    run(walk(folder), storage=folder / "r")
    return folder / "r"


def of(storage: Path) -> dict[str, Any]:
    found: dict[str, Any] = record(storage, "walk")["search"]
    return found


def test_after_each_tenth_the_worst_quarter_goes_on_from_the_best(whole: Path) -> None:
    said, store = of(whole), TrialStore(whole)
    by_key = {one["key"]: one for one in said["suggestions"]}

    def score(key: str, tenth: int) -> float:
        if store.has(key):  # to the end; the baseline was trained there afterwards
            return float(store.curve(key)["val_loss"].to_pylist()[4 * tenth - 1])
        return float(store.stopped(key)["tenths"][tenth - 1])

    assert [len(one) for one in said["generations"]] == [8] * 10
    for tenth, (before, after) in enumerate(
        zip(said["generations"], said["generations"][1:], strict=False), 1
    ):
        ranked = sorted(before, key=lambda key: score(key, tenth))
        assert set(before) - set(after) == set(ranked[-2:])
        for key in set(after) - set(before):
            copy = by_key[key]
            assert copy["parent"] in ranked[:2]
            assert copy["lineage"][:-1] == by_key[copy["parent"]]["lineage"]
            assert copy["lineage"][-1] == [tenth, copy["values"]]
            assert copy["values"] != by_key[copy["parent"]]["values"]


def test_what_was_found_is_trained_anew_with_other_seeds_as_it_changed(whole: Path) -> None:
    found, results = record(whole, "walk"), load(whole)
    best = found["arms"][1]
    assert best.get("lineage")
    trials = results.trials.set_index("key")
    last = trials.loc[of(whole)["generations"][-1]].val_loss
    assert best["candidates"][0]["keys"][0] == last.idxmin()
    assert set(results.of("walk").seed) == {1, 2}
    shown = honest(results, "walk", results.metrics("walk")["loss"])
    assert told(best["lineage"]) in shown.point[1]
    assert shown.with_others[1] < shown.with_others[0]
    # All that were ever members are the search's, and none of them is missing.
    assert set(searched_keys(found)) == {key for one in of(whole)["generations"] for key in one}


def test_a_copy_is_to_the_bit_what_its_lineage_gives_from_the_beginning(whole: Path, tmp_path: Path) -> None:
    """Its state was that of another; trained alone from step 0 it comes to the same."""
    from study.declare.loading import load_all
    from study.running.trial_run import TrialRun

    (walked,) = load_all([str(walk(tmp_path))]).values()
    store = TrialStore(whole)
    copies = [one for one in of(whole)["suggestions"] if one["lineage"] and store.has(one["key"])]
    assert copies
    for one in copies:
        config = walked.kind.Config(**one["begun"])
        alone = TrialRun(walked.kind, config, None, 0, "cpu", lineage_of(one["lineage"]))
        while not alone.done:
            alone.run(7)
        assert alone.weights_sha256() == store.result(one["key"])["weights_sha256"]


def test_killed_again_and_again_it_is_the_same_population(
    whole: Path, tmp_path: Path, study: Command
) -> None:
    walk(tmp_path, pause=0.002)
    words = ("tune", "walk.py", "--in-process", "--storage", "r")
    kills = 0
    for generation in (1, 3, 6, 10):
        process = study.begin(*words)

        def has_begun(process: Any = process, generation: int = generation) -> bool:
            there = tmp_path / "r/studies/walk.json"
            begun = len(of(tmp_path / "r")["generations"]) if there.exists() else 0
            return begun >= generation or process.poll() is not None

        wait_until(has_begun, "a generation")
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert kills >= 3
    done = study(*words)
    assert done.returncode == 0, done.stderr
    assert of(tmp_path / "r")["generations"] == of(whole)["generations"]
    assert of(tmp_path / "r")["suggestions"] == of(whole)["suggestions"]
    ours, theirs = TrialStore(tmp_path / "r"), TrialStore(whole)
    for key in of(whole)["generations"][-1]:
        assert ours.result(key)["weights_sha256"] == theirs.result(key)["weights_sha256"]


def test_several_at_once_through_ray_and_states_that_are_lost(
    whole: Path, tmp_path: Path, study: Command
) -> None:
    walk(tmp_path)
    done = study("tune", "walk.py", "--max-concurrent", "2")
    assert done.returncode == 0, done.stderr
    assert "80/80" in done.stderr or "[8" in done.stderr
    # A population waits for all of its members, so that it is the same whichever ends first.
    assert of(tmp_path / "results")["generations"] == of(whole)["generations"]
    plan = json.loads(study("plan", "walk.py", "--json").stdout)
    assert plan["to_train"] == 0
    (row,) = json.loads(study("status", "--json").stdout)
    assert (row["missing"], row["finished"] + row["stopped"]) == (0, row["trials"])


def test_copies_whose_states_were_deleted_are_trained_from_the_beginning(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "r")
    said = of(tmp_path / "r")
    lost = [one["key"] for one in said["suggestions"] if one["lineage"]]
    for key in lost:
        shutil.rmtree(tmp_path / "r/trials" / key)
    run(walk(tmp_path), storage=tmp_path / "r")
    assert of(tmp_path / "r")["generations"] == said["generations"]
    last = said["generations"][-1]
    ours, theirs = TrialStore(tmp_path / "r"), TrialStore(whole)
    assert [ours.result(key)["weights_sha256"] for key in last] == [
        theirs.result(key)["weights_sha256"] for key in last
    ]


def test_a_fresh_population_is_trained_anew(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "r")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("r/trials/*/result.json")}
    run(walk(tmp_path), storage=tmp_path / "r", fresh=True)
    assert of(tmp_path / "r")["generations"] == of(whole)["generations"]
    for key in of(whole)["generations"][-1]:
        path = tmp_path / "r/trials" / key / "result.json"
        assert path.stat().st_mtime_ns > before[path]


def test_what_is_stored_of_the_baseline_is_a_member_like_others(whole: Path, tmp_path: Path) -> None:
    from study.declare.loading import load_all

    (walked,) = load_all([str(walk(tmp_path))]).values()
    alone = Study(title="Alone", training=walked.training, arms={"a": {}}, name="alone")
    run(alone, storage=tmp_path / "r", seeds=1)
    run(walk(tmp_path), storage=tmp_path / "r")
    assert of(tmp_path / "r")["generations"] == of(whole)["generations"]


class Few(study.Training):
    """Fewer steps than tenths, and the objective is measured late."""

    class Config(study.Config):
        lr: float = 0.5
        steps: int = 5
        late: int = 0

    metrics = (study.lower("loss"), study.lower("val_loss"))
    selected_by, version = "val_loss", "1"
    state, changes = ("at",), ("lr",)

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps, self.config, self.at, self.lr = config.steps, config, 1.0, config.lr

    def change(self, config: Any) -> None:
        self.lr = config.lr

    def step(self, t: int) -> dict[str, float]:
        self.at *= 1 - self.lr
        measured = {"val_loss": abs(self.at)} if t >= self.config.late else {}
        return {"loss": abs(self.at), **measured}


@pytest.mark.parametrize(("steps", "late"), [(1, 0), (3, 0), (5, 0), (8, 3), (9, 8), (40, 7)])
def test_short_members_and_late_objectives(tmp_path: Path, steps: int, late: int) -> None:
    given = Study(
        title="Few", training=Few, search={"lr": tune.quniform(0.05, 0.9, 0.05)}, budget=6, sampler="pbt",
        seeds=2, finalists=2, fixed={"steps": steps, "late": late}, name="few",
    )  # fmt: skip
    run(given, storage=tmp_path)
    said = record(tmp_path, "few")
    assert [len(one) for one in said["search"]["generations"]] == [6] * 10
    assert [arm["label"] for arm in said["arms"]] == ["baseline", "best", "2nd best"]
    assert {one["values"]["lr"] for one in said["search"]["suggestions"]} <= {n / 20 for n in range(1, 19)}
    run(given, storage=tmp_path)
    assert record(tmp_path, "few")["search"] == said["search"]


def test_a_population_of_unknown_length_is_refused(tmp_path: Path) -> None:
    class Unknown(Few):
        def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
            super().__init__(config, data, seed, device)
            self.steps = None

    given = Study(title="U", training=Unknown, search={"lr": tune.uniform(0.1, 0.9)}, budget=2, sampler="pbt")
    with pytest.raises(RuntimeError, match="does not say how many steps it does, as a population needs"):
        run(given, storage=tmp_path)


def test_a_population_is_the_only_search_of_a_run(tmp_path: Path) -> None:
    given: dict[str, Any] = {"training": Few, "search": {"lr": tune.uniform(0.1, 0.9)}, "budget": 2}
    studies = [Study(title=name, name=name, sampler=name, **given) for name in ("pbt", "random")]
    with pytest.raises(StudyError, match="give it no other study that searches"):
        run(*studies, storage=tmp_path)


def test_a_state_of_other_hyperparameters_is_not_gone_on_from(tmp_path: Path) -> None:
    """Where two runs write into one object store, a copy may get a state that is past its parent's tenth."""
    from study.declare.loading import load_all
    from study.running.trial_run import TrialRun

    (walked,) = load_all([str(walk(tmp_path))]).values()
    lineage = ((3, {"lr": 0.01}),)

    def made(lineage: Any) -> TrialRun:
        return TrialRun(walked.kind, walked.kind.Config(), None, 0, "cpu", lineage)

    plain, copy = made(()), made(lineage)
    plain.run(12)
    copy.resume(plain.state())  # at the change itself
    plain.run(1)
    with pytest.raises(ValueError, match="with other hyperparameters"):
        made(lineage).resume(plain.state())
    copy.run(1)
    with pytest.raises(ValueError, match="with other hyperparameters"):
        made(((3, {"lr": 0.02}),)).resume(copy.state())


def test_members_that_fail_are_replaced(tmp_path: Path, study: Command) -> None:
    walk(tmp_path)
    done = study("tune", "walk.py", "--set", "fails=true")
    assert "RuntimeError: too fast" in done.stderr
    said = of(tmp_path / "results")
    assert len(said["generations"]) == 10
    assert len(said["generations"][-1]) == 8
    assert said["over"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"search": {"width": tune.randint(2, 9)}}, "width can't change while Images trains; what can is lr, mom"),
        ({"budget": 1}, "a population has two members or more"),
        (
            {"search": {"lr": tune.uniform(0.1, 1), "optimizer": tune.choice([{"lr": 1.0}, {"momentum": 0.5}])}},
            "can't search where some hyperparameters depend on others",
        ),
        ({"objective": ("validation_accuracy", "train_loss")}, "looks at 1 objective"),
        ({"search": {}, "budget": None, "arms": {"a": {}}, "nuisance": {"lr": tune.uniform(0.1, 1)},
          "nuisance_samples": 4}, "no nuisance hyperparameters"),
    ],
)  # fmt: skip
def test_what_can_not_be_a_population_is_said(fields: dict[str, Any], said: str) -> None:
    given = {
        "title": "T", "search": {"lr": tune.loguniform(0.01, 1.0)}, "budget": 4, "sampler": "pbt",
        "fixed": {"validation_size": 100},
    }  # fmt: skip
    with pytest.raises(StudyError, match=said):
        Study(**{**given, **fields})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("self.lr = config.lr", ""),
        ("self.lr = 2 * config.lr", "made so and continued from there"),
        ("pass", "gives the same steps"),
        ("raise NotImplementedError('later')", "later"),
    ],
)
def test_check_tries_a_change(tmp_path: Path, study: Command, change: str, said: str) -> None:
    text = (
        walk(tmp_path).read_text().replace("self.lr = config.lr\n\n    def step", f"{change}\n\n    def step")
    )
    # What the state brings must not undo what the config says.
    (tmp_path / "walk.py").write_text(text.replace('state = ("at", "lr")', 'state = ("at",)'))
    done = study("check", "walk.py")
    assert (done.returncode == 0) == (not said), done.stdout
    assert said in done.stdout
    assert "changed to lr=" in done.stdout


def test_a_scheduler_beside_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="leave the scheduler out"):
        run(walk(tmp_path), storage=tmp_path / "r", scheduler="asha")


def test_the_reports_network_changes_its_learning_rate_in_the_middle(tmp_path: Path) -> None:
    given = Study(
        title="Rates", search={"lr": tune.loguniform(0.01, 1.0), "momentum": tune.uniform(0.0, 0.9)}, budget=4,
        sampler="pbt", seeds=2, finalists=1, name="rates",
        fixed={"dataset": "digits", "width": 2, "epochs": 10, "batch_size": 512, "validation_size": 300},
    )  # fmt: skip
    run(given, storage=tmp_path)
    said = record(tmp_path, "rates")["search"]
    assert len(said["generations"]) == 10
    # From the beginning the best comes to the same bits as from the states that were copied.
    best = record(tmp_path, "rates")["arms"][1]
    key = best["candidates"][0]["keys"][0]
    known = TrialStore(tmp_path).result(key)["weights_sha256"]
    shutil.rmtree(tmp_path / "trials" / key)
    run(given, storage=tmp_path)
    assert TrialStore(tmp_path).result(key)["weights_sha256"] == known
