"""Break real runs in every way, and say what held: `python tests/chaos --seed 0`.

A violation prints its seed and number; `--seed S --only NUMBER` plays that act again.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from acts import Act, chains, every_cut_and_bit, held, others
from chain import LOST
from faults import drawn
from scene import Violation, marked, wait_until
from subjects import SUBJECTS
from world import undisturbed


def main() -> None:
    """Play all acts, print a line per fault and a table at the end; exit with 1 after a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=int, default=300, help="of processes; those of files come besides")
    parser.add_argument("--rounds", type=int, default=4, help="of the acts that are not chains of faults")
    parser.add_argument("--study", choices=SUBJECTS, default="images", help="what is disturbed")
    parser.add_argument("--only", type=int, help="the number of one act")
    parser.add_argument("--jobs", type=int, default=1, help="acts at a time")
    given = parser.parse_args()
    # Ignored where this runs in the background of a script or under nohup, they would be in all that it starts; what
    # is handled here is not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, lambda *_: None)
    acts = [every_cut_and_bit(given.seed, None), *chains(drawn(given.seed, given.faults))]
    for i in range(given.rounds):
        acts += others(given.seed + i)

    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    world = undisturbed(folder / "undisturbed", SUBJECTS[given.study])
    counts: collections.Counter[str] = collections.Counter()
    violations: list[int] = []
    printing = threading.Lock()

    def say(line: str) -> None:
        with printing:
            print(line, flush=True)

    def play(number: int, act: Act) -> None:
        where, begun = f"seed {given.seed} act {number}", time.monotonic()
        try:
            found = act.play(folder / str(number), world, lambda said: say(f"{where}: {said}"))
        except Exception as violation:
            violations.append(number)
            kind = "" if isinstance(violation, Violation) else f"{type(violation).__name__}: "
            say(f"{where}: VIOLATION: {kind}{violation}")
            return
        counts.update(found)
        say(f"{where}: held, {sum(found.values())} faults, {time.monotonic() - begun:.0f} s")
        shutil.rmtree(folder / str(number), ignore_errors=True)

    with ThreadPoolExecutor(given.jobs) as threads:
        wanted = range(len(acts)) if given.only is None else [given.only]
        list(threads.map(lambda number: play(number, acts[number]), wanted))
    if not wait_until(lambda: not marked(), 120):
        violations.append(-1)
        say(f"VIOLATION: processes are left: {marked()}")
    say("\n| fault | times | invariants held |\n|---|---:|---|")
    for kind, n in sorted(counts.items()):
        say(f"| {kind} | {n:,} | {held(kind)} |")
    if LOST:
        say(f"\ntraining lost by {len(LOST)} attempts at a trial that were ended: "
            f"median {statistics.median(LOST):.2f} s, at most {max(LOST):.2f} s")  # fmt: skip
    say(f"\n{sum(counts.values()):,} faults, {len(violations)} violations {violations or ''}")
    if not violations:
        shutil.rmtree(folder)
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
