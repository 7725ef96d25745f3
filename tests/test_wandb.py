"""study export wandb, offline: the files that `wandb sync` would send are read back."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Study
from storages import made_storage
from wandb.proto.wandb_internal_pb2 import Record

from analysis import load, to_wandb
from analysis.trackers import trial_runs
from study.errors import StudyError

# wandb's makers hear of its errors otherwise.
OFFLINE = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
# Of the log in which wandb keeps records: a head, then blocks in which each part of a record has a head of 7 bytes.
HEAD, BLOCK, PART = 7, 32_768, 7
WHOLE, LAST = 1, 4


def records(path: Path) -> Iterator[Record]:
    """What a .wandb file holds. It has the form of LevelDB's log; wandb's package has no reader of its own."""
    content, at, record = path.read_bytes(), HEAD, b""
    while at + PART <= len(content):
        if (left := BLOCK - at % BLOCK) < PART:
            at += left
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + PART : at + PART + size]
        at += PART + size
        if kind in (WHOLE, LAST):
            yield Record.FromString(record)
            record = b""


def values(items: Any) -> dict[str, Any]:
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}


def run_in(folder: Path) -> dict[str, Any]:
    """A run from its folder: what it is called, its config, a row for each step, and its summary."""
    (path,) = folder.glob("*.wandb")
    found: dict[str, Any] = {"rows": [], "summary": {}, "config": {}, "ended": False}
    for record in records(path):
        if record.HasField("run"):
            run = record.run
            found |= {name: getattr(run, name) for name in ("run_id", "project", "display_name", "run_group")}
            found["config"] |= values(run.config.update)
        elif record.HasField("config"):
            found["config"] |= values(record.config.update)
        elif record.HasField("history"):
            row = values(record.history.item)
            found["rows"].append({name: row[name] for name in row if name != "_runtime"})  # of the export
        elif record.HasField("summary"):
            told = values(record.summary.update)
            found["summary"] |= {name: told[name] for name in told if not name.startswith("_")}
        elif record.HasField("exit"):
            found["ended"] = True
    return found


def runs(folder: Path) -> dict[str, dict[str, Any]]:
    found = [run_in(one) for one in folder.glob("wandb/offline-run-*")]
    assert len({run["run_id"] for run in found}) == len(found)
    return {run["display_name"]: run for run in found}


def test_seeds_are_runs_arms_are_groups_and_what_is_new_is_added(study: Study) -> None:
    results = study.folder / "results"
    made_storage(results, {"12": (0.95, 0.96), "25": (0.97, None), "50": ("diverged",)})
    done = study("export", "wandb", **OFFLINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("width: 4 runs, 4 of them new, in the project 'width'; `wandb sync ")
    found = runs(study.folder)
    assert found.keys() == {"12 seed 0", "12 seed 1", "25 seed 0", "50 seed 0"}
    one = found["12 seed 1"]
    assert (one["project"], one["run_group"], one["ended"]) == ("width", "12", True)
    assert [row["_step"] for row in one["rows"]] == [1, 2, 3, 4]
    assert [row["train_accuracy"] for row in one["rows"]] == pytest.approx([0.11, 0.21, 0.31, 0.41])
    assert one["rows"][3]["_timestamp"] - one["rows"][1]["_timestamp"] == pytest.approx(0.75)
    assert one["rows"][3]["test_accuracy"] == one["summary"]["test_accuracy"] == 0.96
    config = one["config"]
    assert (config["seed"], config["facts"]["parameters"]) == (1, 1000)
    assert (config["study"]["key"], config["study"]["status"]) == ("12-1", "finished")
    assert config["provenance"]["torch"] == "2.14.1"
    assert found["50 seed 0"]["config"]["study"]["status"] == "diverged"
    # A seed more, and a run of which an export was killed before it was whole.
    made_storage(results, {"12": (0.95, 0.96, 0.94), "25": (0.97, None), "50": ("diverged",)})
    (half,) = study.folder.glob(f"wandb/offline-run-*-{found['25 seed 0']['run_id']}")
    (half / "study-exported.txt").unlink()
    done = study("export", "wandb", "width", **OFFLINE)
    assert "5 runs, 2 of them new" in done.stdout, done.stderr
    again = runs(study.folder)
    assert again.keys() - found.keys() == {"12 seed 2"}
    assert {name: again[name] for name in found} == found
    # In a project for several studies the groups say of which one they are.
    done = study("export", "wandb", "--project", "all", **OFFLINE)
    assert "5 runs, 5 of them new, in the project 'all'" in done.stdout, done.stderr
    every = [run_in(one) for one in study.folder.glob("wandb/offline-run-*")]
    assert len({run["run_id"] for run in every}) == 10
    groups = {run["run_group"] for run in every if run["project"] == "all"}
    assert groups == {"width: 12", "width: 25", "width: 50"}


def test_a_run_that_goes_on_gets_only_the_steps_that_it_lacks(tmp_path: Path) -> None:
    store = made_storage(tmp_path, {"a": (0.9,)}, {"a": [[i / 6000 for i in range(6000)]]})
    (run,) = trial_runs(load(store), "width")
    series = run.series(to_wandb.MOST_POINTS)
    whole = [*to_wandb.rows(run, series, first=0)]
    assert (len(whole), whole[0][0], whole[-1][0]) == (2500, 1, 6000)
    assert [*to_wandb.rows(run, series, first=whole[2000][0])] == whole[2000:]
    assert [*to_wandb.rows(run, series, first=6001)] == []


def test_what_hinders_an_export_is_said_in_a_line(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made_storage(study.folder / "results", {"a": (0.9,)})
    done = study("export", "wandb", WANDB_MODE="disabled")
    assert done.returncode == 2
    assert done.stderr == "WANDB_MODE=disabled: wandb would write nothing. offline writes files.\n"
    with socket.socket() as silent:  # bound, and nobody listens
        silent.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}"
        online = {**OFFLINE, "WANDB_MODE": "online", "WANDB_BASE_URL": nobody, "HOME": str(study.folder)}
        done = study("export", "wandb", **online)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("study export wandb: ")
    assert "key" in done.stderr
    assert done.stderr.count("\n") == 1
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(StudyError, match=r"^study export wandb needs .*: pip install 'study\[wandb\]'$"):
        [*to_wandb.write(load(store))]
