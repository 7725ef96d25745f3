"""A function as a training: its parameters are hyperparameters, its reports are steps."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Any

import numpy as np
import pytest

import study
from study import StudyError
from study.running.trial_run import TrialRun
from study.time_limit import TimeLimit, time_limit
from study.training import Training


def trained(kind: type[Training], seed: int = 0, data: Any = None, **config: Any) -> TrialRun:
    run = TrialRun(kind, kind.Config(**config), data, seed)
    while not run.done:
        run.run(3)
    run.training.close()
    return run


@study.function(study.lower("loss"), study.higher("score", counts="best"))
def falling(report: Any, seed: int, rate: float = 0.5, steps: int = 4) -> None:
    value = 1.0
    for _ in range(steps):
        value *= rate
        report(loss=value + 1e-3 * random.random(), score=1 - value)
    report.facts["calls"] = steps


def test_each_report_is_a_step_and_its_parameters_are_hyperparameters() -> None:
    run = trained(falling, rate=0.25, steps=7)
    assert (run.step, run.steps) == (7, 7)
    assert run.history.value("score") == pytest.approx(1 - 0.25**7)
    assert run.training.facts == {"calls": 7}
    assert not falling.continues
    assert falling.called() == "falling"
    with pytest.raises(ValueError, match="unknown"):
        falling.Config(unknown=1)


def test_what_it_draws_follows_from_the_seed() -> None:
    losses = [trained(falling, seed).history.series("loss")[1].tolist() for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_what_it_returns_is_reported_last() -> None:
    @study.function(study.lower("loss"))
    def returning(lr: float = 0.1) -> dict[str, float]:
        return {"loss": lr}

    assert trained(returning, lr=0.3).history.values() == {"loss": 0.3}


def test_it_gets_data_seed_and_device_where_it_asks_for_them() -> None:
    @study.function(study.lower("loss"), data=lambda size: np.arange(size))
    def given(data: Any, seed: int, device: str, report: Any, size: int = 3) -> None:
        assert device == "cpu"
        report({"loss": float(data.sum()) + seed})

    assert trained(given, seed=5, data=given.data(3)).history.value("loss") == 8.0


def test_the_function_stands_still_between_two_steps() -> None:
    seen = []

    @study.function(study.lower("loss"))
    def watched(report: Any) -> None:
        for i in range(4):
            seen.append(i)
            report(loss=i)

    run = TrialRun(watched, watched.Config(), None, 0)
    run.run(1)
    time.sleep(0.05)
    assert seen == [0]
    run.training.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda report: None, "returned without reporting"),
        (lambda report: report(lsos=1), "'lsos', which is no declared metric; did you mean 'loss'"),
        (lambda report: report(loss="low"), "needed is a number"),
        (lambda report: report(3), "not a mapping|argument"),
        (lambda report: 3, "returned a int; needed is a mapping"),
        (lambda report: 1 / 0, "division by zero"),
    ],
)
def test_what_a_function_does_wrong_comes_out_as_an_error(body: Any, said: str) -> None:
    @study.function(study.lower("loss"))
    def wrong(report: Any) -> Any:
        return body(report)

    with pytest.raises(Exception, match=said):
        trained(wrong)


def test_a_metric_that_is_never_reported_is_an_error() -> None:
    @study.function(study.lower("loss"), study.lower("other"))
    def half(report: Any) -> None:
        report(loss=1)

    with pytest.raises(StudyError, match="never measured other"):
        trained(half)


def test_nan_is_a_result() -> None:
    @study.function(study.lower("loss"))
    def diverging(report: Any) -> None:
        report(loss=1.0)
        report(loss=float("nan"))
        report(loss=1.0)

    run = trained(diverging)
    assert (run.diverged, run.step) == (True, 2)


def test_parameters_that_can_be_no_hyperparameters_are_all_named() -> None:
    def wrong(report: Any, a: float, b=0.1, *rest: Any, **more: Any) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(StudyError) as error:
        study.function(study.lower("loss"))(wrong)
    assert [mistake.split(": ")[1].split()[0] for mistake in error.value.mistakes] == [
        "a",
        "b",
        "*rest",
        "**more",
    ]


@pytest.mark.parametrize("reports", [True, False])
def test_a_function_whose_trial_is_over_ends_where_it_is(reports: bool) -> None:
    ended = threading.Event()

    @study.function(study.lower("loss"))
    def endless(report: Any) -> None:
        try:
            while True:
                time.sleep(0.01)
                if reports:
                    report(loss=1)
        finally:
            ended.set()

    run = TrialRun(endless, endless.Config(), None, 0)
    with contextlib.suppress(TimeLimit), time_limit(0.5, "as a trial that takes too long"):
        while True:
            run.run(1)
    assert not ended.is_set()
    run.training.close()
    assert ended.is_set()


def test_a_function_needs_metrics_to_be_a_training() -> None:
    def plain(lr: float = 0.1) -> None: ...

    with pytest.raises(StudyError, match=r"@study\.function"):
        study.Study(title="x", training=plain, arms={"a": {}})
    with pytest.raises(StudyError, match="has no metrics"):
        study.Study(title="x", training=study.function()(plain), arms={"a": {}})
