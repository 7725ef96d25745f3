"""`study check` finds the trainings that would not continue to the same bits, and says what is wrong with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Study

FILE = '''"""Does it hold?"""
import collections, os, random
import numpy as np
import study

CALLS = []


class Faulty(study.Training):
    class Config(study.Config):
        lr: float = 0.5
        updates: int = 40

    metrics = (study.lower("loss"), study.lower("held_out"))
    state = ("x",)

    def __init__(self, config, data, seed, device):
        self.lr, self.steps, self.x = config.lr, config.updates, 1.0
        {init}

    def step(self, t):
        self.x -= self.lr * (self.x + random.gauss(0, 0.1))
        {step}
        row = {{"loss": self.x**2}}
        return row if t + 1 < self.steps else {{**row, "held_out": self.x}}


STUDY = study.Study(title="Faulty", training=Faulty, arms={{"a": {{}}, "b": {{"lr": 0.25}}}})
'''
CONTINUED = "saved at step"

FAULTS = {
    "a running mean that is not in the state": (
        "self.mean = 0.0",
        "self.mean = 0.9 * self.mean + self.x; self.x -= 0.1 * self.mean",
        CONTINUED,
        "self.mean",
    ),
    "a count that is not in the state": ("self.n = 0", "self.n += 1; self.x += self.n", CONTINUED, "self.n"),
    "a generator of its own": (
        "self.rng = np.random.default_rng(seed)",
        "self.x += self.rng.normal()",
        CONTINUED,
        "self.rng",
    ),
    "a schedule whose effect comes later": (
        "self.n = 0",
        "self.n += 1; self.x += self.n > 35",
        CONTINUED,
        "self.n",
    ),
    "the machine's entropy": ("", "self.x += os.urandom(1)[0] / 1e6", "trained twice", "step 1: loss is"),
    "the order of a set": (
        "",
        "self.x += [*{'a', 'b', 'c', 'd', 'e', 'f'}].index('a') / 100",
        "trained twice",
        "step 1: loss is",
    ),
    "a global that another arm changes": (
        "CALLS.append(self)",
        "self.x += len(CALLS) / 10",
        "after another arm",
        "step 1: loss is",
    ),
    "the same for every seed": ("", "self.x = 0.5", "the seed changes", "seeds 0 and 1"),
    "a state that can't be saved": (
        "self.x = 1.0; self.q = collections.deque(); type(self).state = ('x', 'q')",
        "pass",
        "plain data",
        "deque",
    ),
    "a state that names nothing": ("type(self).state = ('x', 'y')", "pass", "plain data", "'y'"),
    "a metric that is never measured": ("", "return {'loss': self.x**2}", "every metric", "held_out"),
}


def checked(study: Study, init: str, step: str, *words: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what was said of each promise that is broken."""
    (study.folder / "faulty.py").write_text(FILE.format(init=init or "pass", step=step or "pass"))
    done = study("check", "faulty.py", "--json", *words)
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, {found["promise"]: found["said"] for found in findings if not found["kept"]}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(study: Study, fault: str) -> None:
    init, step, promise, said = FAULTS[fault]
    code, broken = checked(study, init, step)
    assert code == 1
    found = [text for name, text in broken.items() if name.startswith(promise) or promise in name]
    assert found, broken
    assert said in found[0]


TOLD = '''"""Does it answer?"""
import os
import numpy as np
import study

class Told(study.Training):
    metrics = (study.higher("hit_rate", "%", cases="cases"),)
    state = ("hits",)
    facts = {{"cases": 8}}

    def __init__(self, config, data, seed, device):
        self.steps, self.hits = {steps}, np.zeros(8, bool)

    def step(self, t):
        self.hits = np.random.rand(8) < 0.5
        return {{"hit_rate": self.hits.mean()}}

    def correct_cases(self):
        return {told}

STUDY = study.Study(title="Told", training=Told, arms={{"a": {{}}}})
'''


@pytest.mark.parametrize("steps", [6, 1000], ids=["tried to its end", "of which the last step is tried"])
@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("{'hit_rate': self.hits}", ""),
        ("{'hit_rat': self.hits}", "did you mean 'hit_rate'"),
        ("{'hit_rate': self.hits * 1}", "returned int64 [8] for hit_rate"),
        ("{'hit_rate': self.hit}", "AttributeError: 'Told' object has no attribute 'hit'"),
        ("{'hit_rate': self.hits[1:]}", "hit_rate has 7 cases, and facts['cases'] is 8"),
        ("{'hit_rate': ~self.hits}", "of its cases are answered right"),
    ],
)
def test_cases_that_do_not_fit_the_metrics_are_found(study: Study, told: str, said: str, steps: int) -> None:
    (study.folder / "told.py").write_text(TOLD.format(told=told, steps=steps))
    done = study("check", "told.py", "--json")
    assert done.stdout, done.stderr
    findings = {found["promise"]: found for found in json.loads(done.stdout)["findings"]}
    found = findings["the cases that it answers right are told, and fit its metrics"]
    assert (done.returncode, found["kept"]) == ((1, False) if said else (0, True)), findings
    assert said in found["said"]


def test_cases_that_differ_from_run_to_run_are_found(study: Study) -> None:
    told = "{'hit_rate': np.frombuffer(os.urandom(99), np.uint8) < 128}"
    (study.folder / "told.py").write_text(TOLD.format(told=told, steps=6))
    done = study("check", "told.py")
    assert done.returncode == 1
    assert "other cases are answered right" in done.stdout


def test_a_training_that_keeps_its_promises_passes_and_its_cost_is_told(study: Study) -> None:
    assert checked(study, "", "") == (0, {})
    done = study("check", "faulty.py", "--set", "updates=30")
    assert done.returncode == 0
    assert "a trial of 30 steps about" in done.stdout
    assert "a checkpoint has" in done.stdout
    assert not list(study.folder.glob("results"))


def test_a_training_that_measures_late_passes(study: Study) -> None:
    assert checked(study, "", "if t + 1 < self.steps: return {}") == (0, {})


def test_a_training_that_fails_outright_is_said_in_a_line(study: Study) -> None:
    (study.folder / "faulty.py").write_text(FILE.format(init="raise OSError('no camera')", step="pass"))
    done = study("check", "faulty.py")
    assert done.returncode == 2
    assert "OSError: no camera" in done.stderr


def test_no_module_of_the_current_folder_goes_before_what_is_installed(study: Study) -> None:
    (study.folder / "numpy.py").write_text("raise SystemExit('taken over')")
    program = Path(sys.executable).with_name("study")
    (study.folder / "faulty.py").write_text(FILE.format(init="pass", step="pass"))
    words = [str(program), "check", "faulty.py"]
    done = subprocess.run(words, cwd=study.folder, env=study.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_recipe_keeps_its_promises(study: Study) -> None:
    small = ("--set", "dataset=digits", "--set", "epochs=1", "--set", "width=2")
    done = study("check", "momentum", "--steps", "3", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken" not in done.stdout


@pytest.mark.parametrize("kind", ["class", "function", "script"])
def test_what_study_new_writes_passes_and_trains(study: Study, kind: str) -> None:
    made = study("new", "mine", f"--{kind}")
    assert made.returncode == 0, made.stderr
    done = study("check", "mine.py", "--steps", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken" not in done.stdout
    assert ("a step takes" in done.stdout) == (kind == "class")
    assert ("a trial takes about" in done.stdout) == (kind == "function")
    assert study("tune", "mine.py", "--in-process", "--seeds", "1").returncode == 0
    again = study("new", "mine", f"--{kind}")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert Path(study.folder, "mine.py").read_text().startswith('"""')


def test_a_new_study_does_not_take_the_name_of_one_that_is_there(study: Study) -> None:
    done = study("new", "network_width")
    assert done.returncode == 2
    assert "is the name of a study that comes with study" in done.stderr
    assert not list(study.folder.glob("network_width.py"))
