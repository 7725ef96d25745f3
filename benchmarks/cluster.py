"""Throughput of a study of 24 small trials on clusters of two and of three nodes.

    python benchmarks/cluster.py

The nodes are those of tests/cluster, in namespaces on this one machine, with one trial at a time each. Where
it has a core for each node, three should do half as much again as two; with fewer cores the nodes share them,
and what is measured is what the third one costs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

# In place of this folder, whose cluster.py is this file.
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from cluster import network, nodes  # noqa: E402

STUDY_FILE = """
from ray import tune
from study import Study
STUDY = Study(title="Small", scientific={"width": tune.grid_search([4, 6, 8])},
              fixed={"dataset": "digits", "batch_size": 32, "epochs": 10, "momentum": 0.5})
"""
TRIALS = 24


def seconds(size: int) -> float:
    """How long the study takes on a head and `size - 1` workers, from the command to its table."""
    folder = Path(tempfile.mkdtemp(prefix="study-bench-"))
    made = nodes.Cluster(folder, workers=size - 1)
    try:
        made.up()
        place = made.shared / "study"
        place.mkdir()
        (place / "small.py").write_text(STUDY_FILE)
        started = time.monotonic()
        done = made.submit(place, "small.py", "--seeds", str(TRIALS // 3)).result(timeout=900)
        took = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        return took
    finally:
        made.end()
        shutil.rmtree(folder)


if reason := network.missing() or nodes.missing():
    sys.exit(reason)
cores = len(os.sched_getaffinity(0))
print(f"{TRIALS} trials, {cores} cores for all nodes, load {os.getloadavg()[0]:.1f} before")
two, three = seconds(2), seconds(3)
ideal = min(3, cores) / min(2, cores)
print(f"2 nodes  {two:6.1f} s  {60 * TRIALS / two:5.1f} trials a minute")
print(f"3 nodes  {three:6.1f} s  {60 * TRIALS / three:5.1f} trials a minute")
print(f"3 against 2: {two / three:.2f} times as many; ideal on {cores} cores {ideal:.2f}, on 3 or more 1.50")
