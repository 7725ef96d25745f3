"""A metric against hyperparameters, as the pages draw it: every trial is there, at its place, with its mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from storages import made_storage

from analysis import Results, hyperparameters, load
from study.store.trial_store import keys_of

GRID = {
    "a": ({"lr": 0.1, "width": 12, "loss": "<b>plain</b>"}, (0.90, 0.92)),
    "b": ({"lr": 0.1, "width": 25, "loss": "balanced"}, (0.94, 0.96)),
    "c": ({"lr": 10.0, "width": 12, "loss": "balanced"}, (0.50, 0.52)),
    "d": ({"lr": 10.0, "width": 25, "loss": "balanced"}, (0.60, None)),
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    store = made_storage(tmp_path, {arm: accuracy for arm, (_, accuracy) in GRID.items()})
    for key in keys_of(store.study("width")):
        if store.has(key):
            result = store.result(key)
            del result["key"]
            curve = store.curve(key)
            config = {**GRID[key.partition("-")[0]][0], "epochs": 1}
            columns = {
                name: (curve[name].to_numpy(), curve[name].is_valid().to_numpy())
                for name in curve.column_names
            }
            columns["step"] = columns["step"][0]
            store.commit(key, columns, {**result, "config": config})
    return load(tmp_path)


def test_what_differs_is_what_can_be_drawn(results: Results) -> None:
    assert {*hyperparameters.varied(results, "width")} == {"lr", "width", "loss"}


def test_against_one_every_trial_is_a_dot_and_means_go_over_all_else(results: Results) -> None:
    drawn = hyperparameters.against(results, "width", "test_accuracy", "lr")
    dots, means = drawn["data"]
    assert len(dots["x"]) == len(dots["y"]) == 7
    assert means["x"] == [0.1, 10.0]
    assert means["y"] == pytest.approx([93.0, 54.0])
    assert drawn["layout"]["xaxis"]["type"] == "log"  # a hundredfold apart


def test_against_two_each_cell_is_the_mean_of_its_trials(results: Results) -> None:
    drawn = hyperparameters.against(results, "width", "test_accuracy", "width", "lr")
    (heat,) = drawn["data"]
    assert (heat["x"], heat["y"]) == (["12", "25"], ["0.1", "10"])
    assert heat["z"] == [pytest.approx([91.0, 95.0]), pytest.approx([51.0, 60.0])]
    assert json.dumps(drawn)


def test_names_are_categories_and_no_markup(results: Results) -> None:
    drawn = hyperparameters.against(results, "width", "test_accuracy", "loss")
    assert drawn["layout"]["xaxis"]["type"] == "category"
    assert set(drawn["data"][0]["x"]) == {"balanced", "&lt;b&gt;plain&lt;/b&gt;"}


def test_with_an_axis_for_each_a_line_goes_from_its_values_to_its_result(results: Results) -> None:
    drawn = hyperparameters.parallel(results, "width", "test_accuracy")
    lines = [place for one in drawn["data"] for place in one["y"]]
    assert lines.count(None) == 7  # each line ends with one
    names = drawn["layout"]["xaxis"]["categoryarray"]
    (best,) = [one for one in drawn["data"] if one["y"][len(names) - 1] == 1.0]
    at = dict(zip(names, best["y"], strict=False))
    assert (at["lr"], at["width"]) == (0.0, 1.0)


def test_trials_that_all_diverged_draw_nothing(tmp_path: Path) -> None:
    made_storage(tmp_path, {"a": ("diverged",), "b": ("diverged",)})
    results = load(tmp_path)
    results.trials["config.lr"] = [0.1, 1.0]
    results.trials["config.width"] = [1, 2]
    assert hyperparameters.parallel(results, "width", "test_accuracy")["data"] == []
    for names in (("lr",), ("lr", "width")):
        drawn = hyperparameters.against(results, "width", "test_accuracy", *names)
        assert not any(len(one["x"]) for one in drawn["data"])


def test_a_hyperparameter_that_some_trials_lack_leaves_those_out(results: Results) -> None:
    results.trials["config.momentum"] = [0.9, 0.5, *[float("nan")] * 5]
    drawn = hyperparameters.parallel(results, "width", "test_accuracy")
    assert [value for one in drawn["data"] for value in one["y"]].count(None) == 2
    assert "NaN" not in json.dumps(drawn)
    assert len(hyperparameters.against(results, "width", "test_accuracy", "momentum")["data"][0]["x"]) == 2
