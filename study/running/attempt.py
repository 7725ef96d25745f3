"""One attempt at a trial: it takes the trial, trains it about a second at a time, saves it and commits the result.

Resuming has one mechanism: an attempt that begins looks in the store for the trial's own checkpoint. It does not
matter what died before.
"""

from __future__ import annotations

import math
import platform
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock

from study.errors import StudyError
from study.plan import Trial
from study.running import outcome
from study.running.live import Live
from study.running.resources import Resources
from study.running.tenths import Followed, steps_to_next, tenths_done
from study.running.trial_run import TrialRun
from study.store.records import Damaged
from study.store.trial_store import TrialStore
from study.time_limit import TimeLimit, time_limit
from study.training import Training

REPORT_SECONDS = 1.0
# The next steps may take longer than the last ones did: so many times as many are taken on at once, at most.
MOST_GROWTH = 10
# Saving never costs more than 1/20 of the time.
CHECKPOINT_COST_RATIO = 20
# What code that can't be interrupted gets before its process is ended.
GRACE_SECONDS = 10.0
# The fields of a report that schedulers and the terminal read, where nothing was trained.
NOTHING_TRAINED = {"watched": float("nan"), "tenths": [], "notes": []}
AT_END = {**NOTHING_TRAINED, "done": True, "whole": True, "percent": 100.0}
WAITS = {**NOTHING_TRAINED, "done": False, "whole": False, "percent": 0.0, "waits": True}


@dataclass(frozen=True)
class Settings:
    """What all attempts of a run have in common; durations in seconds, `commit` is the git commit.

    `at_tenths`: reports come at each tenth of the steps too, for a scheduler. `keep_weights`: the state after the last
    step stays in the store.
    """

    commit: str | None = None
    checkpoint_seconds: float = 10.0
    trial_timeout: float | None = None
    at_tenths: bool = False
    keep_weights: bool = False


class Attempt:
    """Trains one trial. `step` returns a report, as a dict, until it says `done`; then or before, `close`.

    Errors of the training itself come out of `step`; `failed` makes a report of one.
    """

    def __init__(
        self,
        trial: Trial,
        kind: type[Training],
        data: Any,
        store: TrialStore,
        share: Resources,
        settings: Settings,
    ) -> None:
        self._trial = trial
        self._kind = kind
        self._data = data
        self._store = store
        self._share = share
        self._settings = settings
        self._run: TrialRun | None = None
        self._lock: FileLock | None = None
        self._abandoned = False
        self._started = datetime.now(UTC)
        self._live = Live(trial, kind, store, share, self._started)
        self._saved_at = time.monotonic()
        self._save_cost = 0.0
        self._saved_step = 0
        self._most_bytes = 0
        self._resumed_at = 0
        self._followed = Followed(trial.watched)
        self._at_tenths = settings.at_tenths or trial.until is not None
        self._deadline: float | None = None
        self._pace, self._at_once = math.inf, 1
        self._notes: list[str] = []
        self._still_runs: RuntimeError | None = None

    def step(self) -> dict[str, Any]:
        """Train for about a second."""
        if self._run is None and (nothing_to_train := self._take()):
            return nothing_to_train
        return self._advance()

    def _take(self) -> dict[str, Any] | None:
        """Become the one that trains the trial, or say why not."""
        key = self._trial.key
        if not self._store.has(key):
            self._abandoned = self._store.abandoned(key)
            self._lock = self._store.lock(key)
            if self._lock is None:
                time.sleep(REPORT_SECONDS)
                return {**WAITS, "notes": ["another run is training it; waits for its result"]}
            if not self._store.has(key):
                return None
            self._release()
        # Another run on this storage was faster, or a process died just after its commit.
        return {**AT_END, "already_stored": True}

    def _advance(self) -> dict[str, Any]:
        with self._limited():
            began = self._run is None
            run = self._run = self._run or self._prepared()
            deadline = time.monotonic() + REPORT_SECONDS
            if began and self._resumed_at and self._settings.at_tenths:
                deadline = 0.0  # it may have been killed before the scheduler's word
            while not self._at_its_end(run) and (left := deadline - time.monotonic()) > 0:
                started, tenths = time.monotonic(), tenths_done(run.step, run.planned)
                most = min(int(left / self._pace) or 1, MOST_GROWTH * self._at_once)
                if self._at_tenths and run.planned:
                    most = min(most, steps_to_next(run.step, run.planned))
                steps = run.run(most)
                self._pace = max(time.monotonic() - started, 1e-9) / max(1, steps)
                self._at_once = max(1, steps)
                if self._at_tenths and tenths_done(run.step, run.planned) > tenths:
                    break
            if self._at_its_end(run) and not run.done:
                self._keep(run)
            result = self._result(run) if run.done else None
        watched = run.history.value(self._trial.watched)
        report = {
            "done": self._at_its_end(run),
            "whole": run.done,
            "percent": run.percent,
            "watched": float("nan") if watched is None else watched,
            "newest": run.history.last(self._trial.watched),
            "tenths": self._followed.look(run.history, run.planned) if self._at_tenths else [],
            "step": run.step,
            "steps": run.steps,
            "resumed_at": self._resumed_at,
            "rate": run.rate,
            "notes": self._notes,
        }
        if result is not None:
            if self._settings.keep_weights and self._kind.continues and not run.diverged:
                self._store.save_trained(self._trial.key, self._state(run))
            self._store.commit(self._trial.key, run.history.columns(), result)
            self._release()
            report |= {"diverged": run.diverged, "reported": run.history.value(self._kind.metrics[0].name)}
        else:
            if self._checkpoint_due():
                self._save(run)
            self._live.tell(run, self._resumed_at, self._notes)
        return report

    def _at_its_end(self, run: TrialRun) -> bool:
        """Whether it is trained as far as was asked for."""
        until = self._trial.until
        return run.done or (until is not None and tenths_done(run.step, run.planned) >= until)

    def _limited(self) -> Any:
        """The time that --trial-timeout leaves this attempt."""
        timeout = self._settings.trial_timeout
        if timeout is None:
            return time_limit(None, "")
        if self._deadline is None:
            self._deadline = time.monotonic() + timeout
        said = f"took longer than --trial-timeout {timeout:g} (seconds)"
        return time_limit(self._deadline - time.monotonic(), said, GRACE_SECONDS)

    def _prepared(self) -> TrialRun:
        run = self._new()
        if self._trial.until is not None and run.planned is None:
            raise StudyError(
                f"{self._kind.called()} does not say how many steps it does, as a population needs"
            )
        if not self._kind.continues:
            if self._abandoned:
                self._notes = ["starts anew: its training can't be continued"]
            return run
        self._most_bytes = run.most_state_bytes()
        try:
            state = self._store.checkpoint(self._trial.key, self._most_bytes)
            if state is not None:
                run.resume(state)
        except (Damaged, ValueError) as damage:
            self._notes = [f"starts anew: {damage}"]
            run.training.close()
            return self._new()
        if state is not None:
            self._saved_step = self._resumed_at = run.step
            at = self._started.isoformat(timespec="seconds")
            if self._trial.until is None:  # else it goes on as it is meant to
                run.continued.append({"step": run.step, "at": at, "node": platform.node()})
                self._notes = [f"continues at step {run.step}"]
        elif self._abandoned:
            self._notes = ["starts anew: it was killed before anything was saved"]
        return run

    def _new(self) -> TrialRun:
        self._kind.implementation()  # imports what it needs, before threads are counted
        device = self._share.prepare_process()
        trial = self._trial
        return TrialRun(self._kind, trial.config, self._data, trial.seed, device, trial.lineage)

    def _checkpoint_due(self) -> bool:
        pause = max(self._settings.checkpoint_seconds, CHECKPOINT_COST_RATIO * self._save_cost)
        return self._kind.continues and time.monotonic() - self._saved_at >= pause

    def _is_unsaved(self, run: TrialRun) -> bool:
        return run.between_steps and not run.done and run.step > self._saved_step

    def _save(self, run: TrialRun) -> None:
        """Keep what there is; where that fails, the trial goes on and says so."""
        started = time.monotonic()
        try:
            self._keep(run)
        except StudyError as error:
            note = f"goes on unsaved: {error}"
            self._notes = [*(said for said in self._notes if said != note), note]
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - started

    def _keep(self, run: TrialRun) -> None:
        """The same, or raises StudyError."""
        self._store.save_checkpoint(self._trial.key, self._state(run))
        self._saved_step = run.step

    def _state(self, run: TrialRun) -> bytes:
        """Raises StudyError where it is more than its training says, and so could not be read again."""
        state = run.state()
        if len(state) > self._most_bytes:
            raise StudyError(
                f"its state has {len(state):,} bytes, more than {self._most_bytes:,}: see Training.most_state_bytes"
            )
        return state

    def _result(self, run: TrialRun) -> dict[str, Any]:
        return outcome.result(self._trial, run, self._started, self._share.threads, self._settings.commit)

    def failed(self, error: BaseException) -> dict[str, Any]:
        """The report of a training that raised: what is said of it, and where its traceback lies."""
        lines = traceback.format_exception_only(error)
        noted = sum(len(note.split("\n")) for note in getattr(error, "__notes__", ()))  # they come last
        said = lines[len(lines) - 1 - noted].strip()
        if isinstance(error, StudyError | TimeLimit):
            said = str(error)
        elif (torch := sys.modules.get("torch")) and isinstance(error, torch.OutOfMemoryError):
            share = self._share.gpus
            said = f"out of memory with {share:g} of a GPU; give it more with --gpus-per-trial ({said})"
        where = self._store.save_error(self._trial.key, traceback.format_exc())
        self._end()
        return {**AT_END, "error": said, "error_file": where}

    def _release(self) -> None:
        if self._lock is not None:
            self._store.unlock(self._lock)

    def close(self) -> None:
        """End the attempt: an unfinished trial keeps what it has, interrupted within steps what was saved before."""
        run = self._run
        if run is not None and self._kind.continues and self._is_unsaved(run):
            self._save(run)
        self._end()
        if self._still_runs is not None:
            raise self._still_runs  # the process is no good for another trial

    def _end(self) -> None:
        try:
            if self._run is not None:
                self._run.training.close()
        except RuntimeError as error:
            self._still_runs = error
        self._run = None
        self._live.end()
        self._release()
