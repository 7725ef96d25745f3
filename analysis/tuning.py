"""Arms that were chosen, by tuning them or by a search: some seeds choose, the others tell what was chosen.

A candidate that is chosen by the seeds that then speak for it looks better than it is, since it was lucky with them: of
two equal arms the tuned one is called the better one in 7 to 10 % of studies instead of 2.5. Letting the other seeds
choose for each one does not help, since those choices depend on each other: 3.5 to 13 % (benchmarks/tuned.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.metric import Metric

# Of tuned arms seeds 0, 3, 6, ... choose. So most seeds tell, and another seed seldom changes the choice.
EVERY = 3
# A search has seed 0, and chooses by it alone.
FIRST_ALONE = 1_000_000


def choose(seeds: pd.Series, every: int = EVERY) -> npt.NDArray[np.bool_]:
    """Which of these seeds choose, where every third one does, or another share."""
    chosen: npt.NDArray[np.bool_] = seeds.to_numpy() % every == 0
    return chosen


def telling(n: int, every: int = EVERY) -> int:
    """How many of the seeds 0 to n - 1 take no part in the choice; the one of a single seed does both."""
    return n if n < 2 else n - -(-n // every)


def with_telling(n: int, every: int = EVERY) -> int:
    """The least number of seeds of which n take no part in the choice."""
    return n + -(-n // (every - 1))


def selected(every: pd.DataFrame, values: pd.Series, metric: Metric, chooses: int = EVERY) -> dict[str, int]:
    """The place of the chosen candidate by arm, for arms of which all choosing seeds of all candidates are over.

    It has the best mean of the metric. A diverged seed counts as the metric's `worst`; where it has none, a candidate
    with fewer diverged seeds comes before one with more. One of which a seed was stopped early is not chosen.
    every: a row per arm, candidate and seed, as `Results.candidates` gives it. values: the metric of each row.
    chooses: every which seed chooses.
    """
    diverged = every.status == "diverged"
    if metric.worst is not None:
        values = values.mask(diverged, metric.worst)
    points = pd.DataFrame(
        {
            "arm": every.arm,
            "candidate": every.candidate,
            "over": every.status.isin(("finished", "diverged", "stopped")),
            "whole": every.status != "stopped",
            # Forgetting a diverged seed would make its candidate look better.
            "diverged": diverged & (metric.worst is None),
            "score": metric.sign * values,
        }
    )[choose(every.seed, chooses)]
    table = points.groupby(["arm", "candidate"]).agg(
        {"over": "all", "whole": "all", "diverged": "sum", "score": "mean"}
    )
    over = table.over.groupby("arm").transform("all")
    table = (
        table[over & table.whole]
        .dropna()
        .sort_values(["diverged", "score"], ascending=[True, False], kind="stable")
    )
    return dict(table.reset_index().drop_duplicates("arm").set_index("arm").candidate)
