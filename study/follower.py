"""Follower: hears from Ray Tune what the trials do, shows it, and remembers the failures."""

from __future__ import annotations

from typing import Any

from ray import tune

from study.plan import Trial
from study.progress import Progress


class Follower(tune.Callback):  # type: ignore[misc]
    """Tune's callback. `failed` maps a key to the trial, its last line, and where the traceback lies."""

    def __init__(self, trials: list[Trial], progress: Progress, attempts: int) -> None:
        self._trials = trials
        self._progress = progress
        self._attempts = attempts
        self.failed: dict[str, tuple[Trial, str, str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks into a snapshot that is never restored from.
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """A report of TrialTrainable.step."""
        ours = self._trials[trial.config["trial"]]
        if "error" in result:
            self.failed[ours.key] = (ours, result["error"], result["error_file"])
        self._progress.report(ours, result)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """A trial whose process was lost as often as allowed."""
        ours = self._trials[trial.config["trial"]]
        reason = str(trial.get_error() or "its process was lost").strip().split("\n")[0]
        self.failed[ours.key] = (ours, f"{reason} (tried {self._attempts} times)", str(trial.error_file))
        self._progress.failed(ours, reason)
