"""`python -m analysis STORAGE --out DIR`: the report of a storage, without the command line of study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis import load, report


def main() -> None:
    """Write the report and print where it is."""
    words = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    words.add_argument("storage", help="folder or URL of the results")
    words.add_argument("--out", type=Path, default=Path("report"), help="folder to write (default: report)")
    given = words.parse_args()
    results = load(given.storage)
    for problem in results.problems:
        print(f"skipped: {problem}", file=sys.stderr)
    if not results.studies:
        sys.exit(f"{given.storage} has no study.")
    print(report.write(results, given.out))


if __name__ == "__main__":
    main()
