"""The best points of a search, which are trained with other seeds; and what is to be said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.ranking import best
from study.search.search import Search


@dataclass(frozen=True)
class Finalists:
    """`points` are hyperparameters, the best ones first; `said` are lines for who runs the search."""

    points: Sequence[Mapping[str, Any]]
    said: Sequence[str]


def finalists(search: Search) -> Finalists:
    """The best points that are not the baseline; of a search in an arm the best one, whichever it is.

    Trials that failed, diverged or were stopped early are none.
    """
    scores, study = search.scores(), search.study
    if not scores:
        return Finalists(
            (), ["no point that was tried has a score: all failed, diverged or were stopped early"]
        )
    signs = [study.metrics[name].sign for name in study.objective]
    said = []
    if not search.label:
        if best(scores, signs, 1) == [search.baseline.key]:
            said.append("no point that was tried is better than the baseline")
        scores.pop(search.baseline.key, None)
    points = {one["key"]: one for one in reversed(search.suggestions)}
    found = [points[key] for key in best(scores, signs, study.finalists)]
    for name, end in study.space.edges(found[0]["point"]).items() if found else ():
        said.append(f"the best point lies at the {end} end of {name}; beyond it there may be better ones")
    return Finalists([one["values"] for one in found], said)
