"""A verdict in plain words: what was compared, and why the seeds say what they say."""

from __future__ import annotations

from .digits import digits_of
from .judging import CONTRADICTED, REPRODUCED, UNDECIDED, Verdict

A_DIFFERENCE = "the difference between two arms trained with the same seed"
A_SLOPE = "the slope over the arms, of each seed"
# What is compared, and what of an interval supports the claim, contradicts it, and leaves it undecided.
KINDS = {
    "increasing": (A_SLOPE, "lies above 0", "lies below 0", "reaches to both sides of 0"),
    "decreasing": (A_SLOPE, "lies above 0", "lies below 0", "reaches to both sides of 0"),
    "above": (
        A_DIFFERENCE,
        "lies above {margin}",
        "lies below {margin}",
        "reaches to both sides of {margin}",
    ),
    "below": (
        A_DIFFERENCE,
        "lies above {margin}",
        "lies below {margin}",
        "reaches to both sides of {margin}",
    ),
    "equivalent": (
        A_DIFFERENCE,
        "lies within ±{margin}",
        "lies outside ±{margin}",
        "reaches beyond ±{margin} and not only there",
    ),
    "levels_off": (
        "what as long a training again would change at its pace at the end",
        "lies within ±{margin}",
        "lies outside ±{margin}",
        "reaches beyond ±{margin} and not only there",
    ),
    "about_published": (
        "the published value with one more run of ours",
        "holds it",
        "leaves it out",
        "is too wide to tell, or just leaves it out",
    ),
    "drops": ("the share of runs", "{supports}", "{contradicts}", "{undecided}"),
    "happens": ("the share of runs", "{supports}", "{contradicts}", "{undecided}"),
    "either_way": (
        "the share of runs in which the first is higher",
        "is not what counts: both have been seen",
        "lies beyond three quarters",
        "does not tell: one way alone has been seen, in too few runs",
    ),
}
IN_RUNS = {
    "most": ("lies above one half", "lies below one half", "reaches to both sides of one half"),
    "every": ("lies above three quarters, and all runs agree", "is not what counts: a run is without", "is too wide"),
}  # fmt: skip


def explained(found: Verdict) -> str:
    """One or two sentences; the second says what would decide an undecided claim."""
    claim = found.claim
    if all(one.n == 0 for one in found.comparisons):
        reasons = sorted({one.note for one in found.comparisons})
        ended = reasons and "pending" not in reasons
        return f"There is nothing to compare: {', '.join(reasons)}." if ended else "Nothing to compare yet."
    compared, *said = KINDS[claim.kind]
    if compared == A_SLOPE and (claim.each_step or len(found.comparisons[0].arms) == 2):
        compared = A_DIFFERENCE
    if all(one.n < 2 for one in found.comparisons) and found.verdict == UNDECIDED:
        return f"Compared is {compared}; one seed says nothing of others."
    place = (REPRODUCED, CONTRADICTED, UNDECIDED).index(found.verdict)
    supports, contradicts, undecided = IN_RUNS[claim.runs]
    unit = next((one.unit for one in found.comparisons), "")
    margin = claim.margin or 0.0
    text = f"{digits_of(unit, [margin], [margin]).text(margin)} {unit}".rstrip() if margin else "0"
    why = said[place].format(margin=text, supports=supports, contradicts=contradicts, undecided=undecided)
    which = ""
    if len(found.comparisons) > 1:
        matching = sum(one.verdict == found.verdict for one in found.comparisons)
        which = (
            f" of {'each' if matching == len(found.comparisons) else matching} of {len(found.comparisons)}"
        )
    outlook = f" It {found.outlook}." if found.outlook else ""
    return f"Compared is {compared}; the interval{which} {why}.{outlook}"
