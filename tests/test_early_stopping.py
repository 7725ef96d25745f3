"""Trials that a scheduler stops early: at tenths of their steps, by no clock, and the same whenever a run is killed."""

from __future__ import annotations

import json
import signal
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Study as Command
from conftest import wait_until
from ray import tune
from searching import bowl, suggested, written

import study
from study import Study
from study.store.trial_store import TrialStore

STEPS = 20


class Follows(study.Training):
    """Its loss is `a`, whatever is done; from `late` on it is measured at all."""

    class Config(study.Config):
        a: float = 0.0
        late: int = 0

    metrics = (study.lower("loss"), study.lower("val_loss"))
    watched, version = "val_loss", "1"

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps, self.config = STEPS, config

    def step(self, t: int) -> dict[str, float]:
        measured = {"val_loss": self.config.a} if t >= self.config.late else {}
        return {"loss": self.config.a, **measured}


def run(*studies: Any, **more: Any) -> Any:
    return study.run(*studies, in_process=True, progress=False, **more)


def stopped(storage: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text()) for path in storage.glob("trials/*/stopped.json")}


def in_order(storage: Path) -> list[tuple[str, list[float]]]:
    """Of each point in the order in which they were trained, one after the other: what was followed, at its tenths."""
    store, found = TrialStore(storage), []
    for _, key, _ in suggested(storage):
        if store.has(key):
            values = store.curve(key)["val_loss"].to_pylist()
            found.append((key, [values[2 * tenth - 1] for tenth in range(1, 10)]))
        else:
            found.append((key, store.stopped(key)["tenths"]))
    return found


def halving(points: list[tuple[str, list[float]]]) -> dict[str, int]:
    """By key at which tenth it is stopped, where it is."""
    rungs: dict[int, list[float]] = {1: [], 3: [], 9: []}
    found = {}
    for key, values in points:
        for tenth, others in rungs.items():
            value = values[tenth - 1]
            last = bool(others) and value > np.percentile(others, 100 / 3)
            others.append(value)
            if last:
                found[key] = tenth
                break
    return found


def median(points: list[tuple[str, list[float]]]) -> dict[str, int]:
    """The same by the median rule, which needs three others that came as far."""
    found = {}
    for at, (key, values) in enumerate(points):
        for tenth in range(1, 10):
            others = [statistics.mean(one[:tenth]) for _, one in points[:at] if len(one) >= tenth]
            if len(others) >= 3 and min(values[:tenth]) > statistics.median(others):
                found[key] = tenth
                break
    return found


@pytest.mark.parametrize(("name", "rule"), [("asha", halving), ("median", median)])
def test_it_stops_what_its_rule_stops(tmp_path: Path, name: str, rule: Any) -> None:
    run(bowl(tmp_path, budget=20), storage=tmp_path / "r", scheduler=name, seeds=2)
    ends = {key: 10 * one["step"] / STEPS for key, one in stopped(tmp_path / "r").items()}
    assert ends == rule(in_order(tmp_path / "r"))
    assert len(ends) >= 5


def test_hyperband_compares_some_trials_later(tmp_path: Path) -> None:
    run(bowl(tmp_path, budget=30), storage=tmp_path / "r", scheduler="hyperband", seeds=2)
    ends = {one["step"] for one in stopped(tmp_path / "r").values()}
    assert ends <= {2, 6, 18}
    assert {2, 6} <= ends
    # Some went on that fell behind at 10 %.
    at_first = [values[0] for _, values in in_order(tmp_path / "r")]
    behind = sum(value > np.percentile(at_first[:at], 100 / 3) for at, value in enumerate(at_first) if at)
    assert behind > sum(one["step"] == 2 for one in stopped(tmp_path / "r").values())


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_what_was_seen_before_a_kill_counts_after_it(tmp_path: Path, study: Command, name: str) -> None:
    file = bowl(tmp_path, pause=0.004, budget=12)
    run(file, storage=tmp_path / "whole", scheduler=name, seeds=2)
    words = ("tune", "bowl.py", "--in-process", "--storage", "killed", "--scheduler", name, "--seeds", "2")
    for trials in (2, 6):
        process = study.begin(*words, "--checkpoint-every", "0")

        def has_begun(process: Any = process, trials: int = trials) -> bool:
            return len([*(tmp_path / "killed").glob("trials/*")]) > trials or process.poll() is not None

        wait_until(has_begun, "a trial")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = study(*words)
    assert done.returncode == 0, done.stderr
    assert suggested(tmp_path / "killed") == suggested(tmp_path / "whole")
    assert in_order(tmp_path / "killed") == in_order(tmp_path / "whole")


def test_arms_are_stopped_in_process_too_and_continued_without_the_scheduler(tmp_path: Path) -> None:
    arms = Study(title="Arms", training=Follows, scientific={"a": tune.grid_search([1, 2, 3])})
    said = {"storage": tmp_path, "seeds": 2}
    run(arms, **said, scheduler="asha")
    found = stopped(tmp_path)
    assert [(one["metric"], one["step"], one["steps"]) for one in found.values()] == [
        ("val_loss", 2, STEPS)
    ] * len(found)
    assert {one["watched"] for one in found.values()} == {2, 3}
    run(arms, **said, scheduler="asha")
    assert stopped(tmp_path) == found
    run(arms, **said)
    assert not stopped(tmp_path)
    assert len(written(tmp_path)) == 6


@pytest.mark.parametrize("name", ["asha", "median"])
def test_one_whose_first_report_has_several_tenths_is_stopped_once(name: str) -> None:
    """As one that was interrupted without a scheduler has, and is then continued with one."""
    from types import SimpleNamespace

    from study.running.early_stopping import EarlyStopping

    scheduler = EarlyStopping(name, Follows.metrics[1], [SimpleNamespace(key="late")])  # type: ignore[list-item]
    scheduler.recall((f"{at}", [at / 10] * 10) for at in range(4))

    class OfTune:
        trial_id, config = "00001", {"trial": 0}

    late = OfTune()
    scheduler.on_trial_add(None, late)
    for _ in range(2):  # Tune tells a trial that it stops that it has ended, and one that is lost comes again
        assert scheduler.on_trial_result(None, late, {"tenths": [9.0] * 6}) == "STOP"
        scheduler.on_trial_complete(None, late, {"tenths": [9.0] * 6})


def test_records_of_before_there_were_tenths_are_read(tmp_path: Path) -> None:
    from study.store.records import encoded

    file = bowl(tmp_path, budget=10)
    run(file, storage=tmp_path / "r", scheduler="asha", seeds=2)
    for key, why in stopped(tmp_path / "r").items():
        kept = {name: value for name, value in why.items() if name in ("metric", "step", "steps", "watched")}
        (tmp_path / f"r/trials/{key}/stopped.json").write_bytes(encoded(kept))
    said = json.loads((tmp_path / "r/studies/bowl.json").read_text())
    del said["search"]["generations"], said["sha256"], said["format"]
    (tmp_path / "r/studies/bowl.json").write_bytes(encoded(said))
    before = suggested(tmp_path / "r")
    run(file, storage=tmp_path / "r", scheduler="asha", seeds=2, budget=12)
    assert suggested(tmp_path / "r")[: len(before)] == before


def test_nothing_is_decided_before_the_metric_is_measured(tmp_path: Path) -> None:
    given = {f"{a}": {"a": a, "late": 5} for a in (1, 2)}
    late = Study(title="Late", training=Follows, arms=given)
    run(late, storage=tmp_path, seeds=1, scheduler="asha")
    (found,) = stopped(tmp_path).values()
    assert (found["step"], found["tenths"]) == (6, [None, None, 2])


def test_a_trial_with_fewer_steps_than_tenths_is_looked_at_where_they_end(tmp_path: Path) -> None:
    class Short(Follows):
        def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
            super().__init__(config, data, seed, device)
            self.steps = 4

    arms = Study(title="Short", training=Short, scientific={"a": tune.grid_search([1, 2])})
    run(arms, storage=tmp_path, seeds=1, scheduler="asha")
    (found,) = stopped(tmp_path).values()
    assert (found["step"], found["tenths"]) == (1, [2, 2])
