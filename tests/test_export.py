"""A storage as plain tables for other programs: all that there is, the same in both kinds of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Study
from storages import made_storage

from analysis import load
from analysis.export import VERDICT, write
from study.declare import claims

NAMES = ["trials", "curves", "arms", "verdicts"]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Two studies; one has claims, a trial that is not finished and one that diverged."""
    made = [
        claims.above("test_accuracy", "=Wider, is better", "25", "12"),
        claims.increasing("test_accuracy", "Up."),
    ]
    arms = {"12": (0.95, 0.96, 0.955), "25": (0.97, 0.98, None), "50": (0.98, 0.985, "diverged")}
    made_storage(tmp_path / "results", arms, claims=made)
    made_storage(tmp_path / "results", {"alone": (0.9,)}, name="other")
    return tmp_path / "results"


def tables(folder: Path, kind: str) -> dict[str, pd.DataFrame]:
    read = pd.read_csv if kind == "csv" else pd.read_parquet
    return {name: read(folder / f"{name}.{kind}") for name in NAMES}


def test_both_kinds_hold_everything_that_analysis_finds(study: Study, storage: Path) -> None:
    for kind in ("csv", "parquet"):
        done = study("export", kind, "--out", "all")
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [f"all/{name}.{kind}" for name in NAMES]
        found, results = tables(study.folder / "all", kind), load(storage)
        trials = found["trials"]
        assert trials.groupby("study").size().to_dict() == {"other": 1, "width": 9}
        assert trials.status.value_counts().to_dict() == {"finished": 8, "diverged": 1}
        assert trials.test_accuracy.notna().sum() == 8
        # 8 finished trials of 4 steps, and one that diverged in its fifth.
        assert len(found["curves"]) == 8 * 4 + 5
        assert set(found["curves"].key) == set(results.trials.key)
        assert found["arms"].set_index("arm").n.to_dict() == {"alone": 1, "12": 3, "25": 2, "50": 2}
        verdicts = found["verdicts"]
        assert verdicts.columns.tolist() == ["study", *VERDICT]
        assert set(verdicts.study) == {"width"}
        assert verdicts.counts.tolist() == [True, True, False, False]


def test_a_spreadsheet_computes_nothing_of_a_csv_file(study: Study, storage: Path) -> None:
    study("export", "csv", "--out", "all")
    assert tables(study.folder / "all", "csv")["verdicts"].sentence[0] == "'=Wider, is better"


def test_one_study_alone_and_a_hyperparameter_of_several_kinds(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "r", {"a": (0.9,), "b": (0.8,)})
    for key, value in (("a-0", 3), ("b-0", "auto")):
        result = store.result(key)
        store.commit(key, {"step": np.arange(1, 2)}, {**result, "config": {"depth": value}})
    write(load(store), tmp_path / "out", "parquet")
    assert tables(tmp_path / "out", "parquet")["trials"]["config.depth"].tolist() == ["3", "auto"]


def test_what_can_not_be_written_is_said(study: Study, storage: Path) -> None:
    (study.folder / "taken").write_text("")
    done = study("export", "csv", "--out", "taken")
    assert (done.returncode, done.stderr) == (2, "--out taken can't be written: File exists\n")
    assert study("export", "csv", "nosuch").returncode == 2
