"""TuneCallback: hears from Ray Tune what the trials do, shows it, and remembers the failures."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ray import tune

from study.plan import Trial
from study.running import limits
from study.running.listener import Listener
from study.running.outcome import stopped_record
from study.running.progress import Progress
from study.running.stop_signals import check_stop
from study.store.files import StorageError
from study.store.trial_store import TrialStore


class TuneCallback(tune.Callback):  # type: ignore[misc]
    """Tune's callback. `failed` maps a key to the trial, its last line, and where the traceback lies;
    `stopped` are the keys of those that a scheduler stopped early.
    """

    def __init__(
        self,
        trials: list[Trial],
        store: TrialStore,
        progress: Progress,
        max_failures: int,
        listener: Listener,
    ) -> None:
        self._trials = trials
        self._store = store
        self._progress = progress
        self._max_failures = max_failures
        self._losses: Counter[str] = Counter()
        self._memory_kills = limits.memory_kills()
        self._to_repeat: list[int] = []
        self._listener = listener
        self.failed: dict[str, tuple[Trial, str, str]] = {}
        self.stopped: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks into a snapshot that is never restored from.
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """A report of TrialTrainable.step."""
        check_stop()
        ours = self._trials[trial.config["trial"]]
        if "error" in result:
            self.failed[ours.key] = (ours, result["error"], result["error_file"])
        elif not result["done"] and "waits" not in result:
            self._listener.reported(ours.key)
        self._progress.report(ours, result)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """A trial whose process was lost, and that Tune starts again."""
        self._lost(self._trials[trial.config["trial"]])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """A trial that ended by itself, or that a scheduler stopped."""
        ours, last = self._trials[trial.config["trial"]], trial.last_result
        # What Tune computes of every metric, 40 kB a trial, is asked for by nobody.
        trial.run_metadata.metric_analysis.clear()
        trial.run_metadata.metric_n_steps.clear()
        if not last["whole"]:
            try:
                self._store.save_stopped(ours.key, stopped_record(ours, last))
            except StorageError as error:
                self.failed[ours.key] = (ours, str(error), "")
                self._progress.failed(ours, str(error))
                return
            if ours.until is None:
                self.stopped.add(ours.key)
            self._progress.stopped(ours, last)
        elif ours.key not in self.failed:
            self._listener.finished(ours.key)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """A trial whose process was lost, and that Tune does not start again."""
        index = trial.config["trial"]
        ours = self._trials[index]
        if self._losses[ours.key] < self._max_failures:
            # Lost between two trials, for which Tune gives up at once.
            self._to_repeat.append(index)
            self._lost(ours)
            return
        lost = self._what_was_lost()
        whole = str(trial.get_error() or lost)
        errors = re.findall(r"^[\w.]+(?:Error|Exception): .*", whole, re.MULTILINE)
        last = errors[-1] if errors else lost
        reason = f"{last} (tried {self._max_failures + 1} times)"
        self.failed[ours.key] = (ours, reason, self._store.save_error(ours.key, whole))
        self._progress.failed(ours, reason)

    def to_repeat(self) -> list[int]:
        """The places of the trials that are to be started again, after all others; asked for once."""
        places, self._to_repeat = self._to_repeat, []
        return places

    def _lost(self, trial: Trial) -> None:
        self._losses[trial.key] += 1
        self._progress.note(trial, f"{self._what_was_lost()}; it is started again")

    def _what_was_lost(self) -> str:
        """With the reason where this machine knows it; on another node of a cluster nobody asks."""
        before, self._memory_kills = self._memory_kills, limits.memory_kills()
        more = ", and the kernel ended one for want of memory" if self._memory_kills > before else ""
        return f"its process was lost{more}"
