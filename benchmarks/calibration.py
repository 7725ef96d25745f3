"""How often verdicts are wrong, and how often they are right, in simulated studies whose truth is known.

    python benchmarks/calibration.py [--studies 1000] [--seed 0]

Through the functions that judge real studies (analysis.judging): seeds are drawn, not trained. A table, in Markdown, of
the share of studies with a false decision (or a right one, where there is one to make), with 3 to 30 planned seeds, and
where one looks after each seed from 3 to 30 and stops at the first decision.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from analysis import judging
from analysis.judging import CONTRADICTED, REPRODUCED, Comparison
from analysis.looks import Looks

PLANNED, MOST = (3, 5, 10, 20, 30), 30
FALLS, FAR = 0.1, 13.0  # as of a ResNet that falls to 85 % in one of ten runs: so many standard deviations

Draw = Callable[[np.random.Generator], np.ndarray]
# Of the values by seed, of one more value, and of how often one looks.
Judge = Callable[[pd.Series, float, Looks], Comparison]


def normal(mean: float) -> Draw:
    """Differences by seed with a standard deviation of 1."""
    return lambda generator: generator.normal(mean, 1.0, MOST + 1)


def falling(generator: np.random.Generator) -> np.ndarray:
    """Differences between two equal arms of which each falls now and then."""
    one, other = (
        generator.normal(0, 0.7, MOST + 1) - FAR * (generator.random(MOST + 1) < FALLS) for _ in range(2)
    )
    return one - other


def happening(share: float) -> Draw:
    """Whether something happened, by seed."""
    return lambda generator: (generator.random(MOST + 1) < share).astype(float)


def slope(step: float) -> Draw:
    """The slope over four arms whose seeds have a standard deviation of 1."""
    places = np.arange(4) - 1.5

    def drawn(generator: np.random.Generator) -> np.ndarray:
        arms = generator.normal(0, 1.0, (MOST + 1, 4)) + step * np.arange(4)
        return arms @ places / (places**2).sum()

    return drawn


def above(values: pd.Series, _: float, looks: Looks, comparisons: int = 1) -> Comparison:
    return judging.greater("", values, 0.0, comparisons, "", looks)


def equivalent(values: pd.Series, _: float, looks: Looks) -> Comparison:
    return judging.within("", values, 1.0, 1, "", looks)


def in_most_runs(values: pd.Series, _: float, looks: Looks) -> Comparison:
    return judging.share("", values, False, looks)


def about_published(values: pd.Series, published: float, looks: Looks, away: float = 0.0) -> Comparison:
    """The published value is a run like ours, or one that lies so far away."""
    return judging.one_of_ours("", values, published + away, 1.0, 1, "", looks)


ANY = {REPRODUCED, CONTRADICTED}
# What is claimed, the truth, how seeds are drawn and judged, and which verdicts are counted, false or right ones.
CASES: list[tuple[str, str, Draw, Judge, set[str], str]] = [
    ("above", "equal arms", normal(0.0), above, ANY, "false"),
    ("above", "0.2 sd lower", normal(-0.2), above, {REPRODUCED}, "false"),
    ("above", "0.5 sd higher", normal(0.5), above, {REPRODUCED}, "right"),
    ("above", "1 sd higher", normal(1.0), above, {REPRODUCED}, "right"),
    ("above", "3 sd higher", normal(3.0), above, {REPRODUCED}, "right"),
    ("above three others", "1 sd lower than one", normal(-1.0), partial(above, comparisons=3), {CONTRADICTED}, "right"),
    ("above", "equal, each falls in 1 of 10 runs", falling, above, ANY, "false"),
    ("rises over 4 arms", "equal arms", slope(0.0), above, ANY, "false"),
    ("rises over 4 arms", "steps of 0.8 sd", slope(0.8), above, {REPRODUCED}, "right"),
    ("equivalent", "at the margin, 1 sd", normal(1.0), equivalent, {REPRODUCED}, "false"),
    ("equivalent", "equal, margin 1 sd", normal(0.0), equivalent, {REPRODUCED}, "right"),
    ("equivalent", "4 sd apart", normal(4.0), equivalent, {CONTRADICTED}, "right"),
    ("about published", "one of ours", normal(0.0), about_published, {CONTRADICTED}, "false"),
    ("about published", "one of ours", normal(0.0), about_published, {REPRODUCED}, "right"),
    ("about published", "6 sd away", normal(0.0), partial(about_published, away=6.0), {CONTRADICTED}, "right"),
    ("happens in most runs", "in half of them", happening(0.5), in_most_runs, ANY, "false"),
    ("happens in most runs", "in 95 %", happening(0.95), in_most_runs, {REPRODUCED}, "right"),
]  # fmt: skip


def rates(place: int, studies: int, seed: int) -> list[float]:
    """The shares of studies of a case with such a verdict: for each planned number, and over all looks."""
    _, _, draw, judge, counted, _ = CASES[place]
    found = np.zeros(len(PLANNED) + 1)
    for number in range(studies):
        another, *drawn = draw(np.random.default_rng([seed, place, number]))
        values = pd.Series(drawn)
        for at, n in enumerate(PLANNED):
            found[at] += judge(values[:n], another, Looks(planned=n)).verdict in counted
        decided = (judge(values[:n], another, Looks()).verdict for n in range(3, MOST + 1))
        found[-1] += next((one for one in decided if one in ANY), "") in counted
    return list(found / studies)


def rows(studies: int, seed: int) -> Iterator[list[str]]:
    with ProcessPoolExecutor() as pool:
        numbers = pool.map(partial(rates, studies=studies, seed=seed), range(len(CASES)))
        for (kind, truth, _, _, _, which), of_case in zip(CASES, numbers, strict=True):
            yield [kind, truth, which, *(f"{100 * share:.1f}" for share in of_case)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    columns = ["claim", "truth", "decisions, %", *(f"{n} planned" for n in PLANNED), "each of 3 to 30"]
    table = pd.DataFrame(rows(given.studies, given.seed), columns=columns)
    print(f"{given.studies} studies a row, seed {given.seed}; the standard error is at most ", end="")
    print(f"{50 / given.studies**0.5:.1f} points, near 5 % {21.8 / given.studies**0.5:.1f}.\n")
    print(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
