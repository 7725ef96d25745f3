"""The best points of a search, which are trained with other seeds; and what is to be said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.lineage import Lineage, lineage_of
from study.ranking import best
from study.search.search import Search


@dataclass(frozen=True)
class Finalists:
    """`points` are hyperparameters and how they change, the best ones first; `said` is for who runs the search."""

    points: Sequence[tuple[Mapping[str, Any], Lineage]]
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
    trained = [(one.get("begun") or one["values"], lineage_of(one.get("lineage", ()))) for one in found]
    return Finalists(trained, said)
