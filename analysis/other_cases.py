"""Does a difference also stand against the choice of the test set?

More seeds tell what other runs would give on the same test cases, and nothing of other cases: with 10,000 of them the
error of a share of 97 % is 0.17 points, however many seeds there are. Where results keep which cases were answered
right, arms are compared case by case: of N cases the difference of an arm's share of seeds that answered it right, and
the interval of its mean over cases. Seeds stay what a verdict rests on; this is said beside it, and decides where a
claim asks for it (`any_test_set`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from study.declare.claims import Claim

from .digits import digits_of
from .evidence import Evidence
from .judging import A_STEP, UNDECIDED, Comparison
from .statistics import mean_of


def on_other_cases(
    data: Evidence,
    claim: Claim,
    found: Comparison,
    weights: npt.NDArray[np.float64],
    judge: Callable[[float, float], str],
) -> Comparison:
    """A comparison that is decided, with whether it stands on another test set too; undecided where it has to.

    weights: of the arms that it is between. judge: what an interval says of what was claimed.
    """
    metric = data.metrics[claim.metric]
    if found.verdict == UNDECIDED or claim.measure != "value" or claim.minus or not metric.cases:
        return found
    shares = data.right(found.arms, metric)
    if shares is None or len(shares[0]) < 2:
        if not claim.any_test_set:
            return found
        why = "which cases were answered right is not stored of all trials, or they are not the same cases"
        return _undecided(found, why)
    # Of each case, weighted as the arms are. By t, which of many cases is the normal distribution.
    interval = mean_of(metric.scale * np.tensordot(weights, np.stack(shares), 1))
    if math.isnan(interval.low):
        return found
    stands = judge(interval.low, interval.high) == found.verdict
    unit = found.unit.removesuffix(A_STEP)
    digits = digits_of(unit, [interval.mean], [(interval.high - interval.low) / 2])
    said = (
        f"[{digits.text(interval.low)}, {digits.text(interval.high)}] over its {len(shares[0]):,} test cases"
    )
    said = f"{'stands' if stands else 'may not stand'} on another test set, {said}"
    if claim.any_test_set and not stands:
        return _undecided(found, said)
    return dataclasses.replace(found, note="; ".join(filter(None, (found.note, said))))


def _undecided(found: Comparison, why: str) -> Comparison:
    note = "; ".join(filter(None, (found.note, why)))
    return dataclasses.replace(found, verdict=UNDECIDED, note=note, seeds_to_decide=None, for_good=True)
