"""Three ways to keep an error of 5 % over any number of looks, and the usual interval, compared on normal seeds.

    python benchmarks/looks.py [--studies 20000] [--seed 0]

Ours (analysis.looks), a confidence sequence in closed form (a Gaussian mixture over the effect size; Wang and Ramdas
2024) and five looks with a fifth of the level each. A table, in Markdown: how often any look from 3 to 100 seeds is
wrong where nothing differs; and for several true differences, in standard deviations, how often one of the looks up to
30 seeds finds it, and after how many seeds on average (30 where none does).
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from analysis.looks import Looks

Numbers = npt.NDArray[np.float64]
N = np.arange(3, 101).astype(float)
FEW = int((N <= 30).sum())
TRUE = (0.5, 0.83, 1.2, 2.0, 4.0)


def ours() -> Numbers:
    """Half the width of the interval of each number of seeds in N, in standard deviations."""
    return np.asarray(stdtrit(N - 1, 1 - Looks().level(N) / 2) / np.sqrt(N))


def usual(alpha: float = 0.05) -> Numbers:
    """The same of t intervals at the usual level, whatever the number of looks."""
    return np.asarray(stdtrit(N - 1, 1 - alpha / 2) / np.sqrt(N))


def mixture(g: float = 10.0, alpha: float = 0.05) -> Numbers:
    """The same of the confidence sequence: a prior of variance g on the effect size, the right Haar on the scale."""
    k = (np.sqrt(1 + N * g) / alpha) ** (2 / N)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.sqrt((N - 1) * (k - 1) / (1 - k / (1 + N * g)) / N)
    return np.where(k >= 1 + N * g, np.inf, width)


def five_looks(looks: tuple[int, ...] = (3, 5, 10, 20, 30), alpha: float = 0.05) -> Numbers:
    """The same of t intervals at these numbers of seeds alone."""
    width = stdtrit(N - 1, 1 - alpha / len(looks) / 2) / np.sqrt(N)
    return np.where(np.isin(N, looks), width, np.inf)


def beyond(width: Numbers, difference: float, studies: int, seed: int) -> npt.NDArray[np.bool_]:
    """Whether 0 lies outside of the interval: a row per study, a column per number of seeds."""
    values = np.random.default_rng(seed).normal(difference, 1.0, (studies, int(N[-1])))
    n = np.arange(1, N[-1] + 1)
    mean = values.cumsum(axis=1) / n
    variance = ((values**2).cumsum(axis=1) - n * mean**2)[:, 2:] / (N - 1)
    return np.abs(mean[:, 2:]) > width * np.sqrt(np.maximum(variance, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    ways = {
        "95 % at each look": usual(),
        "ours": ours(),
        "confidence sequence, g = 10": mixture(),
        "looks at 3, 5, 10, 20, 30": five_looks(),
    }
    rows = []
    for name, width in ways.items():
        wrong = beyond(width, 0.0, given.studies, given.seed).any(axis=1).mean()
        row = {"way": name, "wrong, %": f"{100 * wrong:.1f}"}
        for difference in TRUE:
            found = beyond(width, difference, given.studies, given.seed)[:, :FEW]
            after = np.where(found.any(axis=1), N[found.argmax(axis=1)], 30.0)
            row[f"{difference} sd"] = f"{100 * found.any(axis=1).mean():.0f} %, {after.mean():.1f}"
        rows.append(row)
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
