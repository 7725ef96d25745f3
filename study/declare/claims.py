"""Claims: a report's sentences as data that trials can support or contradict (verdicts: analysis)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from study.errors import StudyError, mistakes_in

# Of a trial, accuracies in [0, 1]:
#   test_accuracy         top-1 on the test set after the last epoch
#   best_test_accuracy    the highest top-1 of any epoch
#   test_top5             top-5 after the last epoch
#   train_accuracy        mean over the last 10 % of the last epoch's iterations
Metric = Literal["test_accuracy", "best_test_accuracy", "test_top5", "train_accuracy"]

Kind = Literal[
    "increasing",
    "decreasing",
    "above",
    "below",
    "about_published",
    "equivalent",
    "collapsed",
    "higher_at_same_iteration",
    "slower_at_first",
    "less_stable",
    "saturated",
    "drops",
]

# The kinds that compare arms with each other.
OF_SEVERAL_ARMS = frozenset(
    {
        "increasing",
        "decreasing",
        "above",
        "below",
        "equivalent",
        "higher_at_same_iteration",
        "slower_at_first",
        "less_stable",
    }
)


class Claim(BaseModel):
    """A sentence of a report, the kind of statement it makes, the metric and the arms it speaks of.

    `arms` are labels of the study, in the order of the sentence; empty means all arms in their order.
    `margin` is in percentage points of accuracy. `iterations` counts minibatches from the start: where it is
    given, the metric is the mean training accuracy over so many.

    Raises StudyError, listing every mistake.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    sentence: str
    metric: Metric = "test_accuracy"
    arms: tuple[str, ...] = ()
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    iterations: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _iterations_are_of_training(self) -> Claim:
        if self.iterations is not None and self.metric != "train_accuracy":
            raise ValueError(f"iterations = {self.iterations}: goes with the metric train_accuracy only")
        return self

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            kind = fields.get("kind", "claim")
            raise StudyError(*(f"claims: {kind}: {of}" for of in mistakes_in(error, type(self)))) from None


def _claim(kind: Kind, metric: Metric, sentence: str, *arms: object, **more: Any) -> Claim:
    return Claim(kind=kind, metric=metric, sentence=sentence, arms=tuple(map(str, arms)), **more)


def increasing(metric: Metric, sentence: str, *arms: object, iterations: int | None = None) -> Claim:
    """Each arm has a higher metric than the one before it."""
    return _claim("increasing", metric, sentence, *arms, iterations=iterations)


def decreasing(metric: Metric, sentence: str, *arms: object, iterations: int | None = None) -> Claim:
    """Each arm has a lower metric than the one before it."""
    return _claim("decreasing", metric, sentence, *arms, iterations=iterations)


def above(metric: Metric, sentence: str, arm: object, *others: object, margin: float = 0.0) -> Claim:
    """The first arm has a metric higher than each of the others', by more than `margin` points."""
    return _claim("above", metric, sentence, arm, *others, margin=margin)


def below(metric: Metric, sentence: str, arm: object, *others: object, margin: float = 0.0) -> Claim:
    """The first arm has a metric lower than each of the others', by more than `margin` points."""
    return _claim("below", metric, sentence, arm, *others, margin=margin)


def about_published(sentence: str, *arms: object, margin: float = 1.0) -> Claim:
    """The accuracies of each arm lie within `margin` points of its published values."""
    return _claim("about_published", "test_accuracy", sentence, *arms, margin=margin)


def equivalent(
    metric: Metric, sentence: str, *arms: object, margin: float = 1.0, iterations: int | None = None
) -> Claim:
    """No two of the arms differ by as much as `margin` points."""
    return _claim("equivalent", metric, sentence, *arms, margin=margin, iterations=iterations)


def collapsed(sentence: str, *arms: object) -> Claim:
    """The network answers one class for every image: its test accuracy is that class's share."""
    return _claim("collapsed", "test_accuracy", sentence, *arms)


def drops(sentence: str, *arms: object) -> Claim:
    """Training accuracy rises at first, then falls to chance and stays there."""
    return _claim("drops", "train_accuracy", sentence, *arms)


def higher_at_same_iteration(sentence: str, arm: object, *others: object, iterations: int) -> Claim:
    """Over the first `iterations` minibatches the first arm's training accuracy is the higher one."""
    return _claim("higher_at_same_iteration", "train_accuracy", sentence, arm, *others, iterations=iterations)


def slower_at_first(sentence: str, arm: object, *others: object, iterations: int) -> Claim:
    """Over the first `iterations` minibatches the first arm's training accuracy is the lower one."""
    return _claim("slower_at_first", "train_accuracy", sentence, arm, *others, iterations=iterations)


def less_stable(sentence: str, arm: object, *others: object) -> Claim:
    """The first arm's training accuracy varies more from one iteration to the next."""
    return _claim("less_stable", "train_accuracy", sentence, arm, *others)


def saturated(sentence: str, *arms: object, margin: float = 1.0) -> Claim:
    """Training accuracy over the last 10 % of iterations is within `margin` points of the 10 % before."""
    return _claim("saturated", "train_accuracy", sentence, *arms, margin=margin)
