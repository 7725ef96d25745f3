"""Searching with `study`, with Ray Tune and OptunaSearch, and with Optuna alone: what is found, and what it costs.

    python benchmarks/search.py quality --repeats 10                 # what is found, and in which time
    python benchmarks/search.py quality --of digits --repeats 10     # of the report's network on digits
    python benchmarks/search.py quality --of mnist --repeats 10      # and on a part of MNIST, from $STUDY_DATA
    python benchmarks/search.py kill --repeats 3                     # killed at half of the budget, and started again
    python benchmarks/search.py overhead --trials 1000               # milliseconds for a suggestion
    python benchmarks/search.py truth --repeats 200                  # how often a flat function's best is called better

All tools minimise the same (benchmarks/problems.py) from the same first point, by the same sampler of Optuna with its
own seed, one trial at a time. `quality`: what the point with the best score so far is worth, which is its value without
noise, or its error on the test set. `kill`: two trials of two seconds at a time; SIGKILL to the whole group of
processes when half of the steps are done; then each tool is started again as its documentation says. `truth`: nothing
matters, so that each "better than the baseline" is false.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from counted import STEPS
from problems import MINIMUM, PROBLEMS

HERE = Path(__file__).parent
TOOLS, BUDGET, AT = ("study", "search_ray_tune", "search_optuna"), 64, (16, 32, 64)
AT_SECONDS = (15, 30, 60)  # since the command
SECONDS = 2.0  # of a trial, where processes are killed

STUDY_FILE = '''"""Where is the minimum?"""
import sys
sys.path.insert(0, {here!r})
import study
from counted import STEPS, step
from problems import PROBLEMS, VARIABLES, domains, hartmann, noise

class Hartmann(study.Training):
    class Config(study.Config):
        x0: float = 0.5
        x1: float = 0.5
        x2: float = 0.5
        x3: float = 0.5
        x4: float = 0.5
        x5: float = 0.5
        repeat: int = 0
        seconds: float = 0.0
        flat: bool = False

    metrics = (study.lower("value"), study.lower("noisy"))
    selected_by, version = "noisy", "1"

    def __init__(self, config, data, seed, device):
        self.steps, self.config, self.seed = STEPS, config, seed

    def step(self, t):
        step(self.config.seconds / STEPS)
        x = [getattr(self.config, name) for name in VARIABLES]
        off = noise(x, self.seed, self.config.repeat)
        if self.config.flat:
            return {{"value": off, "noisy": off}}
        return {{"value": hartmann(x), "noisy": hartmann(x) + off}}

STUDY = study.Study(
    title="Hartmann", training=Hartmann, budget={budget}, sampler={sampler!r}, finalists=1, seeds={seeds},
    search=domains(PROBLEMS["hartmann"].space),
)
'''


NETWORK_FILE = '''"""Which hyperparameters suit the network?"""
import sys
sys.path.insert(0, {here!r})
from study import Study
from problems import PROBLEMS, domains, network_config

NETWORK = PROBLEMS[{of!r}]
STUDY = Study(
    title="Minimum", fixed=network_config({of!r}, {repeat}), budget={budget}, sampler={sampler!r}, finalists=1, seeds=2,
    search=domains(NETWORK.space), start=[NETWORK.start],
)
'''


def study_file(folder: Path, sampler: str = "tpe", budget: int = BUDGET, seeds: int = 2) -> Path:
    file = folder / "minimum.py"
    file.write_text(STUDY_FILE.format(here=str(HERE), budget=budget, sampler=sampler, seeds=seeds))
    return file


def network_file(folder: Path, of: str, sampler: str, repeat: int) -> Path:
    file = folder / "minimum.py"
    file.write_text(NETWORK_FILE.format(here=str(HERE), of=of, budget=BUDGET, sampler=sampler, repeat=repeat))
    return file


def command(
    tool: str,
    folder: Path,
    sampler: str,
    repeat: int,
    of: str = "hartmann",
    seconds: float = 0.0,
    at_once: int = 1,
) -> list[str]:
    """The whole search, or the rest of it."""
    if tool != "study":
        return [
            sys.executable, str(HERE / "peers" / f"{tool}.py"), "--folder", str(folder), "--sampler", sampler,
            "--repeat", f"{repeat}", "--seconds", f"{seconds}", "--at-once", f"{at_once}", "--of", of,
        ]  # fmt: skip
    if of != "hartmann":
        words = [str(network_file(folder, of, sampler, repeat)), "--cpus-per-trial", "1"]
    else:
        file = str(study_file(folder, sampler))
        words = [file, "--set", f"repeat={repeat}", "--set", f"seconds={seconds}", "--checkpoint-every", "0"]
    return [
        sys.executable, "-m", "study", "tune", *words, "--storage", str(folder / "r"),
        "--max-concurrent", f"{at_once}",
    ]  # fmt: skip


def found(tool: str, folder: Path, of: str = "hartmann") -> np.ndarray:
    """[trials, 3]: of each in order its score, what it is worth, and when it ended (seconds since 1970)."""
    if tool != "study":
        return np.array(json.loads((folder / "results.json").read_text()))
    from analysis import load
    from study.store.trial_store import searched_keys

    results = load(folder / "r")
    rows = results.trials.set_index("key").loc[searched_keys(results.studies["minimum"])]
    measured = (
        rows[["noisy", "value"]] if of == "hartmann" else 1 - rows[["validation_accuracy", "test_accuracy"]]
    )
    ended = [(folder / f"r/trials/{key}/result.json").stat().st_mtime for key in rows.index]
    return np.column_stack([measured.fillna(1.0).to_numpy(), ended])  # diverged, as the peers call it


def start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "STEPS_FILE": str(folder / "steps"), "PYTHONPATH": str(HERE)}
    return subprocess.Popen(
        words, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def run(words: list[str], folder: Path) -> float:
    """Seconds from the start to the end of a command that must succeed."""
    began = time.perf_counter()
    if code := start(words, folder).wait():
        raise SystemExit(f"exit code {code}: {' '.join(words)}")
    return time.perf_counter() - began


def quality(of: str, tools: list[str], samplers: list[str], repeats: int) -> None:
    """Print what was reached, mean and 95 % interval over repeats, and the seconds of a search."""
    from analysis.statistics import mean_of

    after = [*(f"after {n}" for n in AT), *(f"in {n} s" for n in AT_SECONDS), "median seconds"]
    print(f"| sampler | tool | {' | '.join(after)} |\n|---|---|{'--:|' * len(after)}")
    for sampler in samplers:
        for tool in tools if sampler == "tpe" else [one for one in tools if one != "search_ray_tune"]:
            rows, seconds = [], []
            for repeat in range(repeats):
                with tempfile.TemporaryDirectory() as name:
                    folder, began = Path(name), time.time()
                    seconds.append(run(command(tool, folder, sampler, repeat, of), folder))
                    tried = found(tool, folder, of)
                    ended = [int((tried[:, 2] <= began + limit).sum()) for limit in AT_SECONDS]
                    rows.append(
                        [tried[int(tried[:n, 0].argmin()), 1] if n else np.nan for n in [*AT, *ended]]
                    )
            reached = [mean_of(column) if np.isfinite(column).all() else None for column in np.array(rows).T]
            said = [
                (f"{one.mean:.3f}" + f" ± {one.half_width:.3f}" * (repeats > 1)) if one else ""
                for one in reached
            ]
            print(f"| {sampler} | {tool} | {' | '.join(said)} | {np.median(seconds):.1f} |", flush=True)
    print(f"{repeats} repeats" + (f", minimum {MINIMUM}" if of == "hartmann" else ""))


def kill(repeats: int) -> None:
    """Print how many steps were done in all, of those that the budget needs, with a SIGKILL at half of them."""
    needed = BUDGET * STEPS
    print("| tool | steps done again | trials in the end | seconds |\n|---|--:|--:|--:|")
    for tool in TOOLS:
        for repeat in range(repeats):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                words = command(tool, folder, "tpe", repeat, seconds=SECONDS, at_once=2)
                began, process = time.perf_counter(), start(words, folder)
                while steps_done(folder) < needed // 2 and process.poll() is None:
                    time.sleep(0.05)
                if process.poll() is not None:
                    print(f"| {tool} | ended by itself, exit code {process.returncode} | | |", flush=True)
                    continue
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                run(words, folder)
                # What `study` trains afterwards is told by another seed, and is no part of the search.
                more = 2 * STEPS if tool == "study" else 0
                print(
                    f"| {tool} | {steps_done(folder) - needed - more} of {needed} | {len(found(tool, folder))} | "
                    f"{time.perf_counter() - began:.0f} |",
                    flush=True,
                )


def steps_done(folder: Path) -> int:
    steps = folder / "steps"
    return steps.stat().st_size if steps.exists() else 0


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
        timed(Search, "next") as whole,
        timed(Sampler, "suggest") as of_optuna,
    ):
        os.environ["STEPS_FILE"] = f"{name}/steps"
        file = study_file(Path(name), sampler, trials)
        study.run(file, storage=Path(name) / "r", in_process=True, progress=False)
    mean, alone, last = (1000 * np.mean(part) for part in (whole, of_optuna, whole[-len(whole) // 10 :]))
    print(
        f"{sampler:<7} {trials} trials: {mean:.1f} ms each, of which Optuna {alone:.1f}; the last tenth {last:.1f}",
        flush=True,
    )


def truth(repeats: int, budget: int = 16) -> None:
    """Print how often the best of a flat function is called better than the baseline, from five seeds of each."""
    import study
    from analysis import load
    from analysis.claims import verdicts
    from analysis.judging import REPRODUCED
    from study.store.trial_store import searched_keys

    false, gains = 0, []
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            os.environ["STEPS_FILE"] = f"{name}/steps"
            file = study_file(Path(name), budget=budget, seeds=6)
            study.run(
                file, storage=Path(name) / "r", overrides={"flat": True, "repeat": repeat},
                in_process=True, progress=False,
            )  # fmt: skip
            results = load(Path(name) / "r")
            (verdict,) = verdicts(results, "minimum")
            false += verdict.verdict == REPRODUCED
            keys = searched_keys(results.studies["minimum"])
            scores = results.trials.set_index("key").noisy[keys]
            gains.append(scores.iloc[0] - scores.min())
    print(
        f"flat: the search claims a gain of {np.mean(gains):.3f} on average ({budget} trials, noise 0.1); "
        f"better than the baseline with other seeds: {false} of {repeats} ({100 * false / repeats:.1f} %)"
    )


def main() -> None:
    """Do what the words say."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=["quality", "kill", "overhead", "truth"])
    words.add_argument("--of", choices=PROBLEMS, default="hartmann", help="what `quality` minimises")
    words.add_argument("--tools", default=",".join(TOOLS))
    words.add_argument("--samplers", default="tpe,cmaes,random")
    words.add_argument("--repeats", type=int, default=10)
    words.add_argument("--trials", type=int, default=1000)
    given = words.parse_args()
    if given.what == "quality":
        quality(given.of, given.tools.split(","), given.samplers.split(","), given.repeats)
    elif given.what == "kill":
        kill(given.repeats)
    elif given.what == "truth":
        truth(given.repeats)
    else:
        for sampler in given.samplers.split(","):
            overhead(sampler, given.trials)


if __name__ == "__main__":
    main()
