"""A storage's plain files as tidy DataFrames. Nothing is unpickled, nothing is executed.

Accuracies are in [0, 1], durations in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.store.files import StorageError
from study.store.records import Damaged, allowed_names
from study.store.trial_store import TrialStore, keys_of

# Trials that ended by themselves, as opposed to those that a scheduler stopped.
ENDED = ("finished", "diverged")
CURVE_COLUMNS = ["iteration", "epoch", "train_loss", "train_accuracy"]
TRIAL_COLUMNS = {
    "key": "str",
    "status": "str",
    "seed": "Int64",
    "validation_accuracy": "float64",
    "test_accuracy": "float64",
    "best_test_accuracy": "float64",
    "best_epoch": "Int64",
    "test_top5": "float64",
    "test_loss": "float64",
    "test_images": "Int64",
    "answers_one_class": "boolean",
    "epochs": "Int64",
    "iterations": "Int64",
    "parameters": "Int64",
    "flops_per_image": "Int64",
    "training_seconds": "float64",
    "images_per_second": "float64",
    "started": "str",
    "device": "str",
    "cpu": "str",
    "torch": "str",
    "ray": "str",
    "python": "str",
    "dataset": "str",
    "precision": "str",
    "weights_sha256": "str",
}


@dataclass
class Results:
    """What a storage holds.

    `studies` maps a study's name to its record, as last run. `trials` has one row per finished, diverged or
    early stopped trial (TRIAL_COLUMNS; of a stopped one only key and status). `problems` says which files
    could not be read; they are left out.
    """

    store: TrialStore
    studies: dict[str, dict[str, Any]]
    trials: pd.DataFrame
    problems: list[str] = field(default_factory=list)

    def of(self, study: str) -> pd.DataFrame:
        """One row per arm and seed of the study, in order; NaN where the trial is not finished.

        Of an arm with tuned (nuisance) hyperparameters, the trials of the selected candidate: the best on
        the held-out images among those whose seeds have all ended; the first where there is none yet.
        Columns: arm, tuned (the candidate's hyperparameters as text), seed, then those of `trials`.
        """
        every = self.candidates(study)
        # A diverged trial must not be forgotten in its candidate's favour.
        scores = every.validation_accuracy.mask(every.status == "diverged", 0.0)
        point = [every.arm, every.candidate]
        means = scores.groupby(point).mean()[every.status.isin(ENDED).groupby(point).all()].dropna()
        best = dict(iter(means.groupby("arm").idxmax()))
        selected = every[every.candidate == [best.get(arm, 0) for arm in every.arm]]
        return selected.drop(columns="candidate").reset_index(drop=True)

    def comparable(self, study: str) -> pd.DataFrame:
        """The same without the accuracies of arms of which a scheduler stopped a seed early.

        What is left of such an arm are its better seeds, no fair sample of it.
        """
        trials = self.of(study)
        stopped = trials.arm.isin(trials.arm[trials.status == "stopped"])
        accuracies = ["test_accuracy", "best_test_accuracy", "test_top5", "answers_one_class"]
        trials.loc[stopped, accuracies] = None
        return trials

    def candidates(self, study: str) -> pd.DataFrame:
        """One row per arm, candidate and seed; `candidate` counts an arm's points from 0."""
        planned = pd.DataFrame(
            [
                {
                    "arm": arm["label"],
                    "candidate": place,
                    "tuned": ", ".join(f"{name}={value}" for name, value in of["overrides"].items()),
                    "seed": seed,
                    "key": key,
                }
                for arm in self.studies[study]["arms"]
                for place, of in enumerate(arm["candidates"])
                for seed, key in enumerate(of["keys"])
            ]
        )
        return planned.merge(self.trials.drop(columns="seed"), on="key", how="left")

    def pending(self, study: str) -> dict[str, int]:
        """How many trials of each arm have not ended, those of all its candidates counted."""
        every = self.candidates(study)
        missing = every.status.isna().groupby(every.arm, sort=False).sum()
        return {str(arm): int(n) for arm, n in missing.items()}

    def curves(self, keys: Iterable[str]) -> pd.DataFrame:
        """One row per trial and iteration: key, iteration, epoch, train_loss, train_accuracy."""
        columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in CURVE_COLUMNS}
        read, lengths = [], []
        for key in dict.fromkeys(keys):
            try:
                curve = self.store.curve(key).select(CURVE_COLUMNS)
            except (Damaged, StorageError, KeyError) as problem:
                self.problems.append(str(problem))
                continue
            # One DataFrame of all trials: one of each would take as long as reading its file.
            for name, values in zip(CURVE_COLUMNS, curve.columns, strict=True):
                columns[name].append(values.to_numpy())
            read.append(key)
            lengths.append(len(curve))
        if not read:
            return pd.DataFrame(columns=["key", *CURVE_COLUMNS])
        return pd.DataFrame(
            {
                "key": np.repeat(np.array(read, object), lengths),
                **{name: np.concatenate(of_trials) for name, of_trials in columns.items()},
            }
        )


def by_trial(curves: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Training accuracy per iteration of each trial, by key, from what `Results.curves` gives."""
    of_trials = curves.groupby("key", sort=False).train_accuracy
    return {str(key): of_trial.to_numpy(float) for key, of_trial in of_trials}


def last_epochs(curves: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """The same of each trial's last epoch alone."""
    return by_trial(curves[curves.epoch == curves.groupby("key").epoch.transform("max")])


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
    finished, stopped = states.finished, states.stopped
    if nameless := {key for key in stopped if not key.isprintable()}:
        problems += [f"{store.root}/trials/{key}: is no name of a trial" for key in sorted(nameless)]
        stopped -= nameless
    if studies is not None:
        theirs = {key for record in records.values() for key in keys_of(record)}
        finished, stopped = finished & theirs, stopped & theirs
    rows = []
    for key in sorted(finished):
        try:
            rows.append(_row(store.result(key)))
        except (Damaged, StorageError) as problem:
            problems.append(str(problem))
    rows += [{"key": key, "status": "stopped"} for key in sorted(stopped)]
    trials = pd.DataFrame(rows, columns=list(TRIAL_COLUMNS)).astype(TRIAL_COLUMNS)
    return Results(store, records, trials, problems)


def _row(result: dict[str, Any]) -> dict[str, Any]:
    epochs, class_counts = result["metrics"], result["test_class_counts"]
    source = result["provenance"]
    row = {
        "key": result["key"],
        "status": result["status"],
        "seed": result["config"]["seed"],
        "dataset": result["config"]["dataset"],
        "precision": result["config"]["precision"],
        "test_images": sum(class_counts),
        "epochs": result["config"]["epochs"],
        "iterations": result["iterations"],
        "parameters": result["parameters"],
        "flops_per_image": result["flops_per_image"],
        "weights_sha256": result["weights_sha256"],
    }
    told = ("training_seconds", "images_per_second", "started", "device", "cpu", "torch", "ray", "python")
    row |= {name: source[name] for name in told}
    # A diverged network answers nothing; the epochs before say nothing about the trial as a whole.
    if result["status"] == "finished":
        best = max(epochs, key=lambda epoch: epoch["test_accuracy"])
        last = ("test_accuracy", "test_top5", "test_loss", "validation_accuracy")
        row |= {name: epochs[-1][name] for name in last}
        row |= {"best_test_accuracy": best["test_accuracy"], "best_epoch": best["epoch"]}
        # The right answers of a network that answers one class are that class's images.
        right = round(row["test_accuracy"] * row["test_images"])
        row |= {"answers_one_class": right in class_counts}
    return row
