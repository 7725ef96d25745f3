"""Sampler: one of Optuna's, made so that what it suggests depends on what it was told and on nothing else."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from study.declare.dimension import Dimension
from study.declare.samplers import SAMPLERS
from study.declare.space import Space
from study.errors import StudyError
from study.seeds import seed_of

if TYPE_CHECKING:
    import optuna

# Optuna's seeds have 32 bits.
MOST_SEED = 2**32 - 1


def check_installed(sampler: str) -> None:
    """Raises StudyError where what this sampler needs is not installed."""
    if sampler == "pbt":
        return
    try:
        import optuna  # noqa: F401

        if sampler == "cmaes":
            import cmaes  # noqa: F401
    except ImportError as error:
        raise StudyError(
            f"sampler = {sampler!r} needs the package {error.name}: pip install 'study[search]' brings it"
        ) from None


class Sampler:
    """Suggests points of a space, numbered from 0, and is told what came of them.

    Each suggestion has a seed of its own, made from `purpose` and its number: a sampler that hears of the same points
    and outcomes in the same order suggests the same, in whatever process. `better` gives "higher" or "lower" for each
    objective.
    """

    def __init__(self, name: str, space: Space, better: Sequence[str], purpose: str) -> None:
        import optuna

        logging.getLogger("optuna").setLevel(logging.ERROR)
        self._name, self._space, self._purpose = name, space, purpose
        self._study = optuna.create_study(
            directions=["maximize" if one == "higher" else "minimize" for one in better]
        )
        self._trials: list[optuna.trial.Trial] = []

    def suggest(self, start: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The next point; `start` is the point itself, or those of its dimensions that are given."""
        return self._ask(self._seeded(len(self._trials)), start)

    def suggested(self, point: Mapping[str, Any], start: Mapping[str, Any] | None = None) -> None:
        """The next point is this one: it was suggested in an earlier run, where it may have had this start."""
        if SAMPLERS[self._name].remembers:
            if self.suggest(start) == point:
                return
            # Another version of Optuna suggests something else, which nobody trains.
            self._study.tell(self._trials.pop(), state=_state("FAIL"))
        import optuna

        self._ask(optuna.samplers.RandomSampler(seed=0), point)

    def told(
        self, number: int, values: Sequence[float] | None, stopped_at: tuple[int, float] | None = None
    ) -> None:
        """What the point of this number came to, by objective; None where it failed.

        Of one that was stopped early, at which step and with which value of the metric that was followed.
        """
        trial = self._trials[number]
        if stopped_at is not None:
            trial.report(stopped_at[1], stopped_at[0])
        state = "PRUNED" if stopped_at is not None else "FAIL" if values is None else "COMPLETE"
        self._study.tell(trial, values if state == "COMPLETE" else None, state=_state(state))

    def _ask(self, sampler: Any, fixed: Mapping[str, Any] | None) -> dict[str, Any]:
        self._study.sampler = sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that something is experimental, or was fixed
            if fixed is not None:
                self._study.enqueue_trial(dict(fixed))
            trial = self._study.ask()
            self._trials.append(trial)
            return self._space.choose(lambda name, one: _chosen(trial, name, one))[0]

    def _seeded(self, number: int) -> Any:
        from optuna import samplers

        seed = seed_of(self._purpose, number) & MOST_SEED
        conditional = self._space.conditional
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            match self._name:
                case "tpe":
                    return samplers.TPESampler(seed=seed, multivariate=False if conditional else None)
                case "gp":
                    return samplers.GPSampler(seed=seed)
                case "cmaes":
                    return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
                case "nsga2":
                    return samplers.NSGAIISampler(seed=seed)
                case "qmc":  # one sequence: each point is the next one of it
                    seed = seed_of(self._purpose) & MOST_SEED
                    return samplers.QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False)
            return samplers.RandomSampler(seed=seed)


def _chosen(trial: optuna.trial.Trial, name: str, one: Dimension) -> Any:
    if one.choices is not None:
        return trial.suggest_categorical(name, range(len(one.choices)))
    step = None if one.log else one.step  # values are rounded to steps of a logarithm
    if one.whole:
        return trial.suggest_int(name, int(one.low), int(one.high), log=one.log, step=int(step or 1))
    return trial.suggest_float(name, one.low, one.high, log=one.log, step=step)


def _state(name: str) -> optuna.trial.TrialState:
    import optuna

    return optuna.trial.TrialState[name]
