"""Searching against the same sampler in Optuna alone: what is found, what it costs besides, what a SIGKILL leaves.

    python benchmarks/search.py quality --repeats 10      # what is found, on a function with a known optimum
    python benchmarks/search.py overhead --trials 1000    # seconds for a suggestion, with everything that is recorded
    python benchmarks/search.py kill --repeats 3          # killed at half of the budget, and started again

`quality` searches Hartmann's function of six variables (minimum -3.32237) with noise that a seed fixes: what counts is
the value without noise at the point with the best score so far. Optuna is given the same space, the same points to
start with, the same noise, and as many trials, with its own defaults otherwise. `kill` sends SIGKILL when half of the
trials have ended: to `study`, and to Optuna with its SQLite storage, which is then resumed as its documentation says.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

BUDGET, NOISE = 64, 0.1
AT = (16, 32, 64)
VARIABLES = [f"x{i}" for i in range(6)]

STUDY_FILE = '''"""Where is the minimum?"""
import random, sys, time
sys.path.insert(0, {here!r})
from ray import tune
import study
from search import NOISE, VARIABLES, hartmann

class Hartmann(study.Training):
    class Config(study.Config):
        x0: float = 0.5
        x1: float = 0.5
        x2: float = 0.5
        x3: float = 0.5
        x4: float = 0.5
        x5: float = 0.5
        repeat: int = 0
        pause: float = 0.0

    metrics = (study.lower("value"), study.lower("noisy"))
    selected_by, version = "noisy", "1"

    def __init__(self, config, data, seed, device):
        self.steps, self.config = 10, config
        self.noise = random.Random(f"{{seed}} {{config.repeat}}").gauss(0, NOISE)

    def step(self, t):
        time.sleep(self.config.pause / 10)
        value = hartmann([getattr(self.config, name) for name in VARIABLES])
        return {{"value": value, "noisy": value + random.gauss(0, NOISE)}}

STUDY = study.Study(
    title="Hartmann", training=Hartmann, budget={budget}, sampler={sampler!r}, finalists=1, seeds=2,
    search={{name: tune.uniform(0.0, 1.0) for name in VARIABLES}},
)
'''


def hartmann(x: list[float]) -> float:
    """Hartmann's function of six variables in [0, 1] (Dixon and Szego, Towards Global Optimisation 2, 1978)."""
    weights = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    return float(-weights @ np.exp(-(a * (np.array(x) - p) ** 2).sum(axis=1)))


def reached(noisy: list[float], values: list[float]) -> list[float]:
    """The value without noise of the point with the best score so far, after AT trials."""
    return [values[int(np.argmin(noisy[:n]))] for n in AT]


def of_study(sampler: str, repeat: int, folder: Path) -> list[float]:
    """A whole search by `study`, in this process."""
    import study
    from analysis import load
    from study.store.trial_store import searched_keys

    file = folder / "hartmann.py"
    file.write_text(STUDY_FILE.format(here=str(Path(__file__).parent), budget=BUDGET, sampler=sampler))
    storage = folder / f"{sampler}{repeat}"
    study.run(file, storage=storage, overrides={"repeat": repeat}, in_process=True, progress=False)
    results = load(storage)
    trials = results.trials.set_index("key").loc[searched_keys(results.studies["hartmann"])]
    return reached(trials.noisy.tolist(), trials.value.tolist())


def of_optuna(sampler: str, repeat: int) -> list[float]:
    """The same by Optuna alone."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {
        "tpe": optuna.samplers.TPESampler, "cmaes": optuna.samplers.CmaEsSampler,
        "gp": optuna.samplers.GPSampler, "random": optuna.samplers.RandomSampler,
    }  # fmt: skip
    found = optuna.create_study(sampler=kinds[sampler](seed=repeat))
    found.enqueue_trial(dict.fromkeys(VARIABLES, 0.5))
    noisy, values = [], []
    for _ in range(BUDGET):
        trial = found.ask()
        values.append(hartmann([trial.suggest_float(name, 0.0, 1.0) for name in VARIABLES]))
        noisy.append(values[-1] + random.Random(f"{trial.params} {repeat}").gauss(0, NOISE))
        found.tell(trial, noisy[-1])
    return reached(noisy, values)


def quality(samplers: list[str], repeats: int) -> None:
    """Print what was reached, mean and 95 % interval over repeats."""
    from analysis.statistics import mean_of

    print(
        f"value at the best point, {repeats} repeats, minimum -3.322; after {', '.join(map(str, AT))} trials"
    )
    with tempfile.TemporaryDirectory() as name:
        for sampler in samplers:
            ways = {
                "study": [of_study(sampler, repeat, Path(name)) for repeat in range(repeats)],
                "Optuna": [of_optuna(sampler, repeat) for repeat in range(repeats)],
            }
            for way, rows in ways.items():
                columns = [mean_of(column) for column in zip(*rows, strict=True)]
                said = "  ".join(f"{one.mean:.3f} ± {one.half_width:.3f}" for one in columns)
                print(f"{sampler:<7} {way:<7} {said}")


@contextlib.contextmanager
def timed(owner: Any, name: str) -> Iterator[list[float]]:
    """The seconds of each call of this method."""
    method, seconds = getattr(owner, name), list[float]()

    def measured(*words: Any, **more: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*words, **more)
        finally:
            seconds.append(time.perf_counter() - started)

    setattr(owner, name, measured)
    try:
        yield seconds
    finally:
        setattr(owner, name, method)


def overhead(sampler: str, trials: int) -> None:
    """Print milliseconds for a suggestion: with what `study` records and, of that, what Optuna's sampler takes."""
    import study
    from study.search.sampler import Sampler
    from study.search.search import Search

    with (
        tempfile.TemporaryDirectory() as name,
        timed(Search, "_suggest") as whole,
        timed(Sampler, "suggest") as of_optuna,
    ):
        file = Path(name) / "hartmann.py"
        file.write_text(STUDY_FILE.format(here=str(Path(__file__).parent), budget=trials, sampler=sampler))
        study.run(file, storage=Path(name) / "r", in_process=True, progress=False)
    mean, alone, last = (1000 * np.mean(part) for part in (whole, of_optuna, whole[-len(whole) // 10 :]))
    print(
        f"{sampler:<7} {trials} trials: {mean:.1f} ms each, of which Optuna {alone:.1f}; the last tenth {last:.1f}"
    )


def kill(repeats: int, pause: float = 0.3) -> None:
    """Print how many trials were trained in all, for a budget of BUDGET, with a SIGKILL at half of it."""
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            file = folder / "hartmann.py"
            file.write_text(STUDY_FILE.format(here=str(Path(__file__).parent), budget=BUDGET, sampler="tpe"))
            changed = ["--set", f"repeat={repeat}", "--set", f"pause={pause}"]
            words = [
                sys.executable,
                "-m",
                "study",
                "tune",
                str(file),
                "--storage",
                str(folder / "r"),
                *changed,
            ]
            _killed_and_resumed(words, lambda folder=folder: len([*folder.glob("r/trials/*/result.json")]))
            from study.store.trial_store import TrialStore, searched_keys

            store = TrialStore(folder / "r")
            keys = searched_keys(store.study("hartmann"))
            continued = [len(store.result(key)["provenance"].get("continued", [])) for key in keys]
            print(
                f"study:  {len(keys)} trials of {BUDGET}, of which {sum(map(bool, continued))} were continued"
            )
            script = [
                sys.executable,
                __file__,
                "optuna-peer",
                "--file",
                str(folder / "peer.db"),
                "--pause",
                str(pause),
            ]
            _killed_and_resumed(script, lambda folder=folder: _complete(folder / "peer.db"))
            with sqlite3.connect(folder / "peer.db") as database:
                states = dict(
                    database.execute("select state, count(*) from trials group by state").fetchall()
                )
            print(f"Optuna: {states}")


def _complete(database: Path) -> int:
    if not database.exists():
        return 0
    with sqlite3.connect(database) as opened:
        try:
            return int(opened.execute("select count(*) from trials where state = 'COMPLETE'").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet
            return 0


def _killed_and_resumed(words: list[str], done: Any) -> None:
    process = subprocess.Popen(
        words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while done() < BUDGET // 2 and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(words, check=True, capture_output=True)


def optuna_peer(file: str, pause: float) -> None:
    """What a user of Optuna runs, and runs again after a crash: two trials at a time until the budget is reached."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = optuna.create_study(
        storage=f"sqlite:///{file}",
        study_name="peer",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(),
    )

    def objective(trial: optuna.Trial) -> float:
        time.sleep(pause)
        return hartmann([trial.suggest_float(name, 0.0, 1.0) for name in VARIABLES])

    complete = len(found.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    found.optimize(objective, n_trials=BUDGET - complete, n_jobs=2)


def main() -> None:
    """Do what the words say."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=["quality", "overhead", "kill", "optuna-peer"])
    words.add_argument("--samplers", default="tpe,cmaes,random")
    words.add_argument("--repeats", type=int, default=10)
    words.add_argument("--trials", type=int, default=1000)
    words.add_argument("--file", default="")
    words.add_argument("--pause", type=float, default=0.3)
    given = words.parse_args()
    if given.what == "quality":
        quality(given.samplers.split(","), given.repeats)
    elif given.what == "overhead":
        for sampler in given.samplers.split(","):
            overhead(sampler, given.trials)
    elif given.what == "kill":
        kill(given.repeats)
    else:
        optuna_peer(given.file, given.pause)


if __name__ == "__main__":
    main()
