"""Planning: studies and seeds -> the distinct trials, and which of them the store already has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from study.declare.study import Study
from study.errors import StudyError
from study.images import data
from study.images.config import TrialConfig
from study.key import trial_key
from study.provenance import versions
from study.store.records import MOST_NAME_BYTES, STUDY, STUDY_NAME, Damaged, decoded, encoded
from study.store.trial_store import TrialStore, keys_of


@dataclass(frozen=True)
class Trial:
    """One distinct training, and the first study and arm that ask for it."""

    key: str
    config: TrialConfig
    study: str
    arm: str

    @property
    def name(self) -> str:
        """How a person tells trials apart: `network_width width=25 seed 1` in short."""
        return f"{self.study} {self.arm} seed {self.config.seed}"


@dataclass(frozen=True)
class Plan:
    """What one `study tune` is about: studies as they will be recorded, and their distinct trials.

    By keys: `stored` are finished; `stopped` were stopped early and stay so; `interrupted` are continued, of
    which `resumed` were stopped early; `littered` are finished and something was left beside them; `damaged`
    were finished and can't be read any more, with the reason.
    """

    records: list[dict[str, Any]]
    trials: dict[str, Trial]
    stored: set[str]
    interrupted: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    resumed: set[str] = field(default_factory=set)
    littered: set[str] = field(default_factory=set)
    damaged: dict[str, str] = field(default_factory=dict)
    fresh: bool = False

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

    def checked(self, store: TrialStore) -> Plan:
        """The same after reading all stored trials: those that can't be read are to be trained again."""
        damaged = store.damaged(self.stored)
        return replace(self, stored=self.stored - damaged.keys(), damaged=damaged)

    @property
    def occurrences(self) -> int:
        """Arms times seeds (times candidates) over all studies, shared trials counted each time."""
        return sum(len(keys_of(record)) for record in self.records)


def make_plan(
    studies: Sequence[Study],
    seeds: int,
    store: TrialStore,
    data_folder: Path | None,
    overrides: dict[str, Any] | None = None,
    fresh: bool = False,
    keep_stopped: bool = False,
) -> Plan:
    """All studies together; a config that several share is one trial.

    `fresh` ignores what is stored; `keep_stopped` leaves trials alone that a scheduler stopped early, which
    are continued otherwise. Without a `data_folder` (the data are elsewhere) keys are not those of a store.

    Raises StudyError with the mistakes of all studies; reads the store, writes nothing.
    """
    if seeds < 1:
        raise StudyError(f"seeds = {seeds}: at least 1 is needed")
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

    records: list[dict[str, Any]] = []
    trials: dict[str, Trial] = {}
    mistakes: list[str] = []
    fingerprints: dict[str, str] = {}
    for study in studies:
        arms = []
        for arm in study.expand():
            candidates = []
            for candidate in arm.candidates:
                try:
                    configs = study.configs(arm, seeds, candidate, **(overrides or {}))
                except StudyError as error:
                    mistakes += error.mistakes
                    continue
                name = configs[0].dataset
                if name not in fingerprints:
                    fingerprints[name] = data.fingerprint(name, data_folder) if data_folder else name
                keys = [trial_key(config, fingerprints[name]) for config in configs]
                for key, config in zip(keys, configs, strict=True):
                    trials.setdefault(key, Trial(key, config, study.name, arm.label))
                candidates.append({"overrides": dict(candidate), "keys": keys})
            arms.append({"label": arm.label, "overrides": dict(arm.overrides), "candidates": candidates})
        records.append(_record(study, seeds, arms, overrides or {}))
    mistakes = mistakes or [*filter(None, map(_unreadable, records))]
    if mistakes:
        raise StudyError(*dict.fromkeys(mistakes))
    if fresh:
        return Plan(records, trials, set(), fresh=True)
    states = store.states()
    resumed = set() if keep_stopped else states.stopped & trials.keys()
    return Plan(
        records,
        trials,
        stored=states.finished & trials.keys(),
        stopped=states.stopped & trials.keys() if keep_stopped else set(),
        interrupted=states.interrupted & trials.keys() | resumed,
        resumed=resumed,
        littered=states.littered & trials.keys(),
    )


def _unreadable(record: dict[str, Any]) -> str | None:
    """Why the record could not be read again: a title that is too long, say. Nothing is trained then."""
    try:
        decoded(encoded(record), STUDY, record["name"])
    except (Damaged, ValueError, TypeError) as why:
        return str(why)
    return None


def _record(
    study: Study, seeds: int, arms: list[dict[str, Any]], overrides: dict[str, Any]
) -> dict[str, Any]:
    """studies/<name>.json: what analysis needs to know of a study."""
    return {
        "name": study.name,
        "source": study.source,
        "title": study.title,
        "figure": study.figure,
        "question": study.question,
        "varies": study.varies,
        "reference": study.reference_arm(),
        "seeds": seeds,
        "arms": arms,
        "fixed": {**study.fixed, **overrides},
        "overrides": overrides,
        "versions": versions(),
        "published": study.published,
        "claims": [claim.model_dump(mode="json") for claim in study.claims],
    }
