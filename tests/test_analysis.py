"""Analysis: a storage's plain files become the right numbers, and a damaged one is named and left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from storages import made_storage

from analysis import load
from analysis.comparison import from_reference
from analysis.figures import draw_effects, draw_training_curves, save
from analysis.plotted import curves, effects
from analysis.series import smoothed, smoothing_window
from analysis.shown import as_shown, notes
from analysis.tables import arm_table
from study.store.trial_store import TrialStore


@pytest.fixture
def storage(tmp_path: Path) -> TrialStore:
    accuracy = {"12": (0.95, 0.96, 0.97), "25": (0.97, 0.98, None)}
    return made_storage(tmp_path / "results", accuracy, published={"12": {"test_accuracy": 95.17}})


def test_the_table_counts_what_is_pending_and_says_the_means(storage: TrialStore) -> None:
    results = load(storage)
    table = arm_table(results, "width").set_index("arm")
    assert table.n.to_dict() == {"12": 3, "25": 2}
    assert table.pending.to_dict() == {"12": 0, "25": 1}
    assert table.test_accuracy.to_dict() == pytest.approx({"12": 96.0, "25": 97.5})
    shown = as_shown(table.reset_index(), results.studies["width"])
    assert shown["top-1 test accuracy, %"].tolist() == ["96.00 ± 2.48", "97.50 ± 6.35"]
    assert shown["published, %"].tolist() == ["95.17", ""]


def test_a_figure_shows_the_mean_and_the_range_of_the_seeds(storage: TrialStore) -> None:
    shown = curves(load(storage), "width")
    assert (shown.metric.name, shown.relative, shown.sparse, shown.seeds) == (
        "train_accuracy",
        False,
        False,
        3,
    )
    assert shown.window == smoothing_window(4) == 1
    narrow = shown.table[shown.table.arm == "12"]
    assert narrow.x.tolist() == [1, 2, 3, 4]
    assert narrow["mean"].tolist() == pytest.approx([11, 21, 31, 41])
    assert narrow.low.tolist() == pytest.approx([10, 20, 30, 40])
    assert narrow.high.tolist() == pytest.approx([12, 22, 32, 42])
    assert narrow.raw.tolist() == pytest.approx([10, 20, 30, 40])


def test_the_same_results_give_the_same_files(storage: TrialStore) -> None:
    results = load(storage)
    first, again = (
        save(draw_training_curves(results, "width"), storage.files, stem) for stem in ("one", "two")
    )
    assert first == again
    assert (storage.root / "one.svg").read_bytes() == first["svg"]
    assert b"Figure 10: Width" in first["svg"]


def test_the_effect_figure_shows_every_seed_and_the_published_value(storage: TrialStore) -> None:
    shown = effects(load(storage), "width").set_index("arm")
    assert shown.seeds["12"].tolist() == pytest.approx([95, 96, 97])
    assert shown.seeds["25"].tolist() == pytest.approx([97, 98])
    assert shown["mean"].tolist() == pytest.approx([96.0, 97.5])
    assert shown.half_width["12"] == pytest.approx(2.484, abs=1e-3)
    assert shown.published["12"] == 95.17
    kinds = ("png", "svg", "pdf")
    made = save(draw_effects(load(storage), "width"), storage.files, "figures/effect", kinds)
    assert [made[kind][:4] for kind in kinds] == [b"\x89PNG", b"<?xm", b"%PDF"]
    assert [(storage.root / f"figures/effect.{kind}").read_bytes() for kind in kinds] == [*made.values()]


def test_one_seed_says_what_the_test_set_alone_leaves_open(tmp_path: Path) -> None:
    results = load(made_storage(tmp_path, {"12": (0.95,)}))
    table, record = arm_table(results, "width"), results.studies["width"]
    # sqrt(0.95 * 0.05 / 10,000) = 0.218 points
    assert table.case_error.tolist() == pytest.approx([0.2179], abs=1e-4)
    said = "The number of test images alone leaves a binomial standard error of up to 0.22 points."
    assert said in " ".join(notes(table, record))
    assert as_shown(table, record)["top-1 test accuracy, %"].tolist() == ["95.00"]


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


@pytest.mark.parametrize("change", [{"claims": [{"kind": "unheard of", "sentence": "s"}]}, {"arms": []}])
def test_a_study_that_a_later_version_wrote_is_named_and_left_out(
    storage: TrialStore, change: dict[str, object]
) -> None:
    store_file = Path(str(storage.root)) / "studies/width.json"
    store_file.write_text(json.dumps({**json.loads(store_file.read_text()), **change}))
    results = load(storage)
    assert results.studies == {}
    assert "studies/width.json" in results.problems[0]


def test_a_copied_trial_is_not_counted_twice(storage: TrialStore) -> None:
    folder = Path(str(storage.root)) / "trials"
    shutil.copytree(folder / "12-0", folder / "12-0.bak")
    results = load(storage)
    assert arm_table(results, "width").n.tolist() == [3, 2]
    assert "is a copy of the result of 12-0" in results.problems[0]


def test_a_damaged_curve_or_study_is_named_and_left_out(storage: TrialStore) -> None:
    (storage.root / "trials/12-0/curve.parquet").write_bytes(b"PAR1")
    (storage.root / "studies/foreign.json").write_text(json.dumps({"hello": 1}))
    results = load(storage)
    assert list(results.studies) == ["width"]
    assert "foreign.json" in results.problems[0]
    assert set(results.curves(["12-0", "12-1"]).key) == {"12-1"}
    assert "12-0" in results.problems[1]


def test_an_arm_with_a_seed_stopped_early_has_no_mean(tmp_path: Path) -> None:
    store = made_storage(tmp_path, {"12": (0.95, 0.96), "25": (0.97, "stopped")})
    results = load(store)
    table = arm_table(results, "width").set_index("arm")
    assert table.n.to_dict() == {"12": 2, "25": 1}
    assert table.stopped.to_dict() == {"12": 0, "25": 1}
    assert table.test_accuracy.isna().to_dict() == {"12": False, "25": True}
    assert "no fair sample" in " ".join(notes(table, results.studies["width"]))


def test_an_arm_with_a_diverged_seed_has_no_difference(tmp_path: Path) -> None:
    store = made_storage(tmp_path, {"12": (0.95, 0.96), "25": (0.97, "diverged"), "50": (0.97, 0.99)})
    table = from_reference(load(store), "width").set_index("arm")
    assert table.difference["50"] == pytest.approx(2.5)
    assert table.p_holm["50"] == table.p["50"]  # the only comparison
    assert table.loc[["12", "25"], ["difference", "difference_low", "p", "p_holm"]].isna().all(axis=None)


def test_a_curve_is_smoothed_over_3_percent_of_it() -> None:
    values = np.arange(100.0)
    assert smoothing_window(100) == 3
    assert smoothed(values)[:2].tolist() == [0.0, 0.5]
    assert smoothed(values)[2:].tolist() == pytest.approx(values[1:-1])
