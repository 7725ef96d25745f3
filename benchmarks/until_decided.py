"""How many trials `study tune --until-decided` needs for the verdicts of a fixed number of seeds.

    python benchmarks/until_decided.py --out FOLDER [--seeds 30] [-- WORDS...]

Trains studies with so many seeds; then, in another storage that has the same trials, runs them again until they are
decided, which trains nothing. WORDS are those of `study tune`; by default the report's studies whose arms can be
trained on digits, with narrow networks. Prints, in Markdown, the trials and the verdicts of both.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis import load
from analysis.claims import verdicts
from study.store.trial_store import keys_of

DIGITS = ["--dataset", "digits", "--epochs", "5", "--set", "batch_size=32"]
STUDIES = [
    "learning_rate",
    "momentum",
    "l2_regularization",
    "optimizers",
    "loss_functions",
    "conv_depth",
    "fc_depth",
]
RUNS = [["network_width", *DIGITS], [*STUDIES, *DIGITS, "--set", "width=12"]]


def tune(storage: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "study", "tune", "--storage", str(storage), *words], check=True)


def rows(fixed: Path, decided: Path) -> Iterator[dict[str, object]]:
    whole, less = load(fixed), load(decided)
    for name, record in whole.studies.items():
        verdict = [[found.verdict for found in verdicts(one, name)] for one in (whole, less)]
        yield {
            "study": name,
            "trials": len(keys_of(record)),
            "until decided": len(keys_of(less.studies[name])),
            "verdicts": ", ".join(f"{n} {kind}" for kind, n in Counter(verdict[0]).items()),
            "the same": "yes" if verdict[0] == verdict[1] else ", ".join(verdict[1]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    runs = [given.words] if given.words else RUNS
    fixed, decided = given.out / "fixed", given.out / "decided"
    for words in runs:
        tune(fixed, *words, "--seeds", str(given.seeds))
    shutil.rmtree(decided, ignore_errors=True)
    shutil.copytree(fixed / "trials", decided / "trials")
    for words in runs:
        tune(decided, *words, "--until-decided", "--max-seeds", str(given.seeds))
    table = pd.DataFrame(rows(fixed, decided))
    print(table.to_markdown(index=False))
    counted = [
        len({key for record in load(one).studies.values() for key in keys_of(record)})
        for one in (fixed, decided)
    ]
    print(f"\nIn all {counted[0]} distinct trials, and {counted[1]} until decided.")


if __name__ == "__main__":
    main()
