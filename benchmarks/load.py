"""What reading a storage costs: 1,000 trials of 469 iterations each, into DataFrames.

python benchmarks/load.py
python benchmarks/load.py --trials 200
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from storages import made_storage

ARMS = 10
ITERATIONS = 469  # of one epoch of MNIST in batches of 128


def measured(folder: str) -> None:
    """Load the storage in a process of its own and print seconds and the highest memory use."""
    from analysis import load

    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    results = load(folder)
    curves = results.curves(results.trials.key)
    seconds = time.perf_counter() - started
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(results.trials):,} trials, {len(curves):,} iterations: {seconds:.1f} s")
    print(f"memory: {highest / 1024:,.0f} MB at most, {before / 1024:,.0f} MB of it before")


def main() -> None:
    """Make the storage, then measure."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--trials", type=int, default=1000)
    words.add_argument("--of", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.of:
        measured(given.of)
        return
    seeds = given.trials // ARMS
    curve = np.linspace(0.1, 0.97, ITERATIONS)
    with tempfile.TemporaryDirectory() as folder:
        made_storage(
            Path(folder),
            {str(arm): [0.97] * seeds for arm in range(ARMS)},
            {str(arm): [curve] * seeds for arm in range(ARMS)},
        )
        subprocess.run([sys.executable, __file__, "--of", folder], check=True)


if __name__ == "__main__":
    main()
