"""A short measurement of trials: some steps of each kind, as many side by side as will run together.

It runs on the nodes that would train them, through Ray.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from study import own_code
from study.errors import StudyError
from study.plan import Plan, Trial
from study.running import allocator
from study.running.measured_times import Takes
from study.running.prepare import Prepared
from study.running.resources import Node, Resources
from study.running.trial_run import TrialRun
from study.store.curve_file import encoded_curve

# Steps before the measured ones take longer: memory is taken, algorithms are chosen. Seconds of each kind.
WARM_UP_SECONDS, STEPS_SECONDS = 1.0, 3.0
# A training that takes longer than this to be built and to do some steps is not measured.
PATIENCE_SECONDS = 300.0
# What a result.json takes, with little in it.
RESULT_BYTES = 2000


def measure(
    trials: Sequence[Trial],
    plan: Plan,
    prepared: Prepared,
    shares: Mapping[str, Resources],
    nodes: Sequence[Node],
    most: int | None,
    say: Callable[[str], None],
) -> dict[str, Takes]:
    """By key, what these pending trials take; without those that can't be measured, of which `say` is told.

    Needs a running Ray. At most `most` are measured at a time. What has the same load (`Training.same_load`) and the
    same work is measured once.
    """
    import ray

    from study.running.probe import shape  # brings torch

    by_share: dict[Resources, dict[Any, list[Trial]]] = {}
    for trial in trials:
        kinds = by_share.setdefault(shares[trial.key], {})
        kind = shape(trial, plan.trainings[trial.training]), prepared.costs[trial.key].work
        kinds.setdefault(kind, []).append(trial)
    found: dict[str, Takes] = {}
    code = {name: own_code.by_value(name) for name in plan.own_code() if isinstance(name, str)}
    data = ray.put(prepared.data)
    for share, kinds in by_share.items():
        at_once = min(share.concurrent_on(nodes), len(plan.pending), most or len(plan.pending))
        # A process that a trial has ended takes those of the next ones with it.
        stopwatch = ray.remote(num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=len(kinds))(_Stopwatch)
        stopwatches = [stopwatch.remote(code, str(Path.cwd()), share) for _ in range(at_once)]
        for same in kinds.values():
            first = same[0]
            training = own_code.by_value(plan.trainings[first.training])
            asked = [one.measured.remote(first.travelling(), training, data) for one in stopwatches]
            try:
                answers = ray.get(asked, timeout=PATIENCE_SECONDS)
            except ray.exceptions.GetTimeoutError:
                say(
                    f"{first.name}: can't be measured within {PATIENCE_SECONDS:g} s, nor is what comes after it"
                )
                break
            except ray.exceptions.RayError as error:
                ray.wait(asked, num_returns=len(asked), timeout=PATIENCE_SECONDS)
                say(f"{first.name}: can't be measured: {str(error).strip().splitlines()[-1]}")
                continue
            mean = sum(took.seconds for took in answers) / len(answers)
            found |= {trial.key: Takes(mean, answers[0].disk_bytes) for trial in same}
        for one in stopwatches:
            ray.kill(one)
    return found


class _Stopwatch:
    """A process that measures trials with this share of its node, one after the other."""

    def __init__(self, code: Mapping[str, own_code.Own], folder: str, share: Resources) -> None:
        allocator.keep_freed()  # as trials do
        own_code.provide(code)
        if Path(folder).is_dir():
            os.chdir(folder)
        self._share = share

    def measured(self, trial: Trial, kind: Any, data: Mapping[str, Any]) -> Takes:
        """Some steps of it, or all where those take no longer; `data` by fingerprint."""
        if isinstance(kind, own_code.NotArrived):
            raise kind
        if not kind.continues:
            raise StudyError(f"{kind.called()} can't be done step by step")
        kind.implementation()  # imports what it needs, before threads are counted
        device = self._share.prepare_process()
        trial = trial.arrived(kind)

        def made() -> TrialRun:
            return TrialRun(kind, trial.config, data[trial.data], trial.seed, device)

        run = made()
        if (steps := run.steps) is None:
            raise StudyError(f"how many steps {kind.called()} takes shows only at its end")
        _steps(run, WARM_UP_SECONDS)
        run.training.close()
        started = time.perf_counter()
        run = made()
        built = time.perf_counter() - started
        seconds, done = _steps(run, STEPS_SECONDS), run.step
        disk = RESULT_BYTES + len(encoded_curve(run.history.columns())) * steps / done
        if run.diverged:  # one with another learning rate may not
            seconds = seconds / done * steps
        elif not run.done:
            # The last step measures what is measured at the end.
            run.history.step = steps - 1
            started = time.perf_counter()
            run.run(1)
            seconds = seconds / done * (steps - 1) + time.perf_counter() - started
        run.training.close()
        return Takes(built + seconds, int(disk))


def _steps(run: TrialRun, seconds: float) -> float:
    """Do steps for about so many seconds; how long that took."""
    started, at_once = time.perf_counter(), 1
    while not run.done and (spent := time.perf_counter() - started) < seconds:
        pace = spent / run.step if run.step else seconds
        at_once = max(1, min(2 * at_once, int((seconds - spent) / max(pace, 1e-9))))
        run.run(at_once)
    return time.perf_counter() - started
