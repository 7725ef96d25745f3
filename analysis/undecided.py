"""What of a study is not decided yet, and which arms would need more seeds for it."""

from __future__ import annotations

from dataclasses import dataclass

from .claims import verdicts
from .comparison import from_reference
from .judging import UNDECIDED
from .looks import SIGNIFICANCE
from .results import Results


@dataclass(frozen=True)
class State:
    """How far a study is: how many of its claims (differences from the reference arm, where it has none) are decided.

    needed: of each comparison that more seeds may decide the arms that it is between. They need the same seeds, since
    they are compared seed by seed.
    """

    decided: int
    of: int
    what: str
    needed: tuple[tuple[str, ...], ...]


def state(results: Results, study: str) -> State:
    """Of a study as it is stored."""
    if results.studies[study]["claims"]:
        return _of_claims(results, study)
    reference = results.studies[study]["reference"]
    table = from_reference(results, study)
    table = table[table.arm != reference]
    decided = table.p_holm < SIGNIFICANCE
    # Without pairs, a seed diverged or was stopped early, and the others are no fair sample.
    needed = table.arm[~decided & (table.pairs > 0)]
    return State(
        int(decided.sum()),
        len(table),
        f"differences from {reference}",
        tuple((reference, str(arm)) for arm in needed),
    )


def _of_claims(results: Results, study: str) -> State:
    found = verdicts(results, study)
    needed = [
        comparison.arms
        for verdict in found
        if verdict.verdict == UNDECIDED
        for comparison in verdict.comparisons
        if comparison.verdict == UNDECIDED and comparison.n and not comparison.for_good
    ]
    decided = sum(verdict.verdict != UNDECIDED for verdict in found)
    return State(decided, len(found), "claims", tuple(dict.fromkeys(needed)))
