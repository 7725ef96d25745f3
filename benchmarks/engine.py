"""What the engine costs a step: a training that does nothing, through the engine and by itself.

    python benchmarks/engine.py

Microseconds a step: the best of several rounds, since a busy machine only adds to it. `numbers` measures floats,
`tensors` torch's, which are read from their device once for all steps of a round.
"""

from __future__ import annotations

import argparse
import platform
import time
from typing import Any

import torch

import study
from study.running.trial_run import TrialRun

STEPS, ROUNDS = 2000, 7


class Numbers(study.Training):
    """Measures two numbers and does nothing else."""

    metrics = (study.lower("loss"), study.higher("score"))
    steps = STEPS * (ROUNDS + 1)

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        pass

    def step(self, t: int) -> dict[str, Any]:
        """Two numbers."""
        return {"loss": 1.0 / (t + 1), "score": float(t)}


class Tensors(Numbers):
    """Measures two tensors."""

    def step(self, t: int) -> dict[str, Any]:
        """Two tensors, which take time to make by themselves."""
        return {"loss": torch.tensor(1.0), "score": torch.tensor(2.0)}


def alone(kind: type[Numbers]) -> float:
    """Seconds of a step by itself."""
    training, times = kind(None, None, 0, "cpu"), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for t in range(STEPS):
            training.step(t)
        times.append((time.perf_counter() - started) / STEPS)
    return min(times)


def through_the_engine(kind: type[Numbers]) -> float:
    """Seconds of a step with seeding, checks and curve."""
    run, times = TrialRun(kind, kind.Config(), None, 0), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run.run(STEPS)
        times.append((time.perf_counter() - started) / STEPS)
    return min(times)


def main() -> None:
    """Print a row for each."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(f"{'':<10}{'alone, us':>12}{'engine, us':>12}{'added, us':>12}")
    for name, kind in (("numbers", Numbers), ("tensors", Tensors)):
        one, other = alone(kind), through_the_engine(kind)
        print(f"{name:<10}{one * 1e6:>12.1f}{other * 1e6:>12.1f}{(other - one) * 1e6:>12.1f}")


if __name__ == "__main__":
    main()
