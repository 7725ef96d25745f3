"""What a trial tells while it is trained, and who hears it: `study status`, once or anew."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import HANG, SLOW, Study, wait_until

from study.store.records import encoded
from study.store.running_file import running
from study.store.trial_store import TrialStore

TUNE = ("tune", "slow.py", "--seeds", "1", "--checkpoint-every", "0.1")


@pytest.fixture
def slow(study: Study) -> Study:
    (study.folder / "slow.py").write_text(SLOW)
    return study


def files(study: Study) -> set[str]:
    return {path.name for path in study.folder.glob("results/trials/*/*")}


def told(study: Study) -> dict[str, Any]:
    """The study's row of `study status`."""
    done = study("status", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    return row


def step(study: Study) -> int:
    (path,) = study.folder.glob("results/trials/*/running.json")
    try:
        return int(json.loads(path.read_text())["step"])
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("how", [["--in-process"], []], ids=["in-process", "ray"])
def test_a_running_trial_is_seen_from_elsewhere_until_it_is_committed(slow: Study, how: list[str]) -> None:
    run = slow.begin(*TUNE, "--tensorboard", *how)
    wait_until(lambda: "running.json" in files(slow), "a word of the trial")
    wait_until(lambda: any(slow.folder.glob("results/tensorboard/slow/a/seed-0/events.*")), "an event file")
    first = step(slow)
    wait_until(lambda: step(slow) > first + 10, "another one")
    row = told(slow)
    (now,) = row["now"]
    assert (row["running"], row["begun"], row["missing"], row["finished"]) == (1, 0, 0, 0)
    assert (now["arm"], now["seed"], now["steps"], now["counts"]) == ("a", 0, 1000, "cases")
    assert 50 < now["step"] < 1000
    assert now["newest"].startswith("hit rate ")
    assert now["seconds_left"] > 0
    text = slow("status").stdout
    assert "slow a seed 0" in text
    (slow.folder / "go").touch()
    _, err = run.communicate(timeout=HANG)
    assert run.returncode == 0, err
    assert files(slow) == {"curve.parquet", "result.json"}
    assert told(slow) == {**row, "running": 0, "finished": 1, "now": []}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_trial_whose_run_has_ended_runs_no_more(slow: Study, sent: signal.Signals) -> None:
    run = slow.begin(*TUNE, "--in-process")
    wait_until(lambda: {"running.json", "checkpoint.pt"} <= files(slow), "a word of the trial")
    os.killpg(run.pid, sent)
    run.communicate(timeout=HANG)
    if sent == signal.SIGKILL:
        (path,) = slow.folder.glob("results/trials/*/running.json")
        said = json.loads(path.read_text())
        before = datetime.now(UTC) - timedelta(seconds=3 * said["again_within"] + 16)
        del said["sha256"]
        path.write_bytes(encoded({**said, "updated": before.isoformat()}))
    else:
        assert "running.json" not in files(slow)
    row = told(slow)
    assert (row["running"], row["begun"], row["now"]) == (0, 1, [])
    (slow.folder / "go").touch()
    assert slow(*TUNE, "--in-process").returncode == 0
    assert files(slow) == {"curve.parquet", "result.json"}


def test_a_word_that_is_damaged_is_named_and_left_out(slow: Study) -> None:
    run = slow.begin(*TUNE, "--in-process")
    wait_until(lambda: "running.json" in files(slow), "a word of the trial")
    run.kill()
    run.communicate(timeout=HANG)
    (path,) = slow.folder.glob("results/trials/*/running.json")
    path.write_text(path.read_text().replace('"step": ', '"step": 1'))
    done = slow("status", "--json")
    assert json.loads(done.stdout)[0]["running"] == 0
    assert f"{path}: the checksum does not match" in done.stderr


def test_curves_of_running_trials_have_some_of_their_points_and_the_newest(slow: Study) -> None:
    run = slow.begin(*TUNE, "--in-process")
    wait_until(lambda: "running.json" in files(slow), "a word of the trial")
    store = TrialStore(slow.folder / "results")
    (key,) = store.states().running
    found, problems = running(store, [key])
    series = found[key]["series"]["loss"]
    assert (problems, series["steps"][-1]) == ([], found[key]["step"])
    assert series["values"][-1] == 1 / found[key]["step"]
    assert found[key]["metrics"].keys() == {"loss", "hit_rate"}
    (slow.folder / "go").touch()
    assert run.wait(timeout=HANG) == 0


@pytest.mark.parametrize("how", ["file", "terminal", "json"])
def test_watched_it_is_told_anew_until_all_is_over(slow: Study, how: str) -> None:
    terminal, words = how == "terminal", ["--json"] if how == "json" else []
    run = slow.begin(*TUNE, "--in-process")
    wait_until(lambda: "running.json" in files(slow), "a word of the trial")
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "study", "status", "--watch", *words],
        cwd=slow.folder, env={**slow.environment, "TERM": "xterm"}, stderr=subprocess.STDOUT,
        stdout=theirs if terminal else (slow.folder / "said").open("w"),
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    if terminal:
        while b"slow a seed 0" not in shown:
            shown += os.read(ours, 1 << 16)
    else:
        first = '"arm": "a"' if words else "slow a seed 0"
        wait_until(lambda: first in (slow.folder / "said").read_text(), "the first view")
    (slow.folder / "go").touch()
    assert run.wait(timeout=HANG) == 0
    if terminal:
        while True:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # the other side was closed
                break
    os.close(ours)
    assert watching.wait(timeout=HANG) == 0
    said = shown.decode() if terminal else (slow.folder / "said").read_text()
    if words:
        rows = [json.loads(line)[0] for line in said.splitlines()]
        assert (rows[0]["running"], rows[-1]["running"], rows[-1]["finished"]) == (1, 0, 1)
        return
    # Trials, finished, stopped, running.
    assert re.findall(r"slow +(\d+) +(\d+) +(\d+) +(\d+)", said)[-1] == ("1", "1", "0", "0")


def test_a_storage_that_takes_no_word_hinders_no_trial(slow: Study) -> None:
    (slow.folder / "go").touch()
    (slow.folder / "refuses.py").write_text(
        "from study.store import running_file\n"
        "from study.store.files import StorageError\n"
        "def refuse(*given): raise StorageError('no space')\n"
        "running_file.write = refuse\n"
        "import study\n"
        "print(len(study.run('slow.py', seeds=1, in_process=True)))\n"
    )
    words = [sys.executable, "refuses.py"]
    environment = {**slow.environment, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        words, cwd=slow.folder, env=environment, capture_output=True, text=True, timeout=HANG
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
