"""How often a tuned arm is called better, or worse, than an equal one, by which seeds choose among its candidates.

    python benchmarks/tuned.py [--studies 20000] [--seed 0]

Simulated: 8 candidates that are all equal, normal seeds, and a selecting metric whose correlation with the reported one
is 0.9. The 95 % interval of the mean difference, at this number of seeds. Three ways: all seeds choose and report; the
others choose for each seed; every third seed chooses and the others report, as analysis.tuning has it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t

from analysis import tuning

SEEDS, CANDIDATES, ALIKE = (3, 5, 10, 20), 8, 0.9
WAYS = ("all seeds choose and report", "the others choose for each seed", "every third seed chooses")

# [studies, candidates, seeds]
Values = npt.NDArray[np.float64]


def reported(selects: Values, reports: Values, way: str) -> Values:
    """The reported values [studies, seeds] of what was chosen; of those seeds that report."""
    n = selects.shape[2]
    if way == WAYS[1]:
        others = selects.sum(2, keepdims=True) - selects
        return np.take_along_axis(reports, others.argmax(1)[:, None], 1)[:, 0]
    chooses = tuning.choose(pd.Series(range(n))) if way == WAYS[2] else np.ones(n, bool)
    best = selects[:, :, chooses].mean(2).argmax(1)
    of_best: Values = np.take_along_axis(reports, best[:, None, None], 1)[:, 0]
    return of_best[:, ~chooses] if way == WAYS[2] else of_best


def arm(generator: np.random.Generator, studies: int, n: int, way: str, candidates: int) -> Values:
    selects = generator.normal(0, 1, (studies, candidates, n))
    reports = ALIKE * selects + (1 - ALIKE**2) ** 0.5 * generator.normal(0, 1, selects.shape)
    return reported(selects, reports, way)


def rows(studies: int, seed: int) -> Iterator[dict[str, object]]:
    for way in WAYS:
        for what, other in (("one of two is tuned", 1), ("both are", CANDIDATES)):
            row: dict[str, object] = {"which seeds": way, "arms": what}
            for n in SEEDS:
                generator = np.random.default_rng([seed, n, other])
                left = arm(generator, studies, n, way, CANDIDATES)
                differences = left - arm(generator, studies, n, way, other)
                n_told = differences.shape[1]
                mean, sd = differences.mean(1), differences.std(1, ddof=1)
                half = t.ppf(0.975, n_told - 1) * sd / np.sqrt(n_told)
                row[f"{n} seeds"] = f"{100 * (mean > half).mean():.1f} + {100 * (mean < -half).mean():.1f}"
            yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("Called better + called worse, in % of the studies; 2.5 + 2.5 are promised.\n")
    print(pd.DataFrame(rows(given.studies, given.seed)).to_markdown(index=False))


if __name__ == "__main__":
    main()
