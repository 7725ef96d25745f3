"""What the terminal shows: a line per trial that ends, and an honest time left."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from study.declare.data import SharedData
from study.images.declaration import Images
from study.plan import Plan, Trial
from study.running.progress import Progress
from study.running.resources import Node, Resources
from study.running.time_left import Expected
from study.terminal import rough_duration

TRIALS = [
    Trial(str(i), "Images", Images.Config(), i, "data", "width", "12", "train_accuracy") for i in range(4)
]
PLAN = Plan([], {trial.key: trial for trial in TRIALS}, set(), {"Images": Images}, SharedData(None))

# One after the other.
EXPECTED = Expected(
    {trial.key: 1.0 for trial in TRIALS}, {trial.key: Resources(1, 0) for trial in TRIALS}, [Node(1, 0)]
)


def report(step: int, **changes: Any) -> dict[str, Any]:
    """A report of TrialTrainable.step, of a trial of 100 steps."""
    told = {"step": step, "steps": 100, "percent": step, "whole": step == 100, "notes": [], "resumed_at": 0}
    return {**told, "rate": 10.0, "newest": 0.5, "diverged": False, "reported": 0.97, **changes}


@pytest.fixture
def progress(clock: list[float]) -> Progress:
    return Progress(Console(file=io.StringIO(), width=100), PLAN, EXPECTED)


def printed(progress: Progress) -> list[str]:
    file = progress.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def test_time_left_follows_the_work_that_is_done(progress: Progress, clock: list[float]) -> None:
    assert progress.seconds_left() is None
    progress.report(TRIALS[0], report(10))
    clock[0] += 10
    progress.report(TRIALS[0], report(50))
    assert progress.seconds_left() == pytest.approx(10 * 3.5 / 0.4)


def test_no_time_left_is_told_before_it_can_be_trusted(progress: Progress, clock: list[float]) -> None:
    clock[0] += 60  # after a long start
    progress.report(TRIALS[0], report(1, percent=0.1))
    told = []
    for second in range(1, 31):  # one percent of a trial in a second, as ever: 400 s for all
        clock[0] += 1
        progress.report(TRIALS[0], report(1 + second, percent=0.1 + second))
        told.append(progress.seconds_left())
    assert told[:9] == [None] * 9
    assert told[9:] == [pytest.approx(399.9 - second) for second in range(10, 31)]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "5 s"),
        (23.0, "25 s"),
        (58.0, "1 min"),
        (720.0, "12 min"),
        (3580.0, "1 h 00 min"),
        (12100.0, "3 h 20 min"),
    ],
)
def test_an_estimate_has_no_more_digits_than_it_is_worth(seconds: float, said: str) -> None:
    assert rough_duration(seconds) == said


def test_what_a_failed_trial_left_undone_does_not_count_as_done(
    progress: Progress, clock: list[float]
) -> None:
    progress.report(TRIALS[0], report(10))
    clock[0] += 10
    progress.report(TRIALS[0], report(50))
    progress.failed(TRIALS[0], "lost")
    assert progress.seconds_left() == pytest.approx(10 * 3 / 0.4)


def test_what_an_earlier_run_trained_took_none_of_this_ones_time(
    progress: Progress, clock: list[float]
) -> None:
    progress.report(TRIALS[0], report(50, notes=["continues at step 50"], resumed_at=50))
    clock[0] += 10
    progress.report(TRIALS[0], report(75, notes=["continues at step 50"], resumed_at=50))
    assert progress.seconds_left() == pytest.approx(10 * 3.25 / 0.25)
    assert printed(progress) == ["width 12 seed 0: continues at step 50"]


def test_a_line_for_each_trial_that_ends(progress: Progress) -> None:
    progress.report(TRIALS[0], report(100))
    progress.report(TRIALS[1], report(100, diverged=True))
    progress.report(TRIALS[2], {"error": "ValueError: no"})
    progress.stopped(TRIALS[3], report(30))
    assert printed(progress) == [
        "[1/4] width 12 seed 0: top-1 test accuracy 97.00 %, 10 images/s",
        "[2/4] width 12 seed 1: diverged at step 100, 10 images/s",
        "[3/4] width 12 seed 2: failed: ValueError: no",
        "[4/4] width 12 seed 3: stopped early at step 30 of 100",
    ]
