"""study export mlflow, against a real tracking server on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Study, wait_until
from mlflow import MlflowClient
from storages import made_storage

from analysis import load, to_mlflow
from study.errors import StudyError
from study.store.trial_store import TrialStore

# No word to MLflow's makers, and no runner of jobs, which needs a package more.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a tracking server."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", str(folder)]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            cwd=folder, env={**os.environ, **QUIET}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    uri = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log.txt").read_text()
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(answers, "an answer of the server")
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


@pytest.fixture
def client(server: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    return MlflowClient(server)


def storage(folder: Path, name: str, seeds: int = 2) -> TrialStore:
    """A study of this name; one of its trials diverged, and one has not ended."""
    return made_storage(folder, {"12": [0.95] * seeds, "25": (0.97, None), "50": ("diverged",)}, name=name)


def runs(client: MlflowClient, study: str) -> list[Any]:
    experiment = client.get_experiment_by_name(study)
    return [*client.search_runs([experiment.experiment_id])]


def test_a_study_is_a_run_with_one_for_each_trial_and_what_is_new_is_added(
    study: Study, server: str, client: MlflowClient
) -> None:
    storage(study.folder / "results", "width")
    done = study("export", "mlflow", "--to", server, **QUIET)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "width: 4 runs, 4 of them new, in the experiment 'width'\n"
    found = {run.info.run_name: run for run in runs(client, "width")}
    assert found.keys() == {"Width & 50 %", "12 seed 0", "12 seed 1", "25 seed 0", "50 seed 0"}
    parent, one, diverged = found["Width & 50 %"], found["12 seed 1"], found["50 seed 0"]
    assert parent.info.status == "RUNNING"  # one of its trials has not ended
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert names == {"width.csv", "width.png", "width.svg"}
    assert {run.data.tags.get("mlflow.parentRunId") for run in found.values()} == {None, parent.info.run_id}
    assert one.info.status == "FINISHED"
    assert one.info.end_time - one.info.start_time == 1500
    told = {name: one.data.tags[f"study.{name}"] for name in ("name", "arm", "seed", "key", "status")}
    assert told == {"name": "width", "arm": "12", "seed": "1", "key": "12-1", "status": "finished"}
    assert one.data.tags["provenance.torch"] == "2.14.1"
    assert one.data.params == {"seed": "1"}
    assert one.data.metrics["final/test_accuracy"] == 0.95
    history = client.get_metric_history(one.info.run_id, "train_accuracy")
    assert [point.step for point in history] == [1, 2, 3, 4]
    assert [point.value for point in history] == pytest.approx([0.11, 0.21, 0.31, 0.41])
    assert diverged.data.tags["study.status"] == "diverged"
    assert not [name for name in diverged.data.metrics if name.startswith("final/")]
    # A seed more.
    storage(study.folder / "results", "width", seeds=3)
    done = study("export", "mlflow", "width", "--to", server, **QUIET)
    assert done.stdout == "width: 5 runs, 1 of them new, in the experiment 'width'\n"
    again = {run.info.run_name: run for run in runs(client, "width")}
    assert again.keys() - found.keys() == {"12 seed 2"}
    assert {name: again[name].info.run_id for name in found} == {
        name: run.info.run_id for name, run in found.items()
    }
    assert len(runs(client, "width")) == 6


def test_what_a_killed_export_left_is_replaced_and_nothing_is_doubled(
    tmp_path: Path, server: str, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = storage(tmp_path, "killed")
    log, calls = MlflowClient.log_batch, []

    def killed(self: MlflowClient, run: str, *words: Any, **more: Any) -> Any:
        calls.append(run)
        if len(calls) == 4:  # the metrics of the second trial
            raise KeyboardInterrupt
        return log(self, run, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            [*to_mlflow.write(load(store), server)]
    half = [run for run in runs(client, "killed") if "study.exported" not in run.data.tags]
    assert len(half) == 2  # the study and its second trial
    (said,) = to_mlflow.write(load(store), server)
    assert said == "killed: 4 runs, 3 of them new, in the experiment 'killed'"
    found = runs(client, "killed")
    assert sorted(run.info.run_name for run in found) == [
        "12 seed 0", "12 seed 1", "25 seed 0", "50 seed 0", "Width & 50 %",
    ]  # fmt: skip
    for run in found:
        assert "study.exported" in run.data.tags
        if run.data.tags.get("study.status") == "finished":
            assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 4


def test_a_trial_that_was_trained_anew_takes_the_place_of_the_old_one(
    tmp_path: Path, server: str, client: MlflowClient
) -> None:
    store = made_storage(tmp_path, {"a": (0.9,)}, name="anew")
    [*to_mlflow.write(load(store), server)]
    made_storage(tmp_path, {"a": (0.8,)}, name="anew")
    assert [*to_mlflow.write(load(store), server)] == [
        "anew: 1 runs, 1 of them new, in the experiment 'anew'"
    ]
    (trial,) = [run for run in runs(client, "anew") if "study.key" in run.data.tags]
    assert trial.data.metrics["final/test_accuracy"] == 0.8


def test_a_long_series_is_thinned_and_sent_in_parts(
    tmp_path: Path, server: str, client: MlflowClient
) -> None:
    n = 6000
    store = made_storage(tmp_path, {"a": (0.9,)}, {"a": [[i / n for i in range(n)]]}, name="long")
    [*to_mlflow.write(load(store), server)]
    (trial,) = [run for run in runs(client, "long") if "study.key" in run.data.tags]
    steps = [point.step for point in client.get_metric_history(trial.info.run_id, "train_loss")]
    assert (len(steps), steps[0], steps[-1]) == (2500, 1, n)


def test_a_server_that_does_not_answer_and_a_missing_package_are_said_in_a_line(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = storage(study.folder / "results", "width")
    with socket.socket() as silent:  # bound, and nobody listens
        silent.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = study("export", "mlflow", "--to", uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", **QUIET)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"--to {uri}: ")
    assert done.stderr.count("\n") == 1
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(StudyError, match=r"^study export mlflow needs .*: pip install 'study\[mlflow\]'$"):
        [*to_mlflow.write(load(store), uri)]
