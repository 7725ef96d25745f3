"""A storage's plain files as tidy DataFrames. Nothing is unpickled, nothing is executed.

Values of metrics are as they were measured, not scaled for a unit: a share in [0, 1], where tables say percent.
Durations are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.metric import Metric
from study.store.cases import Answers, decoded_cases
from study.store.files import StorageError
from study.store.records import Damaged, allowed_names
from study.store.trial_store import States, TrialStore, arms_of, keys_of, searches_of

from . import tuning
from .looks import Looks
from .series import by_trial
from .trial_table import FIXED, MOST_METRICS, Result, row_of, table_of

# Trials that ended by themselves, as opposed to those that a scheduler stopped.
ENDED = ("finished", "diverged")
# Numbers in a study's table. A record may name a trial many times, and a trial have hundreds of columns.
MOST_CELLS = 50_000_000


def metrics_of(record: dict[str, Any]) -> list[Metric]:
    """What a study's training measures, from the study's record; the first is the one of tables."""
    return [Metric.model_validate(metric) for metric in record["metrics"]]


def looks_of(record: dict[str, Any]) -> Looks:
    """How often a study has been looked at: once, where it was run with no other number of seeds than it planned.

    The seeds that are looked at of arms that were chosen are those that take no part in the choice.
    """
    planned = record.get("planned_seeds")
    if not planned or record.get("looked_at") != [planned]:
        return Looks()
    every = _choosing(record)
    return Looks(tuning.telling(planned, every) if every else planned)


def _tuned(record: dict[str, Any]) -> bool:
    several = any(len(arm["candidates"]) > 1 for arm in record["arms"])
    return bool(record["selected_by"]) and (several or bool(record.get("tuning")))


def _choosing(record: dict[str, Any]) -> int:
    """Every which seed takes part in choosing the study's arms or their candidates; 0 where nothing is chosen."""
    if searches_of(record):
        return tuning.FIRST_ALONE
    return tuning.EVERY if _tuned(record) else 0


def measured(trials: pd.DataFrame, metric: str) -> pd.Series:
    """A metric of trials; NaN each where the table has no such column."""
    values: pd.Series = trials[metric] if metric in trials else pd.Series(math.nan, trials.index)
    return values


@dataclass(repr=False)
class Results:
    """What a storage holds. A notebook shows it as tables, verdicts and figures.

    `studies` maps a study's name to its record, as last run. `trials` has one row per finished, diverged or early
    stopped trial, with the columns of `trial_table.table_of`. `problems` says which files could not be read; they
    are left out.
    """

    store: TrialStore
    studies: dict[str, dict[str, Any]]
    trials: pd.DataFrame
    problems: list[str] = field(default_factory=list)
    _filled: set[str] = field(default_factory=set)

    def __repr__(self) -> str:
        counts: dict[str, Sized] = {"studies": self.studies, "trials": self.trials, "problems": self.problems}
        said = ", ".join(f"{name}: {len(counted):,}" for name, counted in counts.items())
        return f"<Results, {said}>"

    def _repr_html_(self) -> str:
        from .notebook import of_storage  # brings Jinja, and imports this file

        return of_storage(self)

    def metrics(self, study: str) -> dict[str, Metric]:
        """What the study's training measures, by name; the first is the one of tables."""
        return {metric.name: metric for metric in metrics_of(self.studies[study])}

    def of(self, study: str) -> pd.DataFrame:
        """One row per arm and seed of the study, in order; NaN where the trial is not finished.

        Of an arm with tuned (nuisance) hyperparameters, the trials of the selected candidate with the seeds that took
        no part in its selection (analysis.tuning); those of the first candidate, as `tuned` "", until the trials that
        select are over. Of a study that searches, the trials with seeds that took no part in the search. One seed alone
        selects among candidates and is shown.
        Columns: arm, tuned (the candidate's hyperparameters as text), seed, then those of `trials`.
        """
        every = self.candidates(study)
        chooses = self.choosing(study)
        if not chooses:
            return every.drop(columns="candidate")
        seeds = every.seed.groupby(every.arm).transform("max") + 1
        tells = ~tuning.choose(every.seed, chooses)
        if not self.tuned(study):
            return every[tells].drop(columns="candidate").reset_index(drop=True)
        by = self.metrics(study)[self.studies[study]["selected_by"]]
        best = tuning.selected(every, measured(every, by.name), by, chooses)
        every.loc[~every.arm.isin(best), "tuned"] = ""
        rows = (tells | (seeds == 1)) & (every.candidate == [best.get(arm, 0) for arm in every.arm])
        return every[rows].drop(columns="candidate").reset_index(drop=True)

    def tuned(self, study: str) -> bool:
        """Whether one of several candidates is selected in the study's arms."""
        return _tuned(self.studies[study])

    def choosing(self, study: str) -> int:
        """Every which seed takes part in choosing arms or their candidates (analysis.tuning); 0 where none does."""
        return _choosing(self.studies[study])

    def comparable(self, study: str) -> pd.DataFrame:
        """The same without the metrics of arms of which a scheduler stopped a seed early, or whose tuning goes on.

        What is left of the first are its better seeds, no fair sample of it; the second are not what they will be.
        """
        trials = self.of(study)
        without = trials.arm.isin(trials.arm[trials.status == "stopped"])
        if self.tuned(study):
            without |= trials.tuned == ""
        if without.any():
            metrics = self.metrics(study)
            trials.loc[
                without, [name for name in map(str, trials) if name in metrics or name.startswith("at.")]
            ] = math.nan
        return trials

    def candidates(self, study: str) -> pd.DataFrame:
        """One row per arm, candidate and seed; `candidate` counts an arm's points from 0."""
        return self._with_trials(study, self._planned(self.studies[study]["arms"]))

    def every(self, study: str) -> pd.DataFrame:
        """The same with the points that a search tried, each as an arm: `point 12`."""
        return self._with_trials(study, self._planned(arms_of(self.studies[study])))

    def _with_trials(self, study: str, planned: pd.DataFrame) -> pd.DataFrame:
        metrics = self.metrics(study)
        self._fill(set(planned.key), metrics)
        columns = [*FIXED, *metrics, *(name for name in map(str, self.trials) if "." in name)]
        columns = columns[: len(FIXED) + max(1, MOST_CELLS // len(planned))]
        found = self.trials.reindex(columns=columns).drop(columns="seed")
        return planned.merge(found, on="key", how="left")

    def _planned(self, arms: list[dict[str, Any]]) -> pd.DataFrame:
        """Columns: arm, candidate, tuned, seed, key."""
        columns: dict[str, list[Any]] = {"arm": [], "candidate": [], "tuned": [], "seed": [], "key": []}
        for arm in arms:
            for place, candidate in enumerate(arm["candidates"]):
                keys = candidate["keys"]
                tuned = ", ".join(f"{name}={value}" for name, value in candidate["overrides"].items())
                columns["arm"] += [arm["label"]] * len(keys)
                columns["candidate"] += [place] * len(keys)
                columns["tuned"] += [tuned] * len(keys)
                columns["seed"] += range(len(keys))
                columns["key"] += keys
        return pd.DataFrame(columns)

    def _fill(self, keys: set[str], metrics: dict[str, Metric]) -> None:
        """Take from curves what results of an earlier version lack; a metric that is optional may be lacking."""
        wanted = {
            name: metric for name, metric in metrics.items() if not metric.optional and name in self.trials
        }
        new = (self.trials.status == "finished") & self.trials.key.isin(keys - self._filled)
        lacking = new & self.trials[list(wanted)].isna().any(axis=1)
        self._filled |= keys
        if not lacking.any():
            return
        curves = self.curves(self.trials.key[lacking], wanted)
        for name, metric in wanted.items():
            values = {
                key: metric.value_of(one.values) for key, one in by_trial(curves, metric.series).items()
            }
            self.trials[name] = self.trials[name].fillna(self.trials.key.map(values).astype("float64"))

    def pending(self, study: str) -> dict[str, int]:
        """How many trials of each arm have not ended, those of all its candidates counted."""
        planned = self._planned(self.studies[study]["arms"])
        ended = set(self.trials.key.to_numpy(object))
        missing = dict.fromkeys(planned.arm, 0)
        for arm, key in zip(planned.arm, planned.key, strict=True):
            missing[arm] += key not in ended
        return missing

    def curves(self, keys: Iterable[str], names: Iterable[str] | None = None) -> pd.DataFrame:
        """What trials measured: one row per trial and step.

        Columns: key, step (from 1), and each of the metrics `names`, NaN where it was not measured; by default all
        that the studies name. A metric that counts another one's series stands as that one.
        """
        metrics = {metric.name: metric for record in self.studies.values() for metric in metrics_of(record)}
        wanted = metrics if names is None else names
        series = list(dict.fromkeys(metrics[name].series if name in metrics else name for name in wanted))
        columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("step", *series)}
        read, lengths = [], []
        for key in dict.fromkeys(keys):
            try:
                curve = self.store.curve(key)
                steps = curve["step"].to_numpy()
            except (Damaged, StorageError) as problem:
                self.problems.append(str(problem))
                continue
            # One DataFrame of all trials: one of each would take as long as reading its file.
            columns["step"].append(steps)
            for name in series:
                known = name in curve.column_names
                columns[name].append(
                    curve[name].to_numpy() if known else np.full(len(curve), np.nan, np.float32)
                )
            read.append(key)
            lengths.append(len(curve))
        if not read:
            return pd.DataFrame(columns=["key", *columns])
        return pd.DataFrame(
            {
                # Millions of rows name some thousand trials.
                "key": pd.Categorical.from_codes(np.repeat(np.arange(len(read)), lengths), pd.Index(read)),
                **{name: np.concatenate(of_trials) for name, of_trials in columns.items()},
            }
        )

    def correct(self, key: str, metric: str) -> Answers | None:
        """Which of N cases a finished trial answered right, bool [N], in the order of its test set.

        None where its result does not say: of another metric, of a training that tells no cases, of an earlier
        version. It is read from the storage at each call.
        """
        if not (self.trials.status[self.trials.key == key] == "finished").any():
            return None
        try:
            told = self.store.result(key).get("correct", {})
        except (Damaged, StorageError) as problem:
            self.problems.append(str(problem))
            return None
        return decoded_cases(told[metric]) if metric in told else None


def load(storage: str | Path | TrialStore, studies: Iterable[str] | None = None) -> Results:
    """Read a storage: all of it, or only these studies and their trials."""
    store = storage if isinstance(storage, TrialStore) else TrialStore(storage)
    problems: list[str] = []
    records = {}
    if studies is None:
        names, problems = allowed_names(store.studies(), store.root)
    else:
        names = list(studies)
    for name in names:
        try:
            records[name] = store.study(name)
        except (Damaged, StorageError) as problem:
            problems.append(str(problem))
    states = store.states()
    nameless = sorted(key for key in states.stopped if not key.isprintable())
    problems += [f"{store.root}/trials/{key}: is no name of a trial" for key in nameless]
    ended = (states.finished | states.stopped) - set(nameless)
    if studies is not None:
        ended &= {key for record in records.values() for key in keys_of(record)}
    found = gathered(store, records, states, ended, {})
    found.problems[:0] = problems
    return found


def gathered(
    store: TrialStore,
    records: dict[str, dict[str, Any]],
    states: States,
    keys: Iterable[str],
    known: dict[str, Result],
) -> Results:
    """The results of these studies and of those of the trials `keys` that ended, as far as they can be read.

    `known` are rows of trials that were read before, by key; those that are read now are added to it.
    """
    problems, rows = [], []
    wanted = set(keys)
    for key in sorted(wanted & states.finished):
        try:
            if key not in known:
                known[key] = row_of(store.result(key))
            rows.append(known[key])
        except (Damaged, StorageError) as problem:
            problems.append(str(problem))
    rows += [{"key": key, "status": "stopped"} for key in sorted(wanted & states.stopped)]
    metrics = {metric.name: metric for record in records.values() for metric in metrics_of(record)}
    best = [name for name, metric in metrics.items() if metric.counts == "best"][:MOST_METRICS]
    return Results(store, records, table_of(rows, metrics, best), problems)
