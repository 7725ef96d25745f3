"""How long a run will take and what it costs: known from trials like its own, from some steps, or not at all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Study
from test_streams import in_a_terminal

from study.running.known_times import Known, Takes
from study.running.outlook import END_SECONDS, RAY_SECONDS, WORKER_SECONDS, outlook
from study.running.resources import Node, Resources
from study.running.schedule import about_until_done, seconds_until_done
from study.running.time_left import Expected, TimeLeft
from study.store.trial_store import TrialStore

ONE, TWO, HALF_A_GPU = Resources(1, 0), Resources(2, 0), Resources(1, 0.5)


@pytest.mark.parametrize(
    ("seconds", "share", "nodes", "most", "expected"),
    [
        ([3, 2, 2], ONE, [Node(1, 0)], None, 7),
        ([3, 2, 2], ONE, [Node(2, 0)], None, 4),
        ([3, 2, 2], ONE, [Node(1, 0), Node(1, 0)], None, 4),
        ([3, 2, 2], ONE, [Node(8, 0)], None, 3),
        ([3, 2, 2], ONE, [Node(8, 0)], 1, 7),
        ([3, 2, 2], TWO, [Node(2, 0)], None, 7),
        ([3, 3, 3], HALF_A_GPU, [Node(8, 1)], None, 6),
        ([1] * 6, Resources(1, 0.6), [Node(8, 2)], None, 3),  # no trial is on two halves of two GPUs
        ([1] * 3, Resources(1, 2), [Node(8, 4)], None, 2),
        ([], ONE, [Node(1, 0)], None, 0),
    ],
)
def test_trials_begin_as_soon_as_there_is_room(
    seconds: list[float], share: Resources, nodes: list[Node], most: int | None, expected: float
) -> None:
    assert seconds_until_done([(one, share) for one in seconds], nodes, most) == expected


def test_trials_with_different_shares_wait_for_each_other() -> None:
    assert seconds_until_done([(4, ONE), (3, TWO), (1, ONE)], [Node(2, 0)]) == 8
    with pytest.raises(ValueError, match="no node has room"):
        seconds_until_done([(1, TWO)], [Node(1, 0)])


@pytest.mark.parametrize("most", [None, 3])
def test_of_many_trials_it_is_about_the_same(most: int | None) -> None:
    jobs = [(1.0 + i % 7, TWO if i % 2 else ONE) for i in range(1500)]
    nodes = [Node(8, 0), Node(8, 0)]
    exact = seconds_until_done(jobs, nodes, most)
    assert about_until_done(jobs, nodes, most) == pytest.approx(exact, rel=0.1)
    assert about_until_done([(50.0, ONE), (1.0, ONE)], nodes) == 50
    assert about_until_done([(2.0, HALF_A_GPU)] * 100, [Node(64, 2)]) == 50


def test_what_a_run_costs_follows_from_its_trials() -> None:
    shares = {"a": Resources(1, 0.5), "b": Resources(1, 0.5), "c": Resources(1, 0.5)}
    known = Known(takes={"a": Takes(3600, 1000), "b": Takes(3600, 1000)}, ratios=[0.7, 1.0, 1.0, 1.0, 1.5])
    found = outlook(["a", "b"], shares, [Node(4, 1)], known, {})
    around = RAY_SECONDS + WORKER_SECONDS + END_SECONDS
    assert found.seconds == pytest.approx(around + 3600, abs=1)
    assert found.low == pytest.approx(around + 3600 * 0.76, abs=2)
    assert found.high == pytest.approx(around + 3600 * 1.4, abs=2)
    assert (found.core_hours, found.gpu_hours, found.disk_bytes) == (2, 1, 2000)
    assert found.price(3.0) == pytest.approx(3.0, rel=0.01)
    lacking = outlook(["a", "b", "c"], shares, [Node(4, 1)], known, {})
    assert (lacking.seconds, lacking.price(3.0), lacking.unknown) == (None, None, ("c",))
    assert lacking.core_hours == 2


def followed(clock: list[float], slower: float) -> list[tuple[float, float | None]]:
    """Seconds since the first report, and the time left then, of eight trials of 100 s, two at a time."""
    work = {str(i): 100.0 for i in range(8)}
    left = TimeLeft(Expected(work, dict.fromkeys(work, ONE), [Node(2, 0)], known=True))
    told = [(0.0, left.seconds())]
    clock[0] += WORKER_SECONDS
    for i in range(0, 8, 2):
        for percent in range(0, 101, 10):
            for key in (str(i), str(i + 1)):
                left.told(key, percent / 100, 0.0)
                if percent == 100:
                    left.ended(key)
            told.append((i * 50 * slower + percent * slower, left.seconds()))
            clock[0] += 10 * slower if percent < 100 else 0
    return told


@pytest.mark.parametrize("slower", [0.5, 1.0, 1.5])
def test_what_is_known_is_told_from_the_first_second_and_the_pace_corrects_it(
    clock: list[float], slower: float
) -> None:
    (_, first), *later = followed(clock, slower)
    assert first == WORKER_SECONDS + 400 + END_SECONDS
    for seconds, left in later:
        if 0.1 * 400 * slower <= seconds:
            assert left == pytest.approx(400 * slower - seconds + END_SECONDS, rel=0.2, abs=1)


def test_a_trial_that_is_slower_than_its_work_says_is_followed_by_its_own_pace(clock: list[float]) -> None:
    """Of two trials, one after the other, the second has twice the work and takes four times as long."""
    work, takes = {"narrow": 1.0, "wide": 2.0}, {"narrow": 100, "wide": 400}
    begins = {"narrow": 0, "wide": 100}
    left = TimeLeft(Expected(work, dict.fromkeys(work, ONE), [Node(1, 0)]))
    for second in range(0, 500, 5):
        for key, begin in begins.items():
            if begin <= second <= begin + takes[key]:
                left.told(key, (second - begin) / takes[key], 0.0)
            if second == begin + takes[key]:
                left.ended(key)
        if second >= 200:
            assert left.seconds() == pytest.approx(500 - second, rel=0.05)
        clock[0] += 5


def test_a_trial_that_tells_no_share_is_followed_by_the_clock(clock: list[float]) -> None:
    work = {str(i): 100.0 for i in range(4)}
    left = TimeLeft(Expected(work, dict.fromkeys(work, ONE), [Node(1, 0)], known=True))
    for i in range(4):
        for second in range(0, 100, 5):
            left.told(str(i), None, 0.0)
            assert left.seconds() == pytest.approx(400 - 100 * i - second + END_SECONDS, abs=10)
            clock[0] += 5
        left.told(str(i), 1.0, 0.0)
        left.ended(str(i))
    assert left.seconds() == END_SECONDS


Plan = Callable[..., dict[str, Any]]


@pytest.fixture
def planned(finished: Study, tmp_path: Path) -> Plan:
    """The outlook of `study plan` on a copy of a storage with two seeds of both arms."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)

    def plan(*words: str) -> dict[str, Any]:
        done = Study(tmp_path)("plan", "tiny_width.py", "--json", *words)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["outlook"]
        return found

    return plan


def test_finished_trials_tell_how_long_others_take(planned: Plan, tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "results")
    trained = [store.result(key)["provenance"]["training_seconds"] for key in store.states().finished]
    found = planned("--seeds", "6", "--max-concurrent", "1", "--price-per-hour", "3600")
    assert (found["stored"], found["measured"], found["unknown"]) == (8, 0, 0)
    assert 8 * min(trained) <= found["core_hours"] * 3600 <= 8 * max(trained)
    assert found["seconds"] >= found["core_hours"] * 3600 + WORKER_SECONDS
    assert found["price"] == pytest.approx(found["seconds"])
    assert found["low"] < found["seconds"] < found["high"]
    files = sum(path.stat().st_size for path in (tmp_path / "results/trials").rglob("*.*"))
    assert found["disk_bytes"] == pytest.approx(2 * files, rel=0.1)
    longer = planned("--seeds", "4", "--epochs", "20", "--max-concurrent", "1")
    assert longer["core_hours"] == pytest.approx(10 * found["core_hours"], rel=0.01)


def test_a_training_of_ones_own_says_how_its_work_grows(study: Study) -> None:
    (study.folder / "own.py").write_text(
        "import time\nimport study\n\nclass Own(study.Training):\n"
        "    class Config(study.Config):\n        passes: int = 10\n\n"
        "    metrics, same_load, version = (study.lower('loss'),), ('passes',), '1'\n\n"
        "    @staticmethod\n    def cost(config, data=None):\n        return study.Cost(work=config.passes)\n\n"
        "    def __init__(self, config, data, seed, device):\n        self.steps = config.passes\n\n"
        "    def step(self, t):\n        time.sleep(0.01)\n        return {'loss': 1.0}\n\n"
        "STUDY = study.Study(title='Own', training=Own, arms={'a': {}})\n"
    )
    done = study("tune", "own.py", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    same, twice = (
        json.loads(study("plan", "own.py", "--seeds", "2", "--json", *more).stdout)["outlook"]
        for more in ((), ("--set", "passes=20"))
    )
    assert (same["unknown"], twice["unknown"]) == (0, 0)
    # One trial of the same work, two of twice as much.
    assert twice["core_hours"] == pytest.approx(4 * same["core_hours"])


def test_trials_of_another_kind_or_of_another_machine_tell_nothing(planned: Plan, tmp_path: Path) -> None:
    assert planned("--seeds", "4", "--set", "batch_size=32")["unknown"] == 8
    assert planned("--seeds", "4", "--cpus-per-trial", "2")["unknown"] == 4
    store = TrialStore(tmp_path / "results")
    results = {key: store.result(key) for key in store.states().finished}
    for changes in ({"cpu": "another processor"}, {"threads": [1]}, {"training_seconds": -1.0}):
        for key, result in results.items():
            changed = {**result, "provenance": {**result["provenance"], **changes}}
            store.commit(key, {"step": [1]}, {name: changed[name] for name in changed if name != "sha256"})
        found = planned("--seeds", "4")
        assert (found["unknown"], found["seconds"], found["low"]) == (4, None, None)


def test_people_read_what_is_known_and_what_is_not(finished: Study) -> None:
    known = finished("plan", "tiny_width.py", "--seeds", "3", "--price-per-hour", "3").stdout
    assert re.search(r"^time +\d+ s", known, re.MULTILINE)
    assert re.search(r"^at least, at most +\d+ s, \d+ s", known, re.MULTILINE)
    assert re.search(r"^price, at 3 an hour +0\.0\d", known, re.MULTILINE)
    assert "Known of 2 of 2 trials: 2 from such trials in the storage." in known
    unknown = finished("plan", "tiny_width.py", "--seeds", "3", "--set", "batch_size=32").stdout
    assert "Not known is how long it takes: tiny_width 4 seed 0, tiny_width 4 seed 1" in unknown
    assert "and 3 more." in unknown
    assert "--measure does some steps of each." in unknown
    assert not re.search(r"^time ", unknown, re.MULTILINE)
    nothing_left = finished("plan", "tiny_width.py", "--seeds", "2").stdout
    assert "time" not in nothing_left
    for price in ("-1", "inf", "nan"):
        refused = finished("plan", "tiny_width.py", "--price-per-hour", price)
        assert refused.returncode == 2
        assert "--price-per-hour" in refused.stderr


def test_some_steps_tell_of_trials_that_nobody_trained(study: Study, tiny_study: Path) -> None:
    own = study.folder / "counts.py"
    own.write_text(
        "import study\n\n@study.function(study.lower('loss'))\ndef counts(report):\n    report(loss=1.0)\n\n"
        "STUDY = study.Study(title='Counts', training=counts, arms={'a': {}})\n"
    )
    done = study("plan", str(tiny_study), "counts.py", "--measure", "--seeds", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert "Not known is how long it takes: counts a seed 0" in study("plan", "counts.py", "--measure").stdout
    found = json.loads(done.stdout)["outlook"]
    assert (found["measured"], found["stored"], found["unknown"]) == (4, 0, 2)
    assert 0 < found["core_hours"] * 3600 < 600
    assert found["disk_bytes"] > 4 * 2000
    assert "counts a seed 0: can't be measured:" in done.stderr
    assert {path.name for path in (study.folder / "results").iterdir()} == {"measured"}


def test_what_was_measured_is_known_to_the_run_after_it(study: Study, tiny_study: Path) -> None:
    def told(*words: str) -> tuple[int, int, int, float]:
        done = study("plan", str(tiny_study), "--seeds", "2", "--json", *words)
        found = json.loads(done.stdout)["outlook"]
        return found["measured"], found["stored"], found["unknown"], found["core_hours"]

    *counts, hours = told("--measure")
    assert counts == [4, 0, 0]
    assert told() == (4, 0, 0, hours)
    assert told("--cpus-per-trial", "2")[:3] == (0, 0, 4), "with other threads it takes another time"
    kept = {path: path.read_text() for path in (study.folder / "results/measured").iterdir()}
    for path, damage in zip(kept, ("{}", ""), strict=True):
        path.write_text(damage)
    assert told()[:3] == (0, 0, 4), "it can be measured again"
    for path, content in kept.items():
        path.write_text(content)
    assert "No study has been run" in study("status").stdout
    code, shown = in_a_terminal(study, "tune", str(tiny_study), "--seeds", "1")
    assert (code, "starting" in shown) == (0, False)
    assert re.search(r"0/2 trials, about \d+ s left", shown)
    assert told()[:3] == (0, 2, 0), "finished trials say more"
