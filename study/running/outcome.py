"""What a trial that ended leaves in the store beside its curve: its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from study import provenance
from study.plan import Trial
from study.running.trial_run import TrialRun
from study.store.cases import encoded_cases


def result(
    trial: Trial, run: TrialRun, started: datetime, threads: int, commit: str | None
) -> dict[str, Any]:
    """result.json; all of it but `provenance` is the same whenever and wherever the trial is trained."""
    ended: dict[str, Any] = {"status": "diverged"}
    if not run.diverged:
        ended = {"status": "finished", "metrics": run.history.values(), "at": run.history.at()}
    return {
        "training": trial.training,
        "config": trial.config.model_dump(mode="json"),
        **({"lineage": [[*one] for one in trial.lineage]} if trial.lineage else {}),
        "seed": trial.seed,
        "data": trial.data,
        **ended,
        "steps": run.step,
        "facts": dict(run.training.facts),
        "weights_sha256": run.weights_sha256(),
        # After the weights, which an evaluation of the training's own may change.
        **_correct(run),
        "provenance": {
            **provenance.versions(),
            **provenance.hardware(run.device, threads),
            **run.training.provenance(),
            "git_commit": commit,
            "started": started.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "training_seconds": round(run.seconds, 4),
            "rate": round(run.rate, 1),
            **({"continued": run.continued} if run.continued else {}),
        },
    }


def stopped_record(trial: Trial, report: Mapping[str, Any]) -> dict[str, Any]:
    """stopped.json: where the trial was stopped, from its last report, and by what."""
    said = {name: report[name] for name in ("step", "steps", "tenths")}
    watched = None if math.isnan(report["watched"]) else report["watched"]
    ended = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"metric": trial.watched, "watched": watched, **said, "ended": ended}


def _correct(run: TrialRun) -> dict[str, Any]:
    """The field `correct`, where there is something to say."""
    correct = {name: encoded_cases(answers) for name, answers in run.correct_cases().items()}
    return {"correct": correct} if correct else {}
