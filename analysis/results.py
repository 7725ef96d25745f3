"""A storage's plain files as tidy DataFrames. Nothing is unpickled, nothing is executed.

Accuracies are in [0, 1], durations in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from study.store import Damaged, TrialStore

CURVE_COLUMNS = ["iteration", "epoch", "train_loss", "train_accuracy"]
TRIAL_COLUMNS = {
    "key": "str",
    "status": "str",
    "seed": "Int64",
    "test_accuracy": "float64",
    "best_test_accuracy": "float64",
    "best_epoch": "Int64",
    "test_top5": "float64",
    "test_loss": "float64",
    "iterations": "Int64",
    "parameters": "Int64",
    "flops_per_image": "Int64",
    "training_seconds": "float64",
    "images_per_second": "float64",
    "device": "str",
    "dataset": "str",
    "weights_sha256": "str",
}


@dataclass
class Results:
    """What a storage holds.

    `studies` maps a study's name to its record, as last run. `trials` has one row per finished trial
    (TRIAL_COLUMNS). `problems` says which files could not be read; they are left out.
    """

    store: TrialStore
    studies: dict[str, dict[str, Any]]
    trials: pd.DataFrame
    problems: list[str] = field(default_factory=list)

    def of(self, study: str) -> pd.DataFrame:
        """One row per arm and seed of the study, in order; NaN where the trial is not finished.

        Columns: arm, seed, then those of `trials`.
        """
        record = self.studies[study]
        planned = pd.DataFrame(
            [
                {"arm": arm["label"], "seed": seed, "key": key}
                for arm in record["arms"]
                for seed, key in enumerate(record["keys"].get(arm["label"], []))
            ],
            columns=["arm", "seed", "key"],
        )
        outcomes: pd.DataFrame = planned.merge(self.trials.drop(columns="seed"), on="key", how="left")
        return outcomes

    def curves(self, keys: Iterable[str]) -> pd.DataFrame:
        """One row per trial and iteration: key, iteration, epoch, train_loss, train_accuracy."""
        frames = []
        for key in dict.fromkeys(keys):
            try:
                curve = self.store.curve(key).to_pandas()[CURVE_COLUMNS]
            except (Damaged, KeyError) as problem:
                self.problems.append(str(problem))
                continue
            frames.append(curve.assign(key=key))
        if not frames:
            return pd.DataFrame(columns=["key", *CURVE_COLUMNS])
        return pd.concat(frames, ignore_index=True)[["key", *CURVE_COLUMNS]]


def load(storage: str | Path | TrialStore, studies: Iterable[str] | None = None) -> Results:
    """Read a storage: all of it, or only these studies and their trials."""
    store = storage if isinstance(storage, TrialStore) else TrialStore(storage)
    problems: list[str] = []
    records = {}
    for name in store.studies() if studies is None else studies:
        try:
            records[name] = store.study(name)
        except Damaged as problem:
            problems.append(str(problem))
    finished = store.finished()
    if studies is not None:
        finished &= {key for record in records.values() for keys in record["keys"].values() for key in keys}
    rows = []
    for key in sorted(finished):
        try:
            rows.append(_row(store.result(key)))
        except (Damaged, KeyError, TypeError) as problem:
            problems.append(str(problem) if isinstance(problem, Damaged) else f"trial {key}: {problem!r}")
    trials = pd.DataFrame(rows, columns=list(TRIAL_COLUMNS)).astype(TRIAL_COLUMNS)
    return Results(store, records, trials, problems)


def _row(result: dict[str, Any]) -> dict[str, Any]:
    epochs = result["metrics"]
    row = {
        "key": result["key"],
        "status": result["status"],
        "seed": result["config"]["seed"],
        "dataset": result["config"]["dataset"],
        "iterations": result["iterations"],
        "parameters": result["parameters"],
        "flops_per_image": result["flops_per_image"],
        "weights_sha256": result["weights_sha256"],
        "training_seconds": result["provenance"]["training_seconds"],
        "images_per_second": result["provenance"]["images_per_second"],
        "device": result["provenance"]["device"],
    }
    # A diverged network answers nothing; the epochs before say nothing about the trial as a whole.
    if result["status"] == "finished":
        best = max(epochs, key=lambda epoch: epoch["test_accuracy"])
        row |= {name: epochs[-1][name] for name in ("test_accuracy", "test_top5", "test_loss")}
        row |= {"best_test_accuracy": best["test_accuracy"], "best_epoch": best["epoch"]}
    return row
