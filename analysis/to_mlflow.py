"""Studies as MLflow runs: an experiment per study, in it a run for the study, and nested under it one per trial.

A study has an experiment of its own, since the table and the charts of an experiment have the columns of all its runs,
and studies of other trainings have other hyperparameters and metrics.

Each metric is logged by step as it was measured, and as `final/<metric>` what the trial counts as: that may be the best
value, or the mean of the last ones, and MLflow shows of a series the last one.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.store.files import StorageError
from study.store.records import Damaged

from . import figures, tables
from .results import Results
from .series import Series
from .trackers import TrialRun, as_text, fingerprint, not_installed, trial_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Written last: a run without it is half of one, left by an export that was killed.
WHOLE = "study.exported"
# What MLflow takes in one request, in a value, and asks for of a series to draw it.
MOST_PARAMS, MOST_METRICS = 100, 1000
MOST_IN_NAME, MOST_IN_PARAM, MOST_IN_TAG = 250, 6000, 5000
MOST_POINTS = 2500
Which = tuple[str, str, str]
THE_STUDY: Which = ("", "", "")


def write(results: Results, uri: str) -> Iterator[str]:
    """Export all studies that were loaded to a tracking server or store; after each, what was done, as a line.

    Only what is new is written. Raises StudyError where the server can't be used.
    """
    # Those that are set stay. An export can be repeated, and MLflow's own seven retries take four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    # MLflow tells its makers of each use otherwise.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Two lines on stdout for each run.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise not_installed("mlflow") from None
    try:
        client = MlflowClient(uri)
        for study in results.studies:
            yield _study(client, results, study)
    except (MlflowException, OSError, ImportError) as error:
        said = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise StudyError(f"--to {uri}: {said}") from None


def _study(client: MlflowClient, results: Results, study: str) -> str:
    runs = [*trial_runs(results, study)]
    if not runs:
        return f"{study}: no trial has ended yet"
    experiment = client.get_experiment_by_name(study)
    where = experiment.experiment_id if experiment else client.create_experiment(study)
    known = _known(client, where, study)
    record = results.studies[study]
    parents = known.get(THE_STUDY, [])
    parent = parents[0] if parents else _begin_study(client, where, record)
    new = 0
    for run in runs:
        there = known.get((run.key, _tag(run.arm), _tag(run.tuned)), [])
        whole = [one for one in there if one.data.tags.get(WHOLE) == run.made_from][:1]
        for one in there:
            if one not in whole:
                client.delete_run(one.info.run_id)
        if not whole:
            try:
                series = run.series(MOST_POINTS)
            except (Damaged, StorageError) as problem:
                results.problems.append(str(problem))
                continue
            _write_trial(client, where, parent.info.run_id, run, series)
            new += 1
    _end_study(client, results, parent, runs)
    return f"{study}: {len(runs)} runs, {new} of them new, in the experiment {study!r}"


def _known(client: MlflowClient, experiment: str, study: str) -> dict[Which, list[Any]]:
    """The runs that the experiment has of a study: of each trial in an arm, and of the study itself."""
    known, page = defaultdict(list), None
    while page != "":
        found = client.search_runs([experiment], max_results=1000, page_token=page)
        for run in found:
            tags = run.data.tags
            if tags.get("study.name") == _tag(study):
                which = (tags.get("study.key", ""), tags.get("study.arm", ""), tags.get("study.tuned", ""))
                known[which].append(run)
        page = found.token or ""
    return known


def _begin_study(client: MlflowClient, experiment: str, record: dict[str, Any]) -> Any:
    tags = {
        "study.name": record["name"],
        "study.source": record["source"],
        "study.varies": record["varies"],
        "mlflow.note.content": record["question"],
    }
    tags = {name: _tag(value) for name, value in tags.items() if value}
    return client.create_run(experiment, tags=tags, run_name=_tag(record["title"]))


def _write_trial(
    client: MlflowClient, experiment: str, parent: str, run: TrialRun, series: dict[str, Series]
) -> None:
    from mlflow.entities import Metric, Param

    tags = {_name(name): _tag(value) for name, value in run.about.items()}
    tags["mlflow.parentRunId"] = parent
    started, ended = _milliseconds(run.started), _milliseconds(run.ended)
    made = client.create_run(experiment, started, tags, _tag(run.name)).info.run_id
    params = [Param(_name(name), _cut(value, MOST_IN_PARAM)) for name, value in run.hyperparameters.items()]
    for part in _parts(params, MOST_PARAMS):
        client.log_batch(made, params=part, synchronous=True)
    metrics = [
        Metric(name, value, _milliseconds(run.at(step)), step)
        for name, (steps, values) in series.items()
        for step, value in zip(steps.tolist(), values.tolist(), strict=True)
    ]
    last = run.result["steps"]
    once = {f"final/{name}": value for name, value in run.metrics.items()}
    once |= {f"facts/{name}": value for name, value in run.result["facts"].items()}
    metrics += [Metric(_name(name), value, ended, last) for name, value in once.items()]
    for part in _parts(metrics, MOST_METRICS):
        client.log_batch(made, metrics=part, synchronous=True)
    client.set_terminated(made, "FINISHED", ended)
    client.set_tag(made, WHOLE, run.made_from)


def _end_study(client: MlflowClient, results: Results, parent: Any, runs: Sequence[TrialRun]) -> None:
    """The study's table and figure, where they were made from other results; it is finished once all its trials are."""
    study = runs[0].study
    content = tables.csv(tables.arm_table(results, study))
    pending = sum(results.pending(study).values())
    made_from = fingerprint(
        [content.decode(), pending, results.studies[study], [run.made_from for run in runs]]
    )
    if parent.data.tags.get(WHOLE) == made_from:
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, f"{study}.csv").write_bytes(content)
        drawn = figures.draw_training_curves(results, study)
        for kind in ("png", "svg"):
            Path(folder, f"{study}.{kind}").write_bytes(figures.rendered(drawn, kind))
        client.log_artifacts(parent.info.run_id, folder)
    if pending:
        client.update_run(parent.info.run_id, "RUNNING")
    else:
        client.set_terminated(parent.info.run_id, "FINISHED")
    client.set_tag(parent.info.run_id, WHOLE, made_from)


def _parts(whole: list[Any], most: int) -> Iterator[list[Any]]:
    return (whole[at : at + most] for at in range(0, len(whole), most))


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _name(name: str) -> str:
    """The name with an underscore for what MLflow does not take in one."""
    return _cut(re.sub(r"[^\w.\- /:]", "_", name), MOST_IN_NAME)


def _tag(value: Any) -> str:
    return _cut(value, MOST_IN_TAG)


def _cut(value: Any, most: int) -> str:
    text = as_text(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
