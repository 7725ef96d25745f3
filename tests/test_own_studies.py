"""Studies of a class in the study file itself, from the command line: same bits, keys by meaning, errors in a line."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import HANG, wait_until
from conftest import Study as Command

FILE = '''"""Does a larger step help?"""
import random, time
import numpy as np
from ray import tune
import study
{imports}

class Own(study.Training):
    """What it is."""
    class Config(study.Config):
        lr: float = 0.1
        updates: int = 60
        pause: float = 0.0

    metrics = (study.lower("loss"), study.lower("mean", counts="tail"))
    watched = "mean"
    state = ("x", "path")

    @staticmethod
    def data():
        return np.arange(5.0)

    def __init__(self, config, data, seed, device):
        assert not data.flags.writeable
        self.config, self.steps, self.x, self.path, self.shift = config, config.updates, 1.0, np.zeros(2), data.sum()

    def step(self, t):
        time.sleep(self.config.pause)
        self.x -= self.config.lr * (self.x + random.gauss(0, {noise}))  # one step
        self.path = self.path + np.random.normal(size=2)
        row = {{"mean": self.x + self.path.sum() + self.shift}}
        return {{**row, "loss": self.x**2}} if t % 10 == 9 else row


STUDY = study.Study(title="{title}", training=Own, scientific={{"lr": tune.grid_search([0.1, 0.5])}})
'''


def write(folder: Path, imports: str = "", noise: str = "0.1", title: str = "Steps") -> None:
    (folder / "own.py").write_text(FILE.format(imports=imports, noise=noise, title=title))


def curves(folder: Path) -> dict[str, tuple[bytes, Any]]:
    found = {}
    for path in folder.glob("trials/*/result.json"):
        result = json.loads(path.read_text())
        found[path.parent.name] = (
            path.with_name("curve.parquet").read_bytes(),
            result["metrics"],
            result["weights_sha256"],
        )
    return found


def keys(command: Command) -> set[str]:
    plan = json.loads(command("plan", "own.py", "--seeds", "1", "--json").stdout)
    return {trial["key"] for trial in plan["pending"]}


def test_through_ray_and_in_process_it_gives_the_same_bits_even_after_a_kill(study: Command) -> None:
    write(study.folder)
    whole = study("tune", "own.py", "--seeds", "2", "--in-process", "--storage", "whole")
    assert whole.returncode == 0, whole.stderr
    words = ["tune", "own.py", "--seeds", "2", "--checkpoint-every", "0.1"]
    slow = study.begin(*words, "--set", "pause=0.05", "--storage", "slow")
    begun = study.folder / "slow/trials"
    wait_until(lambda: bool([*begun.glob("*/checkpoint.pt")]), "a checkpoint")
    os.killpg(slow.pid, signal.SIGKILL)
    slow.communicate()
    done = study(*words, "--set", "pause=0.05", "--storage", "slow")
    assert done.returncode == 0, done.stderr
    assert "continues at step" in done.stderr
    # The pause is a hyperparameter, so these are other trials; what they measured is the same.
    bits = [sorted(map(str, curves(study.folder / name).values())) for name in ("whole", "slow")]
    assert bits[0] == bits[1]
    assert "Steps" in done.stdout
    results = [json.loads(path.read_text()) for path in begun.glob("*/result.json")]
    continued = [one for result in results for one in result["provenance"].get("continued", [])]
    assert continued
    assert all(0 < one["step"] < results[0]["steps"] and one["node"] == platform.node() for one in continued)
    undisturbed = (study.folder / "whole/trials").glob("*/result.json")
    assert not any("continued" in json.loads(path.read_text())["provenance"] for path in undisturbed)


def test_a_key_follows_from_what_the_source_means(study: Command) -> None:
    write(study.folder)
    first = keys(study)
    (study.folder / "helper.py").write_text("SCALE = 1\n")
    write(study.folder, title="Another title")
    text = (study.folder / "own.py").read_text()
    (study.folder / "own.py").write_text(
        text.replace("# one step", "").replace('"""What it is."""', '"""Else."""')
    )
    assert keys(study) == first
    write(study.folder, noise="0.2")
    assert not keys(study) & first
    write(study.folder, imports="import helper")
    with_helper = keys(study)
    assert not with_helper & first
    (study.folder / "helper.py").write_text("SCALE = 2\n")
    assert not keys(study) & with_helper
    (study.folder / "helper.py").write_text('"""Scales."""\nSCALE = 1  # as it was\n')
    assert keys(study) == with_helper


def test_two_trainings_of_one_name_are_not_mixed_up(study: Command) -> None:
    write(study.folder)
    (study.folder / "other.py").write_text(
        (study.folder / "own.py").read_text().replace("self.x**2", "self.x**4")
    )
    done = study("plan", "own.py", "other.py")
    assert done.returncode == 2
    assert "Two trainings are called 'Own'" in done.stderr
    (study.folder / "same.py").write_text((study.folder / "own.py").read_text())
    assert study("plan", "own.py", "same.py").returncode == 0


def test_a_training_edited_while_its_study_runs_is_trained_to_the_end_as_it_was(study: Command) -> None:
    write(study.folder)
    words = ["tune", "own.py", "--seeds", "1", "--set", "pause=0.05"]
    run = study.begin(*words)
    wait_until(lambda: bool([*study.folder.glob("results/trials/*/lock")]), "a first trial")
    write(study.folder, noise="5.0")
    _, err = run.communicate(timeout=HANG)
    assert run.returncode == 0, err
    again = study(*words)  # the edited one is another training
    assert "2 trials: 2 to train" in again.stderr


def test_an_error_of_one_trial_leaves_the_others_and_says_its_line(study: Command) -> None:
    write(study.folder)
    text = (study.folder / "own.py").read_text()
    wrong = text.replace("time.sleep(self.config.pause)", "assert self.config.lr < 0.3, 'too fast'")
    (study.folder / "own.py").write_text(wrong)
    done = study("tune", "own.py", "--seeds", "2")
    assert done.returncode == 1
    assert done.stderr.count("AssertionError: too fast") >= 2
    assert len(curves(study.folder / "results")) == 2
    (row,) = json.loads(study("status", "--json").stdout)
    assert (row["finished"], row["failed"], row["missing"]) == (2, 2, 0)
    alone = study("tune", "own.py", "--seeds", "2", "--in-process")
    assert alone.returncode == 1
    assert "Traceback" in alone.stderr
    assert "assert self.config.lr < 0.3" in alone.stderr  # as a debugger would find it


def test_options_of_hyperparameters_that_the_training_lacks_name_it(study: Command) -> None:
    write(study.folder)
    for words in (["--epochs", "3"], ["--dataset", "x"], ["--set", "updatse=3"]):
        done = study("plan", "own.py", *words)
        assert done.returncode == 2
        assert "Own, the training of own, has no hyperparameter" in done.stderr
    assert "did you mean 'updates'" in done.stderr


def test_an_exit_in_a_training_is_a_failure_without_ray_too(study: Command) -> None:
    write(study.folder)
    text = (study.folder / "own.py").read_text()
    (study.folder / "own.py").write_text(text.replace("time.sleep(self.config.pause)", "raise SystemExit(0)"))
    done = study("tune", "own.py", "--seeds", "1", "--in-process")
    assert done.returncode == 1
    assert "the training called exit(0)" in done.stderr


def test_a_metric_that_was_not_declared_is_a_failure_with_or_without_ray(study: Command) -> None:
    write(study.folder)
    text = (study.folder / "own.py").read_text()
    (study.folder / "own.py").write_text(text.replace('{**row, "loss"', '{**row, "reward"'))
    for words in ([], ["--in-process"]):
        done = study("tune", "own.py", "--seeds", "1", *words)
        assert done.returncode == 1
        said = " ".join(done.stderr.split())
        assert "measures 'reward', which is no declared metric (declared: loss, mean" in said


def test_a_trial_that_takes_too_long_is_a_failure_without_ray_too(study: Command) -> None:
    write(study.folder)
    words = ["--set", "pause=30", "--trial-timeout", "0.5"]
    done = study("tune", "own.py", "--seeds", "1", "--in-process", *words)
    assert done.returncode == 1
    assert "failed: took longer than --trial-timeout 0.5" in done.stderr


NOTEBOOK = """
import random
import study
from ray import tune

class Mine(study.Training):
    {version}
    metrics = (study.lower("loss"),)
    class Config(study.Config):
        lr: float = 0.1
    def __init__(self, config, data, seed, device):
        self.steps = 3
    def step(self, t):
        return {{"loss": random.random()}}

mine = study.Study(title="Mine", training=Mine, scientific={{"lr": tune.grid_search([0.1, 0.2])}})
print(len(study.run(mine, seeds=1, storage="results", progress=False)))
"""


def test_a_class_of_a_notebook_is_trained_if_it_has_a_version(tmp_path: Path) -> None:
    def run(version: str) -> subprocess.CompletedProcess[str]:
        # Code without a file, as a notebook's is.
        code = f"exec(compile({NOTEBOOK.format(version=version)!r}, '<cell>', 'exec'))"
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)

    refused = run("").stderr
    assert "give it a version" in refused
    assert "study.function(..., version='1')" in refused
    done = run("version = '1'")
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


LOCKED = """
import threading
import study
from ray import tune

LOCK = threading.Lock()

class Locked(study.Training):
    metrics = (study.lower("loss"),)
    class Config(study.Config):
        lr: float = 0.1
    def __init__(self, config, data, seed, device):
        self.steps = 1
    def step(self, t):
        with LOCK:
            return {"loss": 1.0}

STUDY = study.Study(title="Locked", training=Locked, scientific={"lr": tune.grid_search([0.1, 0.2])})
"""


def test_a_training_that_can_t_be_pickled_is_said_before_anything_is_written(study: Command) -> None:
    (study.folder / "locked.py").write_text(LOCKED)
    refused = study("tune", "locked.py", "--seeds", "1")
    assert refused.returncode == 2, refused.stderr
    assert "Locked can't be sent to Ray's workers: TypeError: cannot pickle '_thread.lock'" in refused.stderr
    assert "--in-process" in refused.stderr
    assert not list(study.folder.glob("results/studies/*"))
    assert study("tune", "locked.py", "--seeds", "1", "--in-process").returncode == 0
