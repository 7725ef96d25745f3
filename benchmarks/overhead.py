"""What a study costs besides its training: start-up, scheduling, planning, a second run.

    python benchmarks/overhead.py                    # digits, about two minutes
    python benchmarks/overhead.py --dataset mnist    # all 60,000 images, about ten minutes

Runs `study` as a user does, in a storage of its own that is removed at the end. Seconds drift from machine to
machine and from run to run; the ratio compares numbers of the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from operator import itemgetter
from pathlib import Path

from study.store.trial_store import TrialStore

SEARCH_SPACES = Path(__file__).parents[1] / "search_spaces"
REPORT = [
    str(path)
    for path in sorted(SEARCH_SPACES.glob("*.py"))
    if path.stem not in ("more_epochs", "optimizers_tuned")
]
DIGITS = ["--dataset", "digits", "--epochs", "5", "--set", "batch_size=32"]


def timed(*words: str) -> float:
    """Seconds of `study` with these words, from process start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "study", *words], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print seconds and ratios."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
    words.add_argument("--seeds", default="3")
    words.add_argument("--precision", default="float32")
    given = words.parse_args()
    changes = DIGITS if given.dataset == "digits" else []
    tune = ["tune", "network_width", "--seeds", given.seeds, "--precision", given.precision, *changes]
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        wall = timed(*tune, "--storage", folder)
        again = timed(*tune, "--storage", folder)
        store = TrialStore(folder)
        trials = [store.result(key)["provenance"] for key in store.states().finished]
        hundred = [*REPORT, "--seeds", "100", "--dataset", "digits", "--storage", folder]
        planning = timed("tune", *hundred, "--dry-run")
        costing = timed("plan", *hundred)
    slots = len(os.sched_getaffinity(0))
    training = sum(trial["training_seconds"] * trial["threads"] for trial in trials) / slots
    trials.sort(key=itemgetter("started"))
    spans = [
        [datetime.fromisoformat(trial[at]).timestamp() - began for at in ("started", "ended")]
        for trial in trials
    ]
    start_up, last = spans[0][0], max(ended for _, ended in spans)
    helped = statistics.median(timed("--help") for _ in range(5))
    print(f"{len(trials)} trials on {slots} slots, {given.dataset}, {given.precision}")
    print(f"wall                              {wall:8.1f} s")
    print(f"  until the first trial starts    {start_up:8.1f} s")
    print(f"  training / slots                {training:8.1f} s")
    print(f"  after the last trial            {wall - last:8.1f} s")
    print(f"(wall - start) / (training / slots) {(wall - start_up) / training:6.2f}")
    print(f"wall - 1.05 x training / slots    {wall - 1.05 * training:8.1f} s")
    print(f"the same command again            {again:8.1f} s")
    print(f"planning 12 studies x 100 seeds   {planning:8.1f} s")
    print(f"  with every arm's FLOPs          {costing:8.1f} s")
    print(f"study --help                      {helped:8.2f} s")
    print("each trial, s: started    ended  training  threads")
    for (started, ended), trial in zip(spans, trials, strict=True):
        print(f"{started:22.1f} {ended:8.1f} {trial['training_seconds']:9.1f} {trial['threads']:8}")


if __name__ == "__main__":
    main()
