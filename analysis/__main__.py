"""`python -m analysis STORAGE --out DIR`: the report of a storage, without the command line of study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis import load, report
from study.errors import StudyError
from study.terminal import guarded_streams


def main() -> None:
    """Write the report and print where it is."""
    words = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    words.add_argument("storage", help="folder or URL of the results")
    words.add_argument("--out", type=Path, default=Path("report"), help="folder to write (default: report)")
    given = words.parse_args()
    try:
        results = load(given.storage)
    except StudyError as error:
        sys.exit(str(error))
    if not results.studies:
        sys.exit("\n".join([f"{given.storage} has no study that can be read.", *results.problems]))
    print(report.write(results, given.out))
    for problem in dict.fromkeys(results.problems):
        print(f"skipped: {problem}", file=sys.stderr)


if __name__ == "__main__":
    with guarded_streams():
        main()
