"""Planning: studies and seeds -> the distinct trials, and which of them the store already has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from study.declare.data import SharedData
from study.declare.study import Study
from study.errors import StudyError
from study.key import former_keys, trial_keys
from study.lineage import Lineage
from study.recording import record_of, unreadable
from study.store.records import MOST_NAME_BYTES, STUDY_NAME
from study.store.trial_store import States, TrialStore, keys_of
from study.training import Training

# Of those of a search one has searched and tells nothing of what was found.
DEFAULT_SEEDS, SEEDS_OF_SEARCH = 3, 6


@dataclass(frozen=True)
class Trial:
    """One distinct training, and the first study and arm that ask for it.

    `training` is its name, `data` the fingerprint of what it is trained on, `watched` the metric that is followed.
    `config` are the hyperparameters that it begins with, which may change (`lineage`). One of a population is trained
    `until` so many tenths of its steps are done, and may be continued later.
    """

    key: str
    training: str
    config: Any
    seed: int
    data: str
    study: str
    arm: str
    watched: str
    lineage: Lineage = ()
    until: int | None = None

    @property
    def name(self) -> str:
        """How a person tells trials apart: `network_width 25 seed 1`."""
        return f"{self.study} {self.arm} seed {self.seed}"

    @property
    def part(self) -> str:
        """What stands for what is trained now: the key, of one of a population with the tenth."""
        return self.key if self.until is None else f"{self.key} {self.until}"

    def travelling(self) -> Trial:
        """The same with its config as plain data, which needs no class of the user's where it arrives."""
        return replace(self, config=self.config.model_dump())

    def arrived(self, kind: type[Training]) -> Trial:
        """The other way round."""
        return replace(self, config=kind.Config.model_validate(self.config))


class Source(Protocol):
    """Gives trials one after the other, while those before are trained."""

    @property
    def samples(self) -> list[Trial]:
        """Trials like those that it gives, by which data are loaded and shares are chosen."""

    def configs(self) -> list[tuple[str, Any]]:
        """Trainings' names and hyperparameters that name whatever code of the user's its trials may run."""

    @property
    def left(self) -> int:
        """How many trials it may still give."""

    def known(self) -> list[str]:
        """The keys of trials that it gave in earlier runs and that have ended, in the order of their ends."""

    @property
    def waits(self) -> bool:
        """Whether there may be a next one when those that were given have ended, though there is none now."""

    def next(self) -> Trial | None:
        """A trial to train now, or None: there is none, now or at all."""

    def ended(self, trial: Trial, failed: bool = False) -> None:
        """A trial that it gave has ended, and the store has its result; or it failed."""

    def best(self) -> str:
        """The best that was found so far, in words; empty where nothing was."""


@dataclass(frozen=True)
class Plan:
    """What one `study tune` is about: studies as they will be recorded, and their distinct trials.

    `trainings` are the trainings by name. By keys: `stored` are finished; `stopped` were stopped early and stay so;
    `interrupted` are continued, of which `resumed` were stopped early; `littered` are finished and something was left
    beside them; `damaged` were finished and can't be read any more, with the reason. `source` gives trials that depend
    on the results of others.
    """

    records: list[dict[str, Any]]
    trials: dict[str, Trial]
    stored: set[str]
    trainings: dict[str, type[Training]]
    data: SharedData
    interrupted: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    resumed: set[str] = field(default_factory=set)
    littered: set[str] = field(default_factory=set)
    damaged: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    source: Source | None = None

    def own_code(self) -> list[str | type[Training]]:
        """The code that the trials run: trainings, and what their configs name."""
        configs = {(trial.training, id(trial.config)): trial.config for trial in self.trials.values()}
        for training, config in self.source.configs() if self.source else ():
            configs[training, id(config)] = config
        named = [
            name
            for (training, _), config in configs.items()
            for name in self.trainings[training].plugins(config)
        ]
        return [*self.trainings.values(), *sorted(set(named))]

    @property
    def over(self) -> bool:
        """Whether there is nothing to train."""
        return not self.pending and not (self.source and self.source.left)

    @property
    def pending(self) -> list[Trial]:
        """The trials to train, in the order of the studies."""
        ended = self.stored | self.stopped
        return [trial for key, trial in self.trials.items() if key not in ended]

    def begin(self, store: TrialStore) -> None:
        """Record the studies in the store, and forget what is to be trained again."""
        for record in self.records:
            store.save_study(record)
        for key in self.littered:
            store.tidy(key)
        for key in [trial.key for trial in self.pending] if self.fresh else self.damaged:
            store.remove(key)
        for key in self.resumed:
            store.forget_stopped(key)

    def without(self, keys: Set[str]) -> Plan:
        """The same without these trials."""
        return replace(
            self,
            trials={key: trial for key, trial in self.trials.items() if key not in keys},
            stored=self.stored - keys,
            stopped=self.stopped - keys,
            interrupted=self.interrupted - keys,
            resumed=self.resumed - keys,
            littered=self.littered - keys,
        )

    def whole(self) -> Plan:
        """The same as if nothing were stored."""
        return replace(self, stored=set(), stopped=set())

    def checked(self, store: TrialStore) -> Plan:
        """The same after reading all stored trials: those that can't be read are to be trained again."""
        damaged = store.damaged(self.stored)
        return replace(self, stored=self.stored - damaged.keys(), damaged=self.damaged | damaged)

    @property
    def occurrences(self) -> int:
        """Arms times seeds (times candidates) over all studies, shared trials counted each time."""
        return sum(len(keys_of(record)) for record in self.records)


# What is to be trained after a plan, given how many trials run at once; None where nothing is.
More = Callable[[int], Plan | None]


def make_plan(
    studies: Sequence[Study],
    seeds: int | None,
    store: TrialStore,
    data_folder: Path | None,
    overrides: Mapping[str, Any] | None = None,
    fresh: bool = False,
    keep_stopped: bool = False,
    of_arms: Mapping[tuple[str, str], int] | None = None,
) -> Plan:
    """All studies together; a training, config and seed that several share is one trial.

    Each is run with the seeds 0 to `seeds` - 1; by default as many as it plans, or 3. `of_arms` says for a study's name
    and an arm how many that arm has, in a run whose seeds depend on what is found; no number was planned then.
    `fresh` ignores what is stored; `keep_stopped` leaves trials alone that a scheduler stopped early, which
    are continued otherwise. Without a `data_folder` (the data are elsewhere) keys are not those of a store.

    Raises StudyError with the mistakes of all studies; reads the store, writes nothing.
    """
    if seeds is not None and seeds < 1:
        raise StudyError(f"seeds = {seeds}: at least 1 is needed")
    trainings = _trainings(studies)
    states = States(*(set[str]() for _ in range(6))) if fresh else store.states()
    data = SharedData(data_folder)
    records: list[dict[str, Any]] = []
    trials: dict[str, Trial] = {}
    mistakes: list[str] = []
    for study in studies:
        kind, arms = study.kind, []
        for arm in study.expand():
            usual = SEEDS_OF_SEARCH if study.searches else DEFAULT_SEEDS
            if study.searches and (seeds or study.seeds or usual) < 2:
                raise StudyError(
                    f"{study.name}: seed 0 searches, and at least one more is needed to tell: give 2 seeds or more"
                )
            n = (of_arms or {}).get((study.name, arm.label)) or seeds or study.seeds or usual
            candidates, set_by_arm = [], dict[str, Any]()
            for candidate in arm.candidates:
                try:
                    config = study.config(arm, candidate, overrides or {}, n)
                    fingerprint = data.fingerprint(kind, config)
                except StudyError as error:
                    mistakes += error.mistakes
                    continue
                keys = trial_keys(kind, config, range(n), fingerprint, arm.lineage)
                for former in former_keys(kind, config, range(n), fingerprint) if not arm.lineage else ():
                    keys = [old if old in states else new for new, old in zip(keys, former, strict=True)]
                for seed, key in enumerate(keys):
                    made = Trial(
                        key, kind.called(), config, seed, fingerprint, study.name, arm.label, study.watched,
                        arm.lineage,
                    )  # fmt: skip
                    trials.setdefault(key, made)
                # As the trials have them: a study may give them as NumPy's numbers, or as fractions.
                values = config.model_dump(mode="json")
                set_by_arm = {name: values[name] for name in arm.overrides}
                candidates.append({"overrides": {name: values[name] for name in candidate}, "keys": keys})
            changes = {"lineage": [[*one] for one in arm.lineage]} if arm.lineage else {}
            arms.append({"label": arm.label, "overrides": set_by_arm, "candidates": candidates, **changes})
        if not mistakes:  # a record says what holds, such as the data
            planned = study.seeds if of_arms is None else None
            records.append(record_of(study, planned, arms, overrides or {}, store))
    mistakes = mistakes or [*filter(None, map(unreadable, records))]
    if mistakes:
        raise StudyError(*dict.fromkeys(mistakes))
    resumed = set() if keep_stopped else states.stopped & trials.keys()
    return Plan(
        records,
        trials,
        stored=states.finished & trials.keys(),
        trainings=trainings,
        data=data,
        stopped=states.stopped & trials.keys() if keep_stopped else set(),
        interrupted=states.interrupted & trials.keys() | resumed,
        resumed=resumed,
        littered=states.littered & trials.keys(),
        fresh=fresh,
    )


def check_fit(plan: Plan) -> None:
    """Raises StudyError, naming everything in the configs of pending trials that can't be trained on their data."""
    folder = plan.data.folder or Path()
    # Trials of an arm share their config, which may not be hashable.
    configs = {(trial.study, trial.training, id(trial.config)): trial.config for trial in plan.pending}
    mistakes = {
        f"{study}: {mistake}": None
        for (study, training, _), config in configs.items()
        for mistake in plan.trainings[training].misfits(config, folder)
    }
    if mistakes:
        raise StudyError(*mistakes)


def _trainings(studies: Sequence[Study]) -> dict[str, type[Training]]:
    """The trainings of all studies by name. Raises StudyError for studies that can't be planned together."""
    if not studies:
        raise StudyError("Give at least one study.")
    names = [study.name for study in studies]
    for name in names:
        if not re.fullmatch(STUDY_NAME, name) or len(name.encode()) > MOST_NAME_BYTES:
            raise StudyError(
                f"study name {name!r}: use letters, digits, dots, dashes and spaces, at most 100"
            )
    for name in {name for name in names if names.count(name) > 1}:
        raise StudyError(f"Two studies are called {name!r}; the name is the file's name, so rename one.")
    trainings: dict[str, type[Training]] = {}
    for study in studies:
        called = study.kind.called()
        first = trainings.setdefault(called, study.kind)
        if first is not study.kind and first.identity(first.Config()) != study.kind.identity(
            study.kind.Config()
        ):
            raise StudyError(
                f"Two trainings are called {called!r}, one of them that of {study.name}.",
                "Rename one, or give it another name: name = '...' in the class.",
            )
    return trainings
