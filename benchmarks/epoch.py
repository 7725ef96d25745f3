"""How long is an epoch of the baseline, on a GPU with and without CUDA graphs? Aimed at: 0.25 s on one H200.

    python benchmarks/epoch.py                            # 60,000 images; on a GPU, if there is one
    python benchmarks/epoch.py --images 1000 --epochs 1   # a first look on a CPU

Epochs with and without graphs take turns, after one of each that does not count; each ends with the test set.
Images are random: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from study.images.config import ImageConfig
from study.images.data import Dataset
from study.images.declaration import Images
from study.images.step_graph import StepGraphs
from study.running.trial_run import TrialRun


def epoch(trial: TrialRun) -> float:
    """Seconds of one epoch; `run` returns when the device has ended."""
    started = time.perf_counter()
    left = trial.training.per_epoch
    while left:
        left -= trial.run(left)
    return time.perf_counter() - started


def main() -> None:
    """Print the median, least and largest seconds."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--images", type=int, default=60_000, help="and a sixth as many to test")
    words.add_argument("--epochs", type=int, default=5, help="that count")
    words.add_argument("--model", default="cnn")
    words.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = words.parse_args()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (given.images, 1, 28, 28), np.uint8)
    labels = generator.integers(0, 10, given.images)
    tested = slice(max(1, given.images // 6))
    dataset = Dataset("random", images, labels, images[tested], labels[tested])
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {given.model}, {given.images:,} images, {given.epochs} epochs")
    for precision in ("float32", "bfloat16"):
        config = ImageConfig(model=given.model, precision=precision, epochs=given.epochs + 1)
        ways = {"graphs": TrialRun(Images, config, dataset, 0, given.device)}
        ways["one by one"] = TrialRun(Images, config, dataset, 0, given.device)
        ways["one by one"].training._graphs = StepGraphs("to compare")
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for counts in [False] + [True] * given.epochs:
            for way, trial in ways.items():
                took = epoch(trial)
                seconds[way] += [took] if counts else []
        for way, of in seconds.items():
            why = ways[way].training.eager
            note = f"   ({why})" if why and way == "graphs" else ""
            middle = statistics.median(of)
            print(f"{precision:<9} {way:<11} {middle:8.3f} s   {min(of):.3f} to {max(of):.3f}{note}")


if __name__ == "__main__":
    main()
