"""What a trial tells of itself while it is trained, as often as it costs next to nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from study import provenance
from study.plan import Trial
from study.running import machine
from study.running.history import History
from study.running.resources import Resources
from study.running.trial_run import TrialRun
from study.store import running_file
from study.store.files import StorageError, is_local
from study.store.trial_store import TrialStore
from study.training import Training

# An object store takes longer, and each write may cost money.
LOCAL_SECONDS, REMOTE_SECONDS = 1.0, 10.0
# Telling never costs more than 1/50 of the time.
COST_RATIO = 50
MOST_POINTS, MOST_OF_ALL = 500, 20_000


class Live:
    """Writes running.json of one attempt at a trial, and removes it when the attempt ends."""

    def __init__(
        self, trial: Trial, kind: type[Training], store: TrialStore, share: Resources, started: datetime
    ) -> None:
        self._trial = trial
        self._kind = kind
        self._store = store
        self._share = share
        self._started = started
        self._every = LOCAL_SECONDS if is_local(store.root) else REMOTE_SECONDS
        self._due = 0.0
        self._cost = 0.0
        self._hardware: dict[str, Any] = {}

    def tell(self, run: TrialRun, resumed_at: int, notes: Sequence[str]) -> None:
        """Say how far it is, where that is due. A storage that can't be written is told later, and hinders nothing."""
        if time.monotonic() < self._due:
            return
        # Once, and not counted in what telling costs.
        self._hardware = self._hardware or provenance.hardware(run.device, self._share.threads)
        started = time.monotonic()
        pause = max(self._every, COST_RATIO * self._cost)
        said = {**self._said(run), "resumed_at": resumed_at, "notes": list(notes)}
        # A step may take minutes, of which nothing is heard.
        said["again_within"] = max(pause, 2 * run.seconds / max(1, run.step))
        try:
            running_file.write(self._store, self._trial.key, said)
        except StorageError:
            pause = max(pause, REMOTE_SECONDS)
        self._cost = time.monotonic() - started
        self._due = time.monotonic() + max(pause, COST_RATIO * self._cost)

    def _said(self, run: TrialRun) -> dict[str, Any]:
        """What of `running_file.RunningRecord` the run itself says."""
        return {
            "training": self._trial.training,
            "config": self._trial.config.model_dump(mode="json"),
            "seed": self._trial.seed,
            "started": self._started.isoformat(timespec="milliseconds"),
            "step": run.step,
            "steps": run.steps,
            "percent": run.percent,
            "seconds": run.seconds,
            "rate": run.rate,
            "counts": self._kind.counts,
            "node": self._hardware["node"],
            "device": self._hardware["device"],
            "threads": self._share.threads,
            "gpus": self._share.gpus,
            "machine": machine.use(run.device),
            "metrics": run.history.values(),
            "series": _series(run.history),
        }

    def end(self) -> None:
        """It is not trained any more."""
        if self._hardware:  # something was told
            running_file.forget(self._store, self._trial.key)


def _series(history: History) -> dict[str, Any]:
    """Of each series some points, evenly chosen, the newest among them."""
    names = dict.fromkeys(metric.series for metric in history.metrics.values())
    most = max(2, min(MOST_POINTS, MOST_OF_ALL // len(names)))
    found = {}
    for name in names:
        steps, values = history.series(name)
        if len(steps):
            at = np.linspace(0, len(steps) - 1, min(len(steps), most)).round().astype(int)
            found[name] = {"steps": steps[at].tolist(), "values": values[at].tolist()}
    return found
