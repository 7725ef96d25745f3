"""How often verdicts are wrong, and how often they are right, in simulated studies whose truth is known.

    python benchmarks/calibration.py [--studies 1000] [--seed 0]

Through the functions that judge real studies (analysis.judging, analysis.tuning): seeds are drawn, not trained. A
table, in Markdown, of the share of studies with a false decision (or a right one, where there is one to make), with 3
to 30 planned seeds, and where seeds are added in one of four ways:

- each: one looks after each seed from 3 to 30, and stops at the first decision
- five: after 3, 5, 10, 20 and 30 seeds
- wish: after each seed, and stops only where the claim is reproduced
- hope: after each seed, and goes on only while the numbers speak for the claim
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from analysis import judging, tuning
from analysis.judging import CONTRADICTED, REPRODUCED, Comparison
from analysis.looks import Looks
from study import ranking
from study.metric import higher

PLANNED, MOST = (3, 5, 10, 20, 30), 30
WAYS = ("each", "five", "wish", "hope")
FALLS, FAR = 0.1, 13.0  # as of a ResNet that falls to 85 % in one of ten runs: so many standard deviations
WORST = 240.0  # and as far lies an accuracy of 0, which a diverged run counts as
POINTS = 64  # of a search
CANDIDATES, ALIKE = 8, 0.9  # points of a tuned arm, and the correlation of what selects with what is reported

# A row for each seed, and one more of what was published.
Draw = Callable[[np.random.Generator], np.ndarray]
# Of the rows of some seeds, of the one more, and of how often one looks; `None` is a plan of just these.
Judge = Callable[[np.ndarray, np.ndarray, Looks | None], Comparison]


def normal(mean: float) -> Draw:
    """Differences by seed with a standard deviation of 1."""
    return lambda generator: generator.normal(mean, 1.0, MOST + 1)


def falling(far: float) -> Draw:
    """Differences between two equal arms of which each falls so far now and then."""

    def drawn(generator: np.random.Generator) -> np.ndarray:
        one, other = (
            generator.normal(0, 0.7, MOST + 1) - far * (generator.random(MOST + 1) < FALLS) for _ in range(2)
        )
        return one - other

    return drawn


def diverging(share: float) -> Draw:
    """Values of an arm of which so many diverge; the published one did not."""

    def drawn(generator: np.random.Generator) -> np.ndarray:
        diverged = generator.random(MOST + 1) < share
        diverged[0] = False
        return generator.normal(0, 1.0, MOST + 1) - WORST * diverged

    return drawn


def tuned(generator: np.random.Generator) -> np.ndarray:
    """[seeds, 2, 1 + candidates]: what selects and what is reported, of an arm and of an equal one's candidates."""
    selects = generator.normal(0, 1.0, (MOST + 1, 1, 1 + CANDIDATES))
    other = generator.normal(0, 1.0, selects.shape)
    return np.concatenate([selects, ALIKE * selects + (1 - ALIKE**2) ** 0.5 * other], axis=1)


def searched(generator: np.random.Generator) -> np.ndarray:
    """[seeds, 2, 1 + points]: the objective and what is reported, of a baseline and of equal points."""
    objective = generator.normal(0, 1.0, (MOST + 1, 1, 1 + POINTS))
    other = generator.normal(0, 1.0, objective.shape)
    return np.concatenate([objective, ALIKE * objective + (1 - ALIKE**2) ** 0.5 * other], axis=1)


def happening(share: float) -> Draw:
    """Whether something happened, by seed."""
    return lambda generator: (generator.random(MOST + 1) < share).astype(float)


def slope(step: float) -> Draw:
    """The slope over four arms whose seeds have a standard deviation of 1."""
    places = np.arange(4) - 1.5

    def drawn(generator: np.random.Generator) -> np.ndarray:
        arms = generator.normal(0, 1.0, (MOST + 1, 4)) + step * np.arange(4)
        slopes: np.ndarray = arms @ places / (places**2).sum()
        return slopes

    return drawn


def looked(n: int, looks: Looks | None) -> Looks:
    return Looks(planned=n) if looks is None else looks


def above(values: np.ndarray, _: np.ndarray, looks: Looks | None, comparisons: int = 1) -> Comparison:
    return judging.greater("", pd.Series(values), 0.0, comparisons, "", looked(len(values), looks))


def tuned_above(values: np.ndarray, _: np.ndarray, looks: Looks | None) -> Comparison:
    """The arm whose candidates are selected from, minus the one that is not tuned."""
    n = len(values)
    seeds = pd.DataFrame(
        {
            "arm": "tuned",
            "candidate": np.tile(np.arange(CANDIDATES), n),
            "seed": np.repeat(np.arange(n), CANDIDATES),
            "status": "finished",
        }
    )
    scores = pd.Series(values[:, 0, 1:].ravel())
    best = tuning.selected(seeds, scores, higher("score"))["tuned"]
    tell = ~tuning.choose(pd.Series(np.arange(n)))
    return above((values[:, 1, 1 + best] - values[:, 1, 0])[tell], _, looks)


def searched_above(values: np.ndarray, _: np.ndarray, looks: Looks | None) -> Comparison:
    """The point that is best with the first seed, minus the baseline, by the other seeds."""
    scores = {f"{at}": (score,) for at, score in enumerate(values[0, 0]) if at}
    (best,) = ranking.best(scores, [1], 1)
    return above(values[1:, 1, int(best)] - values[1:, 1, 0], _, looks)


def equivalent(values: np.ndarray, _: np.ndarray, looks: Looks | None) -> Comparison:
    return judging.within("", pd.Series(values), 1.0, 1, "", looked(len(values), looks))


def in_runs(values: np.ndarray, _: np.ndarray, looks: Looks | None, every: bool = False) -> Comparison:
    return judging.share("", pd.Series(values), every, looked(len(values), looks))


def either_way(values: np.ndarray, _: np.ndarray, looks: Looks | None) -> Comparison:
    return judging.either_way("", pd.Series(values), looked(len(values), looks))


def about_published(
    values: np.ndarray, published: np.ndarray, looks: Looks | None, away: float = 0.0
) -> Comparison:
    """The published value is a run like ours, or one that lies so far away."""
    looks = looked(len(values), looks)
    diverged = int((values < -WORST / 2).sum())
    return judging.one_of_ours("", pd.Series(values), float(published) + away, 1.0, 1, "", looks, diverged)


ANY = {REPRODUCED, CONTRADICTED}
# What is claimed, the truth, how seeds are drawn and judged, and which verdicts are counted, false or right ones.
CASES: list[tuple[str, str, Draw, Judge, set[str], str]] = [
    ("above", "equal arms", normal(0.0), above, ANY, "false"),
    ("above", "0.2 sd lower", normal(-0.2), above, {REPRODUCED}, "false"),
    ("above", "0.5 sd higher", normal(0.5), above, {REPRODUCED}, "right"),
    ("above", "1 sd higher", normal(1.0), above, {REPRODUCED}, "right"),
    ("above", "3 sd higher", normal(3.0), above, {REPRODUCED}, "right"),
    ("above three others", "1 sd lower than one", normal(-1.0), partial(above, comparisons=3), {CONTRADICTED}, "right"),
    ("above", "equal, each falls in 1 of 10 runs", falling(FAR), above, ANY, "false"),
    ("above", "equal, each diverges in 1 of 10 runs", falling(WORST), above, ANY, "false"),
    ("above, one of them tuned", "equal arms", tuned, tuned_above, ANY, "false"),
    ("rises over 4 arms", "equal arms", slope(0.0), above, ANY, "false"),
    ("rises over 4 arms", "steps of 0.8 sd", slope(0.8), above, {REPRODUCED}, "right"),
    ("equivalent", "at the margin, 1 sd", normal(1.0), equivalent, {REPRODUCED}, "false"),
    ("equivalent", "equal, margin 1 sd", normal(0.0), equivalent, {REPRODUCED}, "right"),
    ("equivalent", "4 sd apart", normal(4.0), equivalent, {CONTRADICTED}, "right"),
    ("about published", "one of ours", normal(0.0), about_published, {CONTRADICTED}, "false"),
    ("about published", "one of ours", normal(0.0), about_published, {REPRODUCED}, "right"),
    ("about published", "6 sd away", normal(0.0), partial(about_published, away=6.0), {CONTRADICTED}, "right"),
    ("about published", "85 % of ours diverge", diverging(0.85), about_published, {REPRODUCED}, "false"),
    ("happens in most runs", "in half of them", happening(0.5), in_runs, ANY, "false"),
    ("happens in most runs", "in 95 %", happening(0.95), in_runs, {REPRODUCED}, "right"),
    ("happens in every run", "in 70 %", happening(0.7), partial(in_runs, every=True), {REPRODUCED}, "false"),
    ("happens in every run", "in 70 %", happening(0.7), partial(in_runs, every=True), {CONTRADICTED}, "right"),
    ("happens in every run", "in all", happening(1.0), partial(in_runs, every=True), {REPRODUCED}, "right"),
    ("either way", "one is better in 70 %", happening(0.7), either_way, {CONTRADICTED}, "false"),
    ("either way", "one is better in 70 %", happening(0.7), either_way, {REPRODUCED}, "right"),
    ("above, the best that a search found", "64 equal points", searched, searched_above, ANY, "false"),
]  # fmt: skip


def rates(place: int, studies: int, seed: int) -> list[float]:
    """The shares of studies of a case with such a verdict: for each planned number, and each way to add seeds."""
    _, _, draw, judge, counted, _ = CASES[place]
    found = np.zeros(len(PLANNED) + len(WAYS))
    for number in range(studies):
        another, *drawn = draw(np.random.default_rng([seed, place, number]))
        values = np.array(drawn)
        verdicts = [judge(values[:n], another, None).verdict for n in PLANNED]
        looks = [judge(values[:n], another, Looks()) for n in range(3, MOST + 1)]
        verdicts += [
            first(looks, ANY),
            first([looks[n - 3] for n in PLANNED], ANY),
            first(looks, {REPRODUCED}),
            first(list(itertools.takewhile(speaks_for, looks[:-1])), ANY),
        ]
        found += [verdict in counted for verdict in verdicts]
    return list(found / studies)


def first(looks: list[Comparison], stops: set[str]) -> str:
    """The verdict of the first look that ends it, else that of the last."""
    return next((one.verdict for one in looks if one.verdict in stops), looks[-1].verdict if looks else "")


def speaks_for(look: Comparison) -> bool:
    """Whether the number, a difference or a percentage of seeds, lies on the side of the claim."""
    return look.mean > (50 if look.unit == judging.OF_SEEDS else 0)


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
    columns = ["claim", "truth", "decisions, %", *(f"{n} planned" for n in PLANNED), *WAYS]
    table = pd.DataFrame(rows(given.studies, given.seed), columns=columns)
    print(f"{given.studies} studies a row, seed {given.seed}; the standard error is at most ", end="")
    print(f"{50 / given.studies**0.5:.1f} points, near 5 % {21.8 / given.studies**0.5:.1f}.\n")
    print(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
