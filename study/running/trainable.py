"""TrialTrainable: Ray Tune's view of a trial. Ray Tune's own checkpoints are not used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune

from study import own_code
from study.plan import Trial
from study.running import allocator
from study.running.attempt import Attempt, Settings
from study.running.resources import Resources, lost_its_gpu
from study.store.trial_store import TrialStore
from study.time_limit import TimeLimit
from study.training import Training


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """Trains `trials[config["trial"]]` or, where trials come one after the other, `config["handed"]`; reports about
    once a second, and commits the result to the store.

    An actor is reused for trial after trial. An error raised by the training itself is reported as a result and ends
    the trial alone: the process is whole and goes on with the next one.
    """

    def setup(
        self,
        config: dict[str, Any],
        trials: Sequence[Trial],
        trainings: Mapping[str, type[Training] | own_code.NotArrived],
        code: Mapping[str, own_code.Own],
        data: Mapping[str, Any],
        storage: str,
        folder: str,
        shares: Mapping[str, Resources],
        settings: Settings,
    ) -> None:
        """Called by Tune in a new process, with the parameters that the runner bound."""
        allocator.keep_freed()
        own_code.provide(code)
        if Path(folder).is_dir():  # on another machine it may not be there
            os.chdir(folder)
        self._trials = trials
        self._trainings = trainings
        self._data = data
        self._store = TrialStore(storage)
        self._shares = shares
        self._settings = settings
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called by Tune instead of `setup` where a process takes its next trial."""
        self.cleanup()  # a scheduler may have stopped the trial before
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        handed = config.get("handed")  # what was not known when this process was started
        trial = handed.trial if handed else self._trials[config["trial"]]
        share = handed.share if handed else self._shares[trial.key]
        kind: Any = self._trainings[trial.training]
        self._error: Exception | None = None
        try:
            if isinstance(kind, own_code.NotArrived):
                raise kind
            trial = trial.arrived(kind)
        except Exception as error:  # raised here, it would look like a process that was lost
            self._error = error
        self._attempt = Attempt(trial, kind, self._data[trial.data], self._store, share, self._settings)

    def step(self) -> dict[str, Any]:
        """Train for about a second; called by Tune until the result says `done`."""
        try:
            if self._error is not None:
                raise self._error
            return self._attempt.step()
        except (Exception, SystemExit, TimeLimit) as error:
            if lost_its_gpu(error):
                raise  # Tune replaces the process
            return self._attempt.failed(error)

    def cleanup(self) -> None:
        """Called by Tune at the end: an interrupted trial keeps what it has."""
        self._attempt.close()
