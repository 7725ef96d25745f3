"""Analysis: a storage's plain files become the right numbers, and a damaged one is named and left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from analysis import load
from analysis.figures import draw_training_curves, save, smoothing_window, training_curves
from analysis.statistics import mean_of
from analysis.tables import arm_table, as_shown
from study.config import TrialConfig
from study.store import TrialStore

# Test accuracy by arm and seed; None is a trial that is not finished.
ACCURACY = {"12": (0.95, 0.96, 0.97), "25": (0.97, 0.98, None)}


def write_trial(store: TrialStore, key: str, seed: int, accuracy: float, **changes: Any) -> None:
    """A finished trial of four iterations whose training accuracy is 0.1, 0.2, 0.3, 0.4 (+ seed / 100)."""
    curve = {
        "iteration": [1, 2, 3, 4],
        "epoch": [1, 1, 1, 1],
        "train_loss": np.array([4, 3, 2, 1], np.float32),
        "train_accuracy": np.array([0.1, 0.2, 0.3, 0.4], np.float32) + np.float32(seed / 100),
    }
    epoch = {"epoch": 1, "test_loss": 0.1, "test_accuracy": accuracy, "test_top5": 1.0}
    result = {
        "config": TrialConfig(seed=seed).model_dump(),
        "status": "finished",
        "metrics": [{**epoch, "validation_accuracy": None}],
        "iterations": 4,
        "parameters": 1000,
        "flops_per_image": 2000,
        "weights_sha256": "0" * 64,
        "provenance": {
            "training_seconds": 1.5,
            "started": "2026-01-01T00:00:00+00:00",
            "images_per_second": 100.0,
            "device": "cpu",
        },
    }
    store.commit(key, curve, {**result, **changes})


@pytest.fixture
def storage(tmp_path: Path) -> TrialStore:
    store = TrialStore(tmp_path / "results")
    arms = []
    for arm, accuracies in ACCURACY.items():
        keys = [f"{arm}-{seed}" for seed in range(3)]
        arms.append(
            {"label": arm, "overrides": {"width": int(arm)}, "candidates": [{"overrides": {}, "keys": keys}]}
        )
        for seed, accuracy in enumerate(accuracies):
            if accuracy is not None:
                write_trial(store, keys[seed], seed, accuracy)
    store.save_study(
        {"name": "width", "title": "Width", "figure": 10, "question": "?", "varies": "width", "seeds": 3,
         "arms": arms, "fixed": {}, "published": {"12": {"test_accuracy": 95.17}}, "claims": []}
    )  # fmt: skip
    return store


def test_an_interval_agrees_with_numbers_worked_by_hand() -> None:
    # Of 1, 2, 3: sd 1; t(2 degrees, 97.5 %) = 4.302653; 4.302653 / sqrt(3) = 2.484138.
    mean = mean_of([1.0, 2.0, 3.0])
    assert (mean.n, mean.mean, mean.sd) == (3, 2.0, 1.0)
    assert mean.half_width == pytest.approx(2.484138, abs=1e-6)


def test_an_interval_agrees_with_an_independent_function() -> None:
    values = np.random.default_rng(0).normal(size=11)
    low, high = scipy.stats.t.interval(0.95, 10, values.mean(), scipy.stats.sem(values))
    assert mean_of(values).half_width == pytest.approx((high - low) / 2)


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    one, none = mean_of([0.5, np.nan]), mean_of([])
    assert (one.n, one.mean) == (1, 0.5)
    assert np.isnan([one.sd, one.half_width, none.mean, none.half_width]).all()
    assert none.n == 0


def test_the_table_counts_what_is_pending_and_says_the_means(storage: TrialStore) -> None:
    table = arm_table(load(storage), "width").set_index("arm")
    assert table.n.to_dict() == {"12": 3, "25": 2}
    assert table.pending.to_dict() == {"12": 0, "25": 1}
    assert table.test_accuracy.to_dict() == pytest.approx({"12": 96.0, "25": 97.5})
    shown = as_shown(table.reset_index(), "width")
    assert shown["top-1 test accuracy, %"].tolist() == ["96.00 ± 2.48", "97.50 ± 6.35"]
    assert shown["published, %"].tolist() == ["95.17", ""]


def test_a_figure_shows_the_mean_and_the_range_of_the_seeds(storage: TrialStore) -> None:
    curves = training_curves(load(storage), "width")
    assert smoothing_window(4) == 1
    narrow = curves[curves.arm == "12"]
    assert narrow.iteration.tolist() == [1, 2, 3, 4]
    assert narrow["mean"].tolist() == pytest.approx([0.11, 0.21, 0.31, 0.41])
    assert narrow.low.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert narrow.high.tolist() == pytest.approx([0.12, 0.22, 0.32, 0.42])
    assert narrow.raw.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_same_results_give_the_same_files(storage: TrialStore) -> None:
    results = load(storage)
    first, again = (
        [path.read_bytes() for path in save(draw_training_curves(results, "width"), folder, "width")]
        for folder in (storage.root / "one", storage.root / "two")
    )
    assert first == again
    assert b"Figure 10: Width" in first[1]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"key": "x"}', b'{"key": "12-0", "config": {}, "metrics": []}', b"\x80\x04."],
)
def test_a_damaged_result_is_named_and_left_out(storage: TrialStore, content: bytes) -> None:
    (storage.root / "trials/12-0/result.json").write_bytes(content)
    results = load(storage)
    assert len(results.problems) == 1
    assert "12-0" in results.problems[0]
    assert arm_table(results, "width").n.tolist() == [2, 2]


def test_a_damaged_curve_or_study_is_named_and_left_out(storage: TrialStore) -> None:
    (storage.root / "trials/12-0/curve.parquet").write_bytes(b"PAR1")
    (storage.root / "studies/foreign.json").write_text(json.dumps({"hello": 1}))
    results = load(storage)
    assert list(results.studies) == ["width"]
    assert "foreign.json" in results.problems[0]
    assert set(results.curves(["12-0", "12-1"]).key) == {"12-1"}
    assert "12-0" in results.problems[1]
