"""TrialTrainable: Ray Tune's view of a Training.

Resuming has one mechanism: a trial that starts looks in the store for its own checkpoint. It does not
matter what died before. Ray Tune's own checkpoints are not used.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from filelock import FileLock
from ray import tune

from study.errors import StudyError
from study.images import models
from study.images.cost import Cost
from study.images.data import Dataset
from study.images.training import Training
from study.plan import Trial
from study.running import allocator, outcome
from study.running.resources import Resources
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.trial_store import TrialStore
from study.time_limit import TimeLimit, time_limit

REPORT_SECONDS = 1.0
# Saving never costs more than 1/20 of the time.
CHECKPOINT_COST_RATIO = 20
# What code that can't be interrupted gets before its process is ended.
GRACE_SECONDS = 10.0
# The fields of a report that schedulers and the follower read, where nothing was trained.
NOTHING_TRAINED = {"recent_accuracy": float("nan"), "notes": []}
AT_END = {**NOTHING_TRAINED, "done": True, "whole": True, "percent": 100.0}
WAITS = {**NOTHING_TRAINED, "done": False, "whole": False, "percent": 0.0, "waits": True}


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """Trains `trials[config["trial"]]`, reports about once a second, and commits the result to the store.

    An actor is reused for trial after trial, so everything that a trial sets is set anew in `_begin`. An
    error raised by the training itself is reported as a result and ends the trial alone: the process is
    whole and goes on with the next one.
    """

    def setup(
        self,
        config: dict[str, Any],
        trials: Sequence[Trial],
        costs: dict[str, Cost],
        datasets: dict[str, Dataset],
        networks: dict[str, models.Network],
        storage: str,
        shares: dict[str, Resources],
        commit: str | None,
        checkpoint_seconds: float,
        trial_timeout: float | None,
    ) -> None:
        """Called by Tune in a new process, with the parameters that the runner bound."""
        allocator.keep_freed()
        self._trials = trials
        self._costs = costs
        self._datasets = datasets
        self._networks = networks
        self._store = TrialStore(storage)
        self._shares = shares
        self._commit = commit
        self._checkpoint_seconds = checkpoint_seconds
        self._trial_timeout = trial_timeout
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called by Tune instead of `setup` where a process takes its next trial."""
        self.cleanup()  # a scheduler may have stopped the trial before
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._trial = self._trials[config["trial"]]
        self._training: Training | None = None
        self._lock: FileLock | None = None
        self._abandoned = False
        self._started = datetime.now(UTC)
        self._saved_at = time.monotonic()
        self._save_cost = 0.0
        self._saved_iteration = 0
        self._resumed_at = 0
        self._deadline: float | None = None
        self._pace: float | None = None
        self._notes: list[str] = []

    def step(self) -> dict[str, Any]:
        """Train for about a second; called by Tune until the result says `done`."""
        try:
            if self._training is None and (nothing_to_train := self._take()):
                return nothing_to_train
            return self._advance()
        except torch.AcceleratorError:
            raise  # the process has lost its GPU: Tune replaces it
        except (Exception, SystemExit, TimeLimit) as error:
            return self._failed(error)

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
            training = self._training = self._training or self._prepared()
            deadline = time.monotonic() + REPORT_SECONDS
            while not training.done and (left := deadline - time.monotonic()) > 0:
                started = time.monotonic()
                steps = training.run(max(1, int(left / self._pace)) if self._pace else 1)
                self._pace = (time.monotonic() - started) / steps
        report = {
            "done": training.done,
            "whole": training.done,
            "percent": 100 * training.iteration / training.iterations,
            "recent_accuracy": training.recent_accuracy(),
            "iteration": training.iteration,
            "iterations": training.iterations,
            "resumed_at": self._resumed_at,
            "epoch": -(-training.iteration // training.iterations_per_epoch),
            "train_accuracy": float(training.train_accuracy[-1]),
            "images_per_second": training.images_per_second,
            "notes": self._notes,
        }
        if training.done:
            self._commit_result(training)
            report |= {"diverged": training.diverged}
            if training.epochs:
                report |= {"test_accuracy": training.epochs[-1].test_accuracy}
        elif self._checkpoint_due():
            self._save(training)
        return report

    def _limited(self) -> Any:
        """The time that --trial-timeout leaves this attempt."""
        if self._trial_timeout is None:
            return time_limit(None, "")
        if self._deadline is None:
            self._deadline = time.monotonic() + self._trial_timeout
        said = f"took longer than --trial-timeout {self._trial_timeout:g} (seconds)"
        return time_limit(self._deadline - time.monotonic(), said, GRACE_SECONDS)

    def _prepared(self) -> Training:
        share = self._shares[self._trial.key]
        torch.set_num_threads(share.threads)
        if share.gpus and torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(min(1.0, share.gpus))
        training = self._new()
        try:
            state = self._store.checkpoint(self._trial.key, training.most_state_bytes())
            if state is not None:
                training.resume(state)
        except (Damaged, ValueError) as damage:
            self._notes = [f"starts anew: {damage}"]
            return self._new()
        if state is not None:
            self._saved_iteration = self._resumed_at = training.iteration
            self._notes = [f"continues at iteration {training.iteration}"]
        elif self._abandoned:
            self._notes = ["starts anew: it was killed before anything was saved"]
        return training

    def _new(self) -> Training:
        config, gpus = self._trial.config, self._shares[self._trial.key].gpus
        device = "cuda" if gpus and torch.cuda.is_available() else "cpu"
        return Training(config, self._datasets[config.dataset], device, self._networks.get(config.model))

    def _checkpoint_due(self) -> bool:
        pause = max(self._checkpoint_seconds, CHECKPOINT_COST_RATIO * self._save_cost)
        return time.monotonic() - self._saved_at >= pause

    def _save(self, training: Training) -> None:
        """Keep what there is; where that fails, the trial goes on and says so."""
        started = time.monotonic()
        try:
            self._store.save_checkpoint(self._trial.key, training.state())
            self._saved_iteration = training.iteration
        except StorageError as error:
            self._notes = [*self._notes, f"goes on unsaved: {error}"]
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - started

    def _commit_result(self, training: Training) -> None:
        key = self._trial.key
        result = outcome.result(
            training,
            self._costs[key],
            self._datasets[training.config.dataset].test_class_counts(),
            self._started,
            self._shares[key].threads,
            self._commit,
        )
        self._store.commit(key, outcome.curve(training), result)
        self._release()

    def _failed(self, error: BaseException) -> dict[str, Any]:
        said = traceback.format_exception_only(error)[-1].strip()
        if isinstance(error, StudyError | TimeLimit):
            said = str(error)
        elif isinstance(error, torch.OutOfMemoryError):
            share = self._shares[self._trial.key].gpus
            said = f"out of memory with {share:g} of a GPU; give it more with --gpus-per-trial ({said})"
        where = self._store.save_error(self._trial.key, traceback.format_exc())
        self._training = None
        self._release()
        return {**AT_END, "error": said, "error_file": where}

    def _release(self) -> None:
        if self._lock is not None:
            self._store.unlock(self._lock)

    def cleanup(self) -> None:
        """Called by Tune at the end: an interrupted trial keeps what it has."""
        training = self._training
        if training is not None and not training.done and training.iteration > self._saved_iteration:
            self._save(training)
        self._release()
