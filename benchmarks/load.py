"""What many trials cost before and after their training: planning and reading a storage of 10,000.

    python benchmarks/load.py                            # three shapes of 10,000 trials: about four minutes
    python benchmarks/load.py --shapes 10x100            # arms x seeds
    python benchmarks/load.py --of plan status tables verify report tune

Each is a process of its own, `study` as a user starts it; of several runs the fastest counts. `tables` reads
the storage and computes its table, and `curves` reads every step; `tune` is a study with nothing left to
train. It needs 0.2 GB of disk for a while.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is heavy is imported in the process that makes a storage: a process counts the memory of the one that
# started it as its own.

STEPS = 469  # of one epoch of MNIST in batches of 128
MEASURED = ("test_top5", "test_loss", "train_accuracy", "train_loss")
SHAPES = ("10x1000", "1000x10", "10000x1")
STUDY = """from ray import tune
from study import Study

STUDY = Study(
    title="Load",
    scientific={{"lr": tune.grid_search([(i + 1) / 1000 for i in range({arms})])}},
    fixed={{"dataset": "digits"}},
)
"""
TABLES = "import sys; from analysis import load, tables; tables.arm_table(load(sys.argv[1]), 'load')"
CURVES = "import sys; from analysis import load; of = load(sys.argv[1]); of.curves(of.trials.key)"


def made(folder: Path, arms: int, seeds: int) -> None:
    """A study file, and a storage in which its trials are finished."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    import numpy as np
    from storages import made_result

    from study.declare.loading import load as load_study
    from study.plan import make_plan
    from study.store.trial_store import TrialStore

    (folder / "load.py").write_text(STUDY.format(arms=arms))
    store = TrialStore(folder / "results")
    plan = make_plan([load_study(folder / "load.py")], seeds, store, Path())
    plan.begin(store)
    random = np.random.default_rng(0)
    accuracy = np.linspace(0.1, 0.97, STEPS, dtype=np.float32)
    curve = {
        "step": np.arange(1, STEPS + 1),
        "train_loss": (1 - accuracy, np.ones(STEPS, bool)),
        "train_accuracy": (accuracy, np.ones(STEPS, bool)),
    }
    for key, trial in plan.trials.items():
        result = made_result(trial.seed, round(random.uniform(0.9, 0.99), 4), STEPS)
        metrics = {name: round(random.uniform(0.9, 0.99), 4) for name in MEASURED} | result["metrics"]
        result |= {"metrics": metrics, "at": dict.fromkeys(metrics, STEPS)}
        store.commit(key, curve, {**result, "config": trial.config.model_dump(), "data": trial.data})


def measured(command: list[str], folder: Path | None = None, **variables: str) -> tuple[float, float]:
    """Seconds from the process's start, in this folder, to its end, and its highest memory use in MB."""
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen(command, cwd=folder, env={**os.environ, **variables}, **quiet)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{command} ended with {running.returncode}")
    kilobytes = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    return time.perf_counter() - started, kilobytes / 1024


def commands(folder: Path, seeds: str) -> dict[str, list[str]]:
    """What is measured, by name."""
    storage = str(folder / "results")
    study, python = [sys.executable, "-m", "study"], [sys.executable, "-c"]
    at = ["--storage", storage]
    return {
        "plan": [*study, "plan", str(folder / "load.py"), "--seeds", seeds, *at],
        "status": [*study, "status", *at],
        "tables": [*python, TABLES, storage],
        "curves": [*python, CURVES, storage],
        "verify": [*study, "verify", *at],
        "report": [*study, "report", "--out", str(folder / "report"), *at],
        "tune": [*study, "tune", str(folder / "load.py"), "--seeds", seeds, *at],
    }


def main() -> None:
    """Make each storage, then measure."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--shapes", nargs="+", default=SHAPES, metavar="ARMSxSEEDS")
    words.add_argument("--of", nargs="+", default=("plan", "status", "tables", "curves"))
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.make:
        made(given.make, *map(int, given.shapes[0].split("x")))
        return
    print(f"{'arms x seeds':<14}{'':<8}{'s':>8}{'MB':>8}")
    for shape in given.shapes:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, __file__, "--make", folder, "--shapes", shape], check=True)
            chosen = commands(Path(folder), shape.partition("x")[2])
            for name in given.of:
                runs = [measured(chosen[name]) for _ in range(given.repeats)]
                print(f"{shape:<14}{name:<8}{min(runs)[0]:>8.2f}{max(runs, key=lambda of: of[1])[1]:>8.0f}",
                      flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
