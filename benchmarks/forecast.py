"""What `study plan` and the terminal say of how long a run takes, against how long it then took.

    python benchmarks/forecast.py                       # network_width and the report's twelve studies, on digits
    python benchmarks/forecast.py --of network_width --dataset mnist

Each is run twice into one storage: first with one seed, of which `study plan --measure` tells, then with a second one,
of which the storage knows from the first. What the terminal says is read at the start, at a tenth and at half of the
run. Numbers are what was told, over what it took from then on; 1 is right.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ways import HERE

from study.declare.data import default_folder

SUBJECTS = {
    "network_width": ["network_width"],
    "twelve studies": [
        path.stem
        for path in sorted((HERE.parent / "search_spaces").glob("*.py"))
        if path.stem not in ("more_epochs", "optimizers_tuned")
    ],
}
STUDY = [sys.executable, "-m", "study"]
LEFT = re.compile(r"about (?:(\d+) h )?(?:(\d+) min)? ?(?:(\d+) s)? ?left")
# Where the run is asked what it says, as shares of it.
ASKED = (0.0, 0.1, 0.5)


def planned(words: list[str], folder: Path) -> dict[str, float]:
    """What `study plan` says of the time."""
    done = subprocess.run([*STUDY, "plan", *words, "--json"], cwd=folder, check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)["outlook"]
    return found


def told(words: list[str], folder: Path) -> tuple[float, list[tuple[float, float]]]:
    """How long `study tune` took, and at which moments its terminal said that how many seconds are left."""
    ours, its = pty.openpty()
    started, said = time.monotonic(), []
    with subprocess.Popen([*STUDY, "tune", *words], cwd=folder, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        while True:
            try:
                shown = os.read(ours, 65536).decode(errors="replace")
            except OSError:  # the terminal's end
                break
            for hours, minutes, seconds in LEFT.findall(shown):
                left = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0)
                said.append((time.monotonic() - started, float(left)))
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"study tune {' '.join(words)} ended with {process.returncode}")
    return time.monotonic() - started, said


def main() -> None:
    """Print a line for each run."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--of", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    words.add_argument("--dataset", default="digits")
    words.add_argument("--data", type=Path, default=default_folder(), help="folder that has MNIST/raw")
    given = words.parse_args()
    for name in given.of:
        with tempfile.TemporaryDirectory() as folder:
            ran = [*SUBJECTS[name], "--dataset", given.dataset, "--data-dir", str(given.data.absolute())]
            for seeds, how in ((1, ["--measure"]), (2, [])):
                forecast = planned([*ran, "--seeds", str(seeds), *how], Path(folder))
                took, said = told([*ran, "--seeds", str(seeds)], Path(folder))
                line = f"{name}, seed {seeds}: took {took:.0f} s, planned {forecast['seconds'] / took:.2f} "
                line += f"({forecast['low'] / took:.2f} to {forecast['high'] / took:.2f})"
                for share in ASKED:
                    at = next(((moment, left) for moment, left in said if moment >= share * took), None)
                    told_then = "nothing" if at is None else f"{at[1] / (took - at[0]):.2f} at {at[0]:.0f} s"
                    line += f"; from {share:.0%} on the terminal: {told_then}"
                print(line, flush=True)


if __name__ == "__main__":
    main()
