"""Claims: a report's sentences as data that trials can support or contradict (verdicts: analysis)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

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
        "equivalent",
        "higher_at_same_iteration",
        "slower_at_first",
        "less_stable",
    }
)


class Claim(BaseModel):
    """A sentence of a report, the kind of statement it makes, the metric and the arms it speaks of.

    `arms` are labels of the study, in the order of the sentence; empty means all arms in their order.
    `margin` is in percentage points of accuracy, `iterations` a count of minibatches from the start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    sentence: str
    metric: Metric = "test_accuracy"
    arms: tuple[str, ...] = ()
    margin: float = 0.0
    iterations: int = 0


def _labels(arms: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(str(arm) for arm in arms)


def increasing(metric: Metric, sentence: str, *arms: object) -> Claim:
    """Each arm has a higher metric than the one before it."""
    return Claim(kind="increasing", metric=metric, sentence=sentence, arms=_labels(arms))


def decreasing(metric: Metric, sentence: str, *arms: object) -> Claim:
    """Each arm has a lower metric than the one before it."""
    return Claim(kind="decreasing", metric=metric, sentence=sentence, arms=_labels(arms))


def above(metric: Metric, sentence: str, arm: object, *others: object) -> Claim:
    """The first arm has a higher metric than each of the others."""
    return Claim(kind="above", metric=metric, sentence=sentence, arms=_labels((arm, *others)))


def about_published(sentence: str, *arms: object, margin: float = 1.0) -> Claim:
    """The test accuracy of each arm lies within `margin` points of its published value."""
    return Claim(kind="about_published", sentence=sentence, arms=_labels(arms), margin=margin)


def equivalent(metric: Metric, sentence: str, *arms: object, margin: float = 1.0) -> Claim:
    """No two of the arms differ by as much as `margin` points."""
    return Claim(kind="equivalent", metric=metric, sentence=sentence, arms=_labels(arms), margin=margin)


def collapsed(sentence: str, *arms: object) -> Claim:
    """The network answers one class for every image: its test accuracy is that class's share."""
    return Claim(kind="collapsed", sentence=sentence, arms=_labels(arms))


def drops(sentence: str, *arms: object) -> Claim:
    """Training accuracy rises at first, then falls to chance and stays there."""
    return Claim(kind="drops", metric="train_accuracy", sentence=sentence, arms=_labels(arms))


def higher_at_same_iteration(sentence: str, arm: object, *others: object, iterations: int) -> Claim:
    """Over the first `iterations` minibatches the first arm's training accuracy is the higher one."""
    return Claim(
        kind="higher_at_same_iteration",
        metric="train_accuracy",
        sentence=sentence,
        arms=_labels((arm, *others)),
        iterations=iterations,
    )


def slower_at_first(sentence: str, arm: object, *others: object, iterations: int) -> Claim:
    """Over the first `iterations` minibatches the first arm's training accuracy is the lower one."""
    return Claim(
        kind="slower_at_first",
        metric="train_accuracy",
        sentence=sentence,
        arms=_labels((arm, *others)),
        iterations=iterations,
    )


def less_stable(sentence: str, arm: object, *others: object) -> Claim:
    """The first arm's training accuracy varies more from one iteration to the next."""
    return Claim(kind="less_stable", metric="train_accuracy", sentence=sentence, arms=_labels((arm, *others)))


def saturated(sentence: str, *arms: object, margin: float = 1.0) -> Claim:
    """Training accuracy over the last 10 % of iterations is within `margin` points of the 10 % before."""
    return Claim(
        kind="saturated", metric="train_accuracy", sentence=sentence, arms=_labels(arms), margin=margin
    )
