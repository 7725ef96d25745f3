"""What a tracker of experiments (MLflow, Weights & Biases) is told of a study: a run for each trial that ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from study.errors import StudyError
from study.lineage import told
from study.store.curve_file import STEP, points
from study.store.fields import moment
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.trial_store import TrialStore

from .results import ENDED, Results
from .series import Series


@dataclass(frozen=True)
class TrialRun:
    """A trial in an arm of a study. `tuned` are the nuisance hyperparameters of its candidate, as a text.

    Two arms may have the same trial: study, key, arm and tuned say which run it is. Moments are seconds since 1970.
    """

    study: str
    key: str
    arm: str
    tuned: str
    seed: int
    result: dict[str, Any]
    store: TrialStore

    @property
    def group(self) -> str:
        """The arm, and the candidate where there are several."""
        return f"{self.arm}, {self.tuned}" if self.tuned else self.arm

    @property
    def name(self) -> str:
        return f"{self.group} seed {self.seed}"

    @property
    def made_from(self) -> str:
        """sha256 (hex) of the trial's result: another one, of a trial that was trained anew, is exported anew."""
        return fingerprint(self.result)

    @property
    def started(self) -> float:
        return moment(self.result["provenance"]["started"])

    @property
    def ended(self) -> float:
        return self.at(self.result["steps"])

    def at(self, step: int) -> float:
        """When the step was done, all steps taken as equally long and done without a pause."""
        seconds = float(self.result["provenance"]["training_seconds"])
        return self.started + seconds * step / max(1, int(self.result["steps"]))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        changes = {"lineage": told(self.result["lineage"])} if self.result.get("lineage") else {}
        return {**self.result["config"], **changes, "seed": self.seed}

    @property
    def metrics(self) -> dict[str, float]:
        """What the trial counts as, not scaled for a unit; nothing where it diverged."""
        return dict(self.result.get("metrics", {}))

    @property
    def about(self) -> dict[str, Any]:
        """Which trial it is, and where its result comes from: no verdict, and no number that it was trained for."""
        result = self.result
        about = {
            "study.name": self.study,
            "study.arm": self.arm,
            **({"study.tuned": self.tuned} if self.tuned else {}),
            "study.seed": self.seed,
            "study.key": self.key,
            "study.status": result["status"],
            "study.training": result["training"],
            "study.data": result["data"],
            "study.weights_sha256": result["weights_sha256"],
            **{
                f"provenance.{name}": len(value) if name == "continued" else value
                for name, value in result["provenance"].items()
            },
        }
        return {name: value for name, value in about.items() if value is not None}

    def series(self, most: int) -> dict[str, Series]:
        """Each metric at the steps where it was measured, at `most` of them, evenly chosen.

        Raises Damaged where the curve can't be read.
        """
        curve = self.store.curve(self.key)
        return {name: Series(*points(curve, name, most)) for name in curve.column_names if name != STEP}


def trial_runs(results: Results, study: str) -> Iterator[TrialRun]:
    """The trials of a study that ended, those of all candidates, in order. What can't be read is left out."""
    planned = results.every(study)
    ended: pd.DataFrame = planned[planned.status.isin(ENDED)]
    for arm, tuned, seed, key in zip(ended.arm, ended.tuned, ended.seed, ended.key, strict=True):
        try:
            result = results.store.result(key)
        except (Damaged, StorageError) as problem:
            results.problems.append(str(problem))
            continue
        yield TrialRun(study, key, arm, tuned, int(seed), result, results.store)


def fingerprint(value: Any) -> str:
    """sha256 (hex) of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def as_text(value: Any) -> str:
    """A hyperparameter or a fact as a text: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def not_installed(command: str) -> StudyError:
    return StudyError(f"study export {command} needs packages of its own: pip install 'study[{command}]'")
