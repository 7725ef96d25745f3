"""What a trial costs besides its training, where training takes a tenth of a second; and what grows.

    python benchmarks/small_trials.py                            # 1,000 trials, plainly 60: about ten minutes
    python benchmarks/small_trials.py --trials 200 --plain 20

The same trainings run under `study tune` and under a plain Ray Tune script: a function trainable with Tune's
defaults, as its documentation teaches it. Overhead is (wall - start) x slots / trials - training seconds;
the start is that of the first trial.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
from processes import private_ray

from analysis import load

ARMS, EPOCHS, BATCH, WIDTH = 10, 2, 128, 2
RATES = [round(0.02 * (i + 1), 2) for i in range(ARMS)]
STUDY = f"""from ray import tune
from study import Study

STUDY = Study(
    title="Small trials",
    scientific={{"lr": tune.grid_search({RATES})}},
    fixed={{"dataset": "digits", "width": {WIDTH}, "epochs": {EPOCHS}, "batch_size": {BATCH}}},
)
"""
SLOTS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed(command: list[str]) -> tuple[float, float, dict[str, list[tuple[float, float]]]]:
    """When the command began and ended, and the memory in MB of its processes over time, by what they are."""
    memory: dict[str, list[tuple[float, float]]] = defaultdict(list)
    began = time.time()
    running = subprocess.Popen(
        command, env={**os.environ, **private_ray()}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(running.pid, memory, over))
    watch.start()
    code = running.wait()
    ended = time.time()
    over.set()
    watch.join()
    if code:
        raise SystemExit(f"{command} ended with {code}")
    return began, ended, memory


def _watch(pid: int, memory: dict[str, list[tuple[float, float]]], over: threading.Event) -> None:
    while not over.wait(1):
        parents, resident, names = {}, {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            fields = stat.rpartition(")")[2].split()
            process = int(folder.name)
            parents[process], names[process] = int(fields[1]), command.partition(b" ")[0].partition(b"\0")[0]
            resident[process] = int(fields[21]) * os.sysconf("SC_PAGESIZE") / 1e6
        for process, name in names.items():
            above = process
            while above != pid and above in parents:
                above = parents[above]
            if process == pid:
                memory["driver"].append((time.time(), resident[process]))
            elif above == pid and name.startswith(b"ray::") and b"IDLE" not in name:
                memory[f"worker {process}"].append((time.time(), resident[process]))


def growth(samples: list[tuple[float, float]], trials_per_second: float) -> float:
    """MB per 1,000 trials: the slope of a line through the samples, which are from when trials run.

    The first tenth is left out: in it each process still brings what it needs for its first trials.
    """
    when, megabytes = np.array(samples[len(samples) // 10 :]).T
    return float(np.polyfit(when - when[0], megabytes, 1)[0] / trials_per_second * 1000)


def under_study(folder: Path, trials: int) -> tuple[float, float]:
    """Run, print, and return seconds per trial and overhead per trial."""
    (folder / "small.py").write_text(STUDY)
    words = [str(folder / "small.py"), "--seeds", str(trials // ARMS), "--storage", str(folder / "results")]
    began, ended, memory = timed([sys.executable, "-m", "study", "tune", *words])
    rows = load(folder / "results").trials
    starts = [datetime.fromisoformat(text).timestamp() for text in rows.started]
    start = min(starts)
    print(f"study: {len(rows)} trials in {ended - began:.1f} s, {start - began:.1f} s until the first starts")
    files = [len(list(of.iterdir())) for of in (folder / "results" / "trials").iterdir()]
    print(f"  files per trial: at most {max(files)}")
    for name, whole in memory.items():
        samples = [of for of in whole if start < of[0] < max(starts)]  # until the figure is drawn
        if len(samples) > 20:
            grown = growth(samples, len(rows) / (ended - start))
            most = max(of for _, of in whole)
            print(f"  {name}: {most:.0f} MB at most, {grown:+.1f} MB per 1,000 trials")
            tenths = [samples[(len(samples) - 1) * of // 10][1] for of in range(11)]
            print("    at each tenth of the run: " + ", ".join(f"{of:.0f}" for of in tenths))
    return _told(len(rows), ended - start, float(rows.training_seconds.mean()))


def plainly(folder: Path, trials: int) -> tuple[float, float]:
    """The same under a plain Ray Tune script."""
    said = folder / "plain.json"
    began, ended, _ = timed([sys.executable, __file__, "--child", str(said), "--trials", str(trials)])
    told = json.loads(said.read_text())
    start, n = min(of["started"] for of in told), len(told)
    print(
        f"plain Ray Tune: {n} trials in {ended - began:.1f} s, {start - began:.1f} s until the first starts"
    )
    return _told(n, ended - start, float(np.mean([of["seconds"] for of in told])))


def _told(trials: int, wall: float, training: float) -> tuple[float, float]:
    whole = wall * SLOTS / trials
    overhead = whole - training
    print(f"  a trial takes a slot for {whole:.3f} s; training {training:.3f} s, overhead {overhead:.3f} s")
    return whole, overhead


def train(config: dict[str, float]) -> None:
    """A function trainable, as one writes it."""
    import torch
    from ray import tune
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from study.images import data

    started = time.time()
    digits = data.load("digits", Path())
    images = torch.from_numpy(digits.train_images).float() / 255
    labelled = TensorDataset(images, torch.from_numpy(digits.train_labels))
    loader = DataLoader(labelled, batch_size=BATCH, shuffle=True)
    test_images = torch.from_numpy(digits.test_images).float() / 255
    test_labels = torch.from_numpy(digits.test_labels)
    torch.manual_seed(int(config["seed"]))
    model = nn.Sequential(
        nn.Conv2d(1, WIDTH, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(WIDTH, 2 * WIDTH, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * WIDTH * 49, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    began = time.time()
    for _ in range(EPOCHS):
        for batch, labels in loader:
            loss = nn.functional.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(test_images).argmax(1) == test_labels).float().mean().item()
        tune.report({"accuracy": accuracy, "started": started, "seconds": time.time() - began})


def run_plainly(trials: int, said: Path) -> None:
    """What the process of the plain script does."""
    from ray import tune

    space = {"lr": tune.grid_search(RATES), "seed": tune.grid_search(list(range(trials // ARMS)))}
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        run_config=tune.RunConfig(storage_path=str(said.parent / "ray")),
    )
    told = [{name: of.metrics[name] for name in ("started", "seconds")} for of in tuner.fit()]
    said.write_text(json.dumps(told), encoding="utf-8")


def main() -> None:
    """Run both and print the ratio."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--trials", type=int, default=1000)
    words.add_argument("--plain", type=int, default=60, help="trials of the plain script; 0 leaves it out")
    words.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.child:
        run_plainly(given.trials, given.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        ours = under_study(Path(folder), given.trials)
        if given.plain:
            theirs = plainly(Path(folder), given.plain)
            print(f"plain / study: {theirs[0] / ours[0]:.1f} per trial, {theirs[1] / ours[1]:.1f} overhead")


if __name__ == "__main__":
    main()
