"""TrialTrainable: Ray Tune's view of a Training.

Resuming has one mechanism: a trial that starts looks in the store for its own checkpoint. It does not
matter what died before. Ray Tune's own checkpoints are not used.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
from ray import tune

from study import models, provenance
from study.data import Dataset
from study.plan import Trial
from study.resources import Resources
from study.store import Damaged, TrialStore
from study.training import Training

REPORT_SECONDS = 1.0
# Saving never costs more than 1/20 of the time.
CHECKPOINT_COST_RATIO = 20
# The fields of a last report that schedulers and the follower read, where there is nothing to train.
AT_END = {"done": True, "whole": True, "percent": 100.0, "recent_accuracy": float("nan")}


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
        costs: dict[str, models.Cost],
        datasets: dict[str, Dataset],
        networks: dict[str, models.Network],
        storage: str,
        shares: dict[str, Resources],
        commit: str | None,
        checkpoint_seconds: float,
    ) -> None:
        """Called by Tune in a new process, with the parameters that the runner bound."""
        self._trials = trials
        self._costs = costs
        self._datasets = datasets
        self._networks = networks
        self._store = TrialStore(storage)
        self._shares = shares
        self._commit = commit
        self._checkpoint_seconds = checkpoint_seconds
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called by Tune instead of `setup` where a process takes its next trial."""
        self.cleanup()  # a scheduler may have stopped the trial before
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._trial = self._trials[config["trial"]]
        self._training: Training | None = None
        self._started = datetime.now(UTC)
        self._saved_at = time.monotonic()
        self._save_cost = 0.0
        self._saved_iteration = 0
        self._pace: float | None = None
        self._notes: list[str] = []

    def step(self) -> dict[str, Any]:
        """Train for about a second; called by Tune until the result says `done`."""
        try:
            return self._advance()
        except torch.AcceleratorError:
            raise  # the process has lost its GPU: Tune replaces it
        except Exception as error:
            where = self._store.save_error(self._trial.key, traceback.format_exc())
            last_line = traceback.format_exception_only(error)[-1].strip()
            self._training = None
            return {**AT_END, "error": last_line, "error_file": where}

    def _advance(self) -> dict[str, Any]:
        if self._training is None:
            if self._store.has(self._trial.key):
                # Another run on this storage was faster, or a process died just after its commit.
                return {**AT_END, "already_stored": True}
            self._training = self._prepared()
        training = self._training
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
            "epoch": -(-training.iteration // training.iterations_per_epoch),
            "train_accuracy": float(training.train_accuracy[-1]),
            "images_per_second": self._images_per_second(training),
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

    def _prepared(self) -> Training:
        config, share = self._trial.config, self._shares[self._trial.key]
        torch.set_num_threads(share.threads)
        device = "cuda" if share.gpus and torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(min(1.0, share.gpus))
        training = Training(config, self._datasets[config.dataset], device, self._networks.get(config.model))
        try:
            state = self._store.checkpoint(self._trial.key)
        except Damaged as damage:
            self._notes = [f"starts anew: {damage}"]
            state = None
        if state is not None:
            training.resume(state)
            self._saved_iteration = training.iteration
            self._notes = [f"continues at iteration {training.iteration}"]
        return training

    @staticmethod
    def _images_per_second(training: Training) -> float:
        return training.images / training.seconds

    def _checkpoint_due(self) -> bool:
        pause = max(self._checkpoint_seconds, CHECKPOINT_COST_RATIO * self._save_cost)
        return time.monotonic() - self._saved_at >= pause

    def _save(self, training: Training) -> None:
        started = time.monotonic()
        self._store.save_checkpoint(self._trial.key, training.state())
        self._saved_iteration = training.iteration
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - started

    def _commit_result(self, training: Training) -> None:
        config = training.config
        cost = self._costs[self._trial.key]
        iterations = range(1, training.iteration + 1)
        curve = {
            "iteration": list(iterations),
            "epoch": [1 + (i - 1) // training.iterations_per_epoch for i in iterations],
            "train_loss": training.train_loss,
            "train_accuracy": training.train_accuracy,
        }
        result = {
            "config": config.model_dump(),
            "status": "diverged" if training.diverged else "finished",
            "metrics": [asdict(epoch) for epoch in training.epochs],
            "iterations": training.iteration,
            "parameters": cost.parameters,
            "flops_per_image": cost.flops,
            # How many test images of each class: analysis knows from it how sure an accuracy is, and which
            # one a network has that answers a single class.
            "test_class_counts": self._datasets[config.dataset].test_class_counts(),
            "weights_sha256": training.weights_sha256(),
            "provenance": {
                **provenance.versions(),
                **provenance.hardware(str(training.device), self._shares[self._trial.key].threads),
                "git_commit": self._commit,
                "started": self._started.isoformat(timespec="milliseconds"),
                "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "training_seconds": round(training.seconds, 4),
                "images_per_second": round(self._images_per_second(training), 1),
            },
        }
        self._store.commit(self._trial.key, curve, result)

    def cleanup(self) -> None:
        """Called by Tune at the end: an interrupted trial keeps what it has."""
        training = self._training
        if training is not None and not training.done and training.iteration > self._saved_iteration:
            self._save(training)
