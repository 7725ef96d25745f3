"""The trials of a storage as one table: a column for each name, of a bounded number of them, from whatever format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from storages import made_result, made_storage

from analysis import load
from analysis.tables import arm_table
from study.store.records import encoded


def test_metrics_hyperparameters_and_facts_have_a_column_each(tmp_path: Path) -> None:
    store = made_storage(tmp_path, {"12": (0.95, 0.96), "25": ("diverged", "stopped")})
    store.commit("another", {"step": np.array([1, 2])}, made_result(seed=7))
    trials = load(store).trials.set_index("key")
    assert trials.status.to_dict() == {
        "12-0": "finished",
        "12-1": "finished",
        "25-0": "diverged",
        "25-1": "stopped",
        "another": "finished",
    }
    assert trials.test_accuracy.to_dict() == pytest.approx(
        {"12-0": 0.95, "12-1": 0.96, "25-0": np.nan, "25-1": np.nan, "another": 0.97}, nan_ok=True
    )
    assert trials.validation_accuracy.isna().all()
    assert trials["at.best_test_accuracy"]["12-0"] == 4
    assert trials["facts.parameters"]["25-0"] == 1000
    assert (trials.seed["another"], trials["config.lr"]["another"]) == (7, 0.1)


def test_hostile_trials_make_a_table_of_some_hundred_columns(tmp_path: Path) -> None:
    store = made_storage(tmp_path, {"a": (0.9,)})
    result = store.result("a-0")
    for trial in range(10):
        names = [f"{trial}-{place}" for place in range(100)]
        metrics = {**dict.fromkeys(names, 0.5), "rate": 1.0, "a" * 999: 2.0}
        written = {**result, "key": f"{trial}", "metrics": metrics, "facts": dict.fromkeys(names, 1)}
        written["config"] = {name: [1] for name in names}
        store.files.write(f"trials/{trial}/result.json", encoded(written))
    trials = load(store).trials
    assert len(trials) == 11
    assert len(list(trials)) == len(set(trials)) < 400
    assert trials.rate.tolist() == [100.0] * 11


def test_metrics_that_a_result_lacks_are_taken_from_its_curve(tmp_path: Path) -> None:
    curves = {"a": [(np.arange(20) / 20).tolist(), (np.arange(20) / 40).tolist()]}
    store = made_storage(tmp_path, {"a": (0.9, 0.8)}, curves)
    for key in ("a-0", "a-1"):
        result = store.result(key)
        del result["metrics"]["train_accuracy"]
        store.files.write(f"trials/{key}/result.json", encoded(result))
    results = load(store)
    # The last two of 20 values: (18 + 19) / 2 / 20, and half of it.
    assert results.of("width").train_accuracy.tolist() == pytest.approx([0.925, 0.4625])
    assert results.of("width").validation_accuracy.isna().all()
    assert arm_table(results, "width").train_accuracy.tolist() == pytest.approx([69.375])


def test_a_study_of_study_0_1_has_the_numbers_that_its_files_have() -> None:
    """Two epochs of 23 steps each, as tests/format1 has them."""
    results = load(Path(__file__).with_name("format1") / "results")
    trial = results.of("tiny_width").iloc[0]
    written = json.loads((results.store.root / f"trials/{trial.key}/result.json").read_text())
    curve = results.curves([trial.key])
    assert trial.test_accuracy == written["metrics"][1]["test_accuracy"]
    assert trial["config.width"] == written["config"]["width"]
    assert curve.step[curve.test_accuracy.notna()].tolist() == [23, 46]
    assert curve.test_loss.dropna().tolist() == [epoch["test_loss"] for epoch in written["metrics"]]
    assert trial.train_loss == pytest.approx(curve.train_loss[-4:].mean())
