"""Claims: sentences of a report as data that trials can support or contradict. `analysis` gives the verdicts."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from study.errors import StudyError, mistakes_in

# Of a trial: the value that its metric counts as; the mean of the metric's first steps; how much it changes from
# one part of the training to the next.
Measure = Literal["value", "start", "roughness"]

Kind = Literal[
    "increasing",
    "decreasing",
    "above",
    "below",
    "equivalent",
    "about_published",
    "levels_off",
    "drops",
    "happens",
    "either_way",
]

# The kinds that compare arms with each other.
OF_SEVERAL_ARMS = frozenset({"increasing", "decreasing", "above", "below", "equivalent", "either_way"})
# Those of them that are about how far arms lie apart.
DIFFERENCES = OF_SEVERAL_ARMS - {"either_way"}
# The kinds that say how a metric goes over the arms, and those that say what happens in runs.
TRENDS, IN_RUNS = frozenset({"increasing", "decreasing"}), frozenset({"drops", "happens"})
# The kinds that say that two numbers are about the same, for which a margin is needed.
WITHIN_A_MARGIN = frozenset({"equivalent", "about_published", "levels_off", "drops"})
# The margin, in percentage points, where a claim on a metric in % gives none.
USUAL_MARGIN = 1.0


class Claim(BaseModel):
    """A sentence of a report, the kind of statement it makes, the metric and the arms it speaks of.

    `arms` are labels of the study, in the order of the sentence; empty means all arms in their order. `metric` is
    empty where the claim is about all that was published. `margin` and `level` are in the metric's unit, as it is
    shown (points of %). `steps` are those of the measure "start", counted from the first. `each_step` makes of a trend
    over the arms one from each to the next; `runs` says in which runs something happens. `minus` is a metric that is
    subtracted, seed by seed; with `any_test_set` a difference has to stand against the choice of the test cases too.

    Raises StudyError, listing every mistake.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    sentence: str
    metric: str = ""
    measure: Measure = "value"
    arms: tuple[str, ...] = ()
    margin: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    steps: int | None = Field(default=None, ge=1)
    level: float | None = Field(default=None, allow_inf_nan=False)
    each_step: bool = False
    runs: Literal["most", "every"] = "most"
    minus: str = ""
    any_test_set: bool = False

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Claim:
        if (self.steps is not None) != (self.measure == "start"):
            raise ValueError("steps goes with the measure 'start', and this with it")
        if (self.level is not None) != (self.kind == "drops"):
            raise ValueError("level goes with the kind 'drops', and this with it")
        if not self.metric and self.kind != "about_published":
            raise ValueError(f"metric = {self.metric!r}: every kind but 'about_published' names one")
        if self.each_step and self.kind not in TRENDS:
            raise ValueError("each_step goes with the kinds 'increasing' and 'decreasing'")
        if self.runs == "every" and self.kind not in IN_RUNS:
            raise ValueError("runs goes with the kinds 'drops' and 'happens'")
        if self.minus and (self.kind not in DIFFERENCES or self.measure != "value"):
            raise ValueError("minus goes with kinds that compare the values of arms")
        if self.any_test_set and (self.kind not in DIFFERENCES or self.measure != "value" or self.minus):
            raise ValueError(
                "any_test_set goes with kinds that compare the values of one metric between arms"
            )
        return self

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            kind = fields.get("kind", "claim")
            said = mistakes_in(error, type(self))
            raise StudyError(*(f"claims: {kind}: {mistake}" for mistake in said)) from None


class Differences(TypedDict, total=False):
    """What else a claim on differences between arms may ask.

    minus: a metric that is subtracted from the claim's, seed by seed, such as the loss of training from that of a test.
    any_test_set: the difference stands against the choice of the test cases too, which the seeds don't tell. Needs a
        metric that is a share of cases (its `cases`), and a training that says which it answers right.
    """

    minus: str
    any_test_set: bool


def _claim(kind: Kind, metric: str, sentence: str, *arms: object, **more: Any) -> Claim:
    if (first := more.pop("first", None)) is not None:
        more |= {"measure": "start", "steps": first}
    return Claim(kind=kind, metric=metric, sentence=sentence, arms=tuple(map(str, arms)), **more)


def increasing(
    metric: str,
    sentence: str,
    *arms: object,
    each_step: bool = False,
    first: int | None = None,
    **more: Unpack[Differences],
) -> Claim:
    """The metric rises over the arms: its slope over their places is positive, seed by seed.

    With `each_step`, each arm has a higher metric than the one before it. With `first`, in the mean of that many first
    steps of the training.
    """
    return _claim("increasing", metric, sentence, *arms, each_step=each_step, first=first, **more)


def decreasing(
    metric: str,
    sentence: str,
    *arms: object,
    each_step: bool = False,
    first: int | None = None,
    **more: Unpack[Differences],
) -> Claim:
    """The metric falls over the arms: its slope over their places is negative, seed by seed.

    With `each_step`, each arm has a lower metric than the one before it. With `first`, in the mean of that many first
    steps of the training.
    """
    return _claim("decreasing", metric, sentence, *arms, each_step=each_step, first=first, **more)


def above(
    metric: str,
    sentence: str,
    arm: object,
    *others: object,
    margin: float = 0.0,
    first: int | None = None,
    **more: Unpack[Differences],
) -> Claim:
    """The first arm has a metric higher than each of the others', by more than `margin` in its unit.

    With `first`, in the mean of that many first steps.
    """
    return _claim("above", metric, sentence, arm, *others, margin=margin, first=first, **more)


def below(
    metric: str,
    sentence: str,
    arm: object,
    *others: object,
    margin: float = 0.0,
    first: int | None = None,
    **more: Unpack[Differences],
) -> Claim:
    """The first arm has a metric lower than each of the others', by more than `margin` in its unit.

    With `first`, in the mean of that many first steps.
    """
    return _claim("below", metric, sentence, arm, *others, margin=margin, first=first, **more)


def rougher(metric: str, sentence: str, arm: object, *others: object) -> Claim:
    """The first arm's metric changes more from one hundredth of the training to the next, over its second half.

    Hundredths, not steps: a step of a small batch has more noise, whatever the training does.
    """
    return _claim("above", metric, sentence, arm, *others, measure="roughness", margin=0.0)


def equivalent(
    metric: str,
    sentence: str,
    *arms: object,
    margin: float | None = None,
    first: int | None = None,
    **more: Unpack[Differences],
) -> Claim:
    """No two of the arms differ by as much as `margin` in the metric's unit; by default 1 point of a metric in %.

    With `first`, in the mean of that many first steps.
    """
    return _claim("equivalent", metric, sentence, *arms, margin=margin, first=first, **more)


def about_published(sentence: str, *arms: object, metric: str = "", margin: float | None = None) -> Claim:
    """The arms' published values, of all their metrics or of this one, could each be one more run of ours.

    Whether our mean lies within `margin` of it is said besides; by default 1 point of metrics in %.
    """
    return _claim("about_published", metric, sentence, *arms, margin=margin)


def levels_off(metric: str, sentence: str, *arms: object, margin: float | None = None) -> Claim:
    """Were the training to go on for as long again, the metric would change by less than `margin`.

    At the pace of its last 30 %. The margin is by default 1 point of a metric in %.
    """
    return _claim("levels_off", metric, sentence, *arms, margin=margin)


def drops(
    metric: str,
    sentence: str,
    *arms: object,
    to: float,
    margin: float | None = None,
    runs: Literal["most", "every"] = "most",
) -> Claim:
    """In most runs, or in every one, the metric, smoothed, rises 4 margins or more above `to` and ends near it.

    Near is within a margin. Both are in the metric's unit; the margin is by default 1 point of a metric in %.
    """
    return _claim("drops", metric, sentence, *arms, level=to, margin=margin, runs=runs)


def happens(metric: str, sentence: str, *arms: object, runs: Literal["most", "every"] = "most") -> Claim:
    """In most runs, or in every run, the metric is 1, which it is where something happened; else it is 0."""
    return _claim("happens", metric, sentence, *arms, runs=runs)


def either_way(metric: str, sentence: str, one: object, other: object) -> Claim:
    """In some runs the one arm has the higher metric, in others the other arm."""
    return _claim("either_way", metric, sentence, one, other)
