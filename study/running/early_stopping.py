"""Ray Tune's schedulers that stop trials early, told at each tenth of a trial's steps, and never twice of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from study.metric import Metric
from study.plan import Plan, Trial
from study.seeds import seed_of
from study.store.tenths import ended_at, stored_tenths
from study.store.trial_store import TrialStore

# In percent of a trial's steps: before this nothing is stopped.
GRACE = 10
HALVING = {"time_attr": "percent", "max_t": 100, "grace_period": GRACE, "reduction_factor": 3}


def early_stopping(
    name: str | None, plan: Plan, trials: list[Trial], store: TrialStore
) -> EarlyStopping | None:
    """The scheduler of this name for these trials, on the metric that the study watches: the reported one decides
    nothing. It knows of what ended in earlier runs.
    """
    if name is None:
        return None
    first = plan.source.samples[0] if plan.source else trials[0]
    metric = plan.trainings[first.training].metric(first.watched)
    scheduler = EarlyStopping(name, metric, trials)
    states = store.states()
    ended = states.finished | states.stopped
    known = [key for key in plan.trials if key in ended] + (plan.source.known() if plan.source else [])
    in_order = sorted(dict.fromkeys(known), key=lambda key: ended_at(store, key))
    scheduler.recall((key, stored_tenths(store, key, metric)) for key in in_order)
    return scheduler


@dataclass(frozen=True)
class _Unknown:
    """A trial that Ray Tune does not know, in the place of one of its own."""

    trial_id: str


class EarlyStopping(FIFOScheduler):  # type: ignore[misc]
    """`asha`: at 10, 30 and 90 % of its steps a trial must be among the best third of those that came so far.
    `hyperband`: the same, but trials begin to be compared at 10, 30 or 90 %, as their keys decide (asynchronous
    Hyperband). `median`: from 10 % on its best value must not be worse than the median of the others' means so far.

    Sources: Li et al., A System for Massively Parallel Hyperparameter Tuning (2020), Hyperband (2018); Golovin et al.,
    Google Vizier (2017).
    """

    def __init__(self, name: str, metric: Metric, trials: list[Trial]) -> None:
        super().__init__()
        asked: dict[str, Any] = {"metric": "watched", "mode": "max" if metric.better == "higher" else "min"}
        if name == "median":
            self._rule: Any = MedianStoppingRule(
                "percent", **asked, grace_period=GRACE, min_time_slice=np.inf
            )
        else:
            self._rule = ASHAScheduler(**HALVING, **asked, brackets=3 if name == "hyperband" else 1)
        self._hears_no_more = name == "median"  # of a trial that it has stopped
        self._trials = trials
        self._told: dict[str, int] = {}
        self._stopped: set[str] = set()

    def recall(self, earlier: Iterable[tuple[str, list[float | None]]]) -> None:
        """Learn of trials that have ended, by key and in the order of their ends, what was measured at their tenths."""
        for key, values in earlier:
            trial = _Unknown(key)
            self._add(trial, key)
            for tenth, value in enumerate(values[:9], start=1):
                if value is not None and self._stops(trial, tenth, value) and self._hears_no_more:
                    break

    def stops(self, key: str, values: list[float | None]) -> bool:
        """Whether the trial of this key, which Ray Tune does not know, is to be stopped."""
        trial = _Unknown(key)
        if key not in self._told:
            self._add(trial, key)
        return self._tell(trial, values) == str(TrialScheduler.STOP)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Called by Tune."""
        self._add(trial, self._trials[trial.config["trial"]].key)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Called by Tune for each report."""
        return self._tell(trial, result["tenths"])

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> None:
        """Called by Tune when a trial has ended by itself."""
        self._tell(trial, result["tenths"])

    def _add(self, trial: Any, key: str) -> None:
        self._told[trial.trial_id] = 0
        # Ray draws from NumPy's generator where a trial begins to be compared.
        before = np.random.get_state()  # noqa: NPY002
        np.random.seed(seed_of("hyperband", key) & 0xFFFFFFFF)  # noqa: NPY002
        try:
            self._rule.on_trial_add(None, trial)
        finally:
            np.random.set_state(before)  # noqa: NPY002

    def _tell(self, trial: Any, values: list[float | None]) -> str:
        for tenth in range(self._told[trial.trial_id] + 1, min(len(values), 9) + 1):
            self._told[trial.trial_id] = tenth
            value = values[tenth - 1]
            if trial.trial_id in self._stopped or (value is not None and self._stops(trial, tenth, value)):
                self._stopped.add(trial.trial_id)  # the rule must hear no more of it
                return str(TrialScheduler.STOP)
        return str(TrialScheduler.STOP if trial.trial_id in self._stopped else TrialScheduler.CONTINUE)

    def _stops(self, trial: Any, tenth: int, value: float) -> bool:
        told = {"percent": 10 * tenth, "watched": value}
        return bool(self._rule.on_trial_result(None, trial, told) != TrialScheduler.CONTINUE)
