"""Is this version of study slower than another one? What a user waits for, in both, in turn.

    git worktree add /tmp/other 7c0bae8
    python benchmarks/versions.py /tmp/other
    python benchmarks/versions.py /tmp/other --of help plan   # some of it; the last ones take many minutes

Each is a process of its own, started in the checkout that it measures, with this interpreter and its packages; of
several runs the fastest counts, since other work only ever slows one down. `step` is the baseline network's, by each
checkout's own benchmarks/step.py. `again` is `study tune` for a study that is finished. What begins with 10000 reads a
storage of 10,000 finished trials, written by each checkout itself.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from load import commands, measured

HERE = Path(__file__).parents[1]
SHAPE = "100x100"
NETWORK_WIDTH = ["tune", "network_width", "--dataset", "digits", "--epochs", "1", "--seeds", "3"]
STUDY = [sys.executable, "-m", "study"]


def step_seconds(checkout: Path) -> float:
    """Seconds of a step of the baseline network in float32."""
    command = [sys.executable, "benchmarks/step.py", "--keep-freed", "--steps", "5"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    printed = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, cwd=checkout
    ).stdout
    found = re.search(r"study float32 +([\d.]+) ms/step", printed)
    assert found is not None, printed
    return float(found[1]) / 1e3


def what(checkout: Path, folder: Path) -> dict[str, Callable[[], float]]:
    """What is measured in a checkout, by name: each gives seconds."""

    def seconds(command: list[str]) -> Callable[[], float]:
        return lambda: measured(command, checkout, PYTHONPATH=str(checkout))[0]

    def once(prepare: list[str], command: list[str]) -> Callable[[], float]:
        done: list[bool] = []

        def run() -> float:
            if not done:
                measured(prepare, checkout, PYTHONPATH=str(checkout))
                done.append(True)
            return measured(command, checkout, PYTHONPATH=str(checkout))[0]

        return run

    # Not those beyond the report; optimizers_tuned holds out more images than digits have.
    twelve = [
        str(file)
        for file in sorted((checkout / "search_spaces").glob("[!_]*.py"))
        if file.stem not in ("more_epochs", "optimizers_tuned")
    ]
    nowhere = ["--storage", str(folder / "none")]
    small, large = str(folder / "small"), folder / "large"
    large.mkdir()
    make = [sys.executable, "benchmarks/load.py", "--make", str(large), "--shapes", SHAPE]
    again = [*STUDY, *NETWORK_WIDTH, "--storage", small]
    return {
        "step": lambda: step_seconds(checkout),
        "help": seconds([*STUDY, "--help"]),
        "plan": seconds([*STUDY, "plan", *twelve, "--dataset", "digits", "--seeds", "100", *nowhere]),
        "again": once(again, again),
        **{
            f"10000 {name}": once(make, command) if name == "plan" else seconds(command)
            for name, command in commands(large, SHAPE.partition("x")[2]).items()
        },
    }


def main() -> None:
    """Print the seconds of both and their ratio."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("other", type=Path, help="a checkout of another version")
    words.add_argument("--of", nargs="+", help="names, or the beginnings of names")
    words.add_argument("--repeats", type=int, default=5)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as there, tempfile.TemporaryDirectory() as here:
        before, now = what(given.other.resolve(), Path(there)), what(HERE, Path(here))
        print(f"{'':<16}{'other':>10}{'this':>10}{'ratio':>8}")
        for name in now:
            if given.of and not name.startswith(tuple(given.of)):
                continue
            pairs = [(before[name](), now[name]()) for _ in range(given.repeats)]
            old, new = (min(column) for column in zip(*pairs, strict=True))
            print(f"{name:<16}{old:>8.3f} s{new:>8.3f} s{new / old:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
