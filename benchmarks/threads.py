"""How many threads should a trial have? The same cores shared by 1-thread trials or given to one at a time.

    python benchmarks/threads.py [--precision bfloat16]
    python benchmarks/threads.py --model resnet18

For each width of the CNN, or for another network: images a second of all cores as processes of one
thread, one per core, and as one process with a thread per core, in turn. Then, by these rates, how long
the width study takes with one thread for each trial, where the widest may end alone on one core; with
all cores for each trial; and with all cores for as many of the widest as is best. Images are random. On
a machine that does other work besides only the best rounds tell: rates are the 90th percentile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np
import torch

from study.images.config import ImageConfig
from study.images.data import Dataset
from study.images.declaration import Images
from study.running import allocator
from study.running.trial_run import TrialRun

CORES = len(os.sched_getaffinity(0))
WIDTHS = (12, 25, 50, 100)
ROUNDS = 20
IMAGES = 60_000


def inside(width: int, threads: int, model: str, precision: str, seconds: float) -> None:
    """One process: print images a second, begun at a line on stdin."""
    torch.set_num_threads(threads)
    allocator.keep_freed()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6000, 1, 28, 28), np.uint8)
    labels = generator.integers(0, 10, 6000)
    fields = {"model": model, "width": width, "precision": precision, "epochs": 10**4}
    config = ImageConfig.model_validate(fields)
    run = TrialRun(Images, config, Dataset("random", images, labels, images[:10], labels[:10]), 0)
    run.run(3)
    print("ready", flush=True)
    for _ in sys.stdin:
        started, before = time.perf_counter(), run.training.counted(run.step)
        while (passed := time.perf_counter() - started) < seconds:
            run.run(2)
        print((run.training.counted(run.step) - before) / passed, flush=True)


def one_thread_each(seconds: list[float], slots: int) -> float:
    """Wall time of trials that take so long on one core, the longest first."""
    ends = [0.0] * slots
    for one in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += one
    return max(ends)


def main() -> None:
    """Print the rates by width, and the time of pools."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    words.add_argument("--model", default="cnn")
    words.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    words.add_argument("--inside", type=json.loads, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.inside:
        inside(*given.inside, given.model, given.precision, given.seconds)
        return
    print(f"{CORES} cores, {given.model}, {given.precision}, images/s of all cores")
    print(f"width   {CORES} x 1 thread   1 x {CORES} threads   ratio")
    one, all_cores = {}, {}  # seconds of a trial
    for width in WIDTHS if given.model == "cnn" else WIDTHS[:1]:
        rates = measured(width, given)
        one[width], all_cores[width] = IMAGES / rates[1] * CORES, IMAGES / rates[CORES]
        print(f"{width:5} {rates[1]:12,.0f} {rates[CORES]:15,.0f} {rates[CORES] / rates[1]:9.2f}", flush=True)
    if given.model != "cnn":
        return
    print("the width study, s   1 thread each   all cores each   the largest all cores")
    for seeds in (1, 2, 3, 8):
        mixed = min(
            sum(all_cores[width] for width in WIDTHS[narrow:]) * seeds
            + one_thread_each([one[width] for width in WIDTHS[:narrow]] * seeds, CORES)
            for narrow in range(len(WIDTHS) + 1)
        )
        print(
            f"{seeds:3} seeds {one_thread_each([*one.values()] * seeds, CORES):24.1f} "
            f"{sum(all_cores.values()) * seeds:16.1f} {mixed:24.1f}"
        )


def begun(width: int, threads: int, given: argparse.Namespace) -> subprocess.Popen[str]:
    """A process that measures at every line on its stdin."""
    words = ["--inside", json.dumps([width, threads]), "--seconds", str(given.seconds)]
    command = [sys.executable, __file__, *words, "--model", given.model, "--precision", given.precision]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def measured(width: int, given: argparse.Namespace) -> dict[int, float]:
    """Images a second of all cores by threads per process, from rounds that take turns."""
    processes = {
        threads: [begun(width, threads, given) for _ in range(CORES // threads)] for threads in {1, CORES}
    }
    rates: dict[int, list[float]] = {threads: [] for threads in processes}
    for group in processes.values():
        for process in group:
            process.stdout.readline()
    for _ in range(ROUNDS):
        for threads, group in processes.items():
            for process in group:
                process.stdin.write("go\n")
                process.stdin.flush()
            rates[threads].append(sum(float(process.stdout.readline()) for process in group))
    for group in processes.values():
        for process in group:
            process.communicate()
    return {threads: float(np.percentile(values, 90)) for threads, values in rates.items()}


if __name__ == "__main__":
    main()
