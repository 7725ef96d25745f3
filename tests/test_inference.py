"""Which setting published values come from: what is right where the truth is known, and what is said at the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Study
from scipy import stats
from storages import made_storage, storage_of

from analysis.inference import (
    ALIKE,
    BEST,
    RULED_OUT,
    TOO_FEW,
    UNLIKELY,
    Published,
    ranked,
    settings,
    shown,
)
from analysis.results import load
from study.metric import lower


def value(published: float, mean: float, sd: float, n: int = 5) -> Published:
    return Published("arm", "test_accuracy", published, n, mean, sd, rounding=0.01)


def test_density_and_p_are_those_of_a_t_distribution_about_our_mean() -> None:
    one = value(97.46, 97.2, 0.3, n=4)
    scale = math.sqrt((0.3**2 + 0.01**2 / 12) * (1 + 1 / 4))
    trains = math.log(5 / 6)  # the same for all candidates with four seeds of which none diverged
    assert one.log_density == pytest.approx(stats.t.logpdf(97.46, 3, 97.2, scale) + trains)
    assert one.p == pytest.approx(2 * stats.t.sf((97.46 - 97.2) / scale, 3))


def test_what_is_said_follows_from_likelihood_and_distance() -> None:
    found = ranked(
        {
            "near": [value(97.46, 97.4, 0.2, n=20)],
            "as near": [value(97.46, 97.5, 0.25, n=20)],
            "farther": [value(97.46, 96.9, 0.2, n=20)],
            "far": [value(97.46, 98.4, 0.1, n=20)],
            "one seed": [value(97.46, 97.4, math.nan, n=1)],
        }
    )
    said = {one.label: one.verdict for one in found}
    assert said == {
        "near": BEST, "as near": ALIKE, "farther": UNLIKELY, "far": RULED_OUT, "one seed": TOO_FEW
    }  # fmt: skip
    assert [one.label for one in found][-1] == "one seed"
    assert math.isnan(found[-1].p)
    assert sum(one.posterior for one in found[:-1]) == pytest.approx(1)


def test_a_spread_of_zero_is_that_of_rounding() -> None:
    same, other = value(100.0, 100.0, 0.0, n=3), value(99.9, 100.0, 0.0, n=3)
    assert same.p == 1
    assert other.p < 0.01


def test_the_truth_is_ruled_out_as_rarely_as_it_is_said() -> None:
    """2,000 reports of two values each, of a setting of which we have five seeds: 1 %, at most."""
    draw = np.random.default_rng(0)
    ruled_out = 0
    for _ in range(2000):
        of = []
        for published in draw.normal(97, 0.4, 2):
            ours = draw.normal(97, 0.4, 5)
            of.append(value(published, ours.mean(), ours.std(ddof=1)))
        ruled_out += ranked({"true": of})[0].verdict == RULED_OUT
    assert ruled_out / 2000 < 0.02


def test_arms_that_share_a_hyperparameter_are_one_setting(tmp_path: Path) -> None:
    accuracy = {
        "a1": [0.970, 0.972, 0.971], "a2": [0.960, 0.962, 0.961], "b1": [0.971, 0.972, 0.970], "b2": [0.93, 0.94, 0.92],
    }  # fmt: skip
    published = {arm: {"test_accuracy": 97.1 if arm.endswith("1") else 96.1} for arm in accuracy}
    store = made_storage(tmp_path, accuracy, published=published)
    record = store.study("width")
    for arm in record["arms"]:
        arm["overrides"] = {"width": "ab".index(arm["label"][0]) + 1}
    store.save_study({name: of for name, of in record.items() if name not in ("format", "sha256")})
    results = load(store)
    first, second = settings(results, "width", ["width"])
    assert (first.label, first.verdict, len(first.published)) == ("width=1", BEST, 2)
    assert second.label == "width=2"
    assert second.ratio < 0.1
    with pytest.raises(ValueError, match="a1 and a2 are not for the same published values"):
        settings(results, "width")
    text = shown([first, second], {"test_accuracy": "top-1"})
    assert text.ours[0] == "97.10 (sd 0.10)"
    assert text.setting.tolist() == ["width=1", "", "width=2", ""]
    with pytest.raises(KeyError):
        settings(results, "width", ["lr"])


def test_seeds_that_diverged_or_are_far_off_are_told_and_count(tmp_path: Path) -> None:
    accuracy = {
        "whole": [0.970, 0.972, 0.971, 0.973],
        "diverges": [0.970, 0.972, *["diverged"] * 6],
        "collapses": [0.970, 0.971, 0.972, 0.9705, 0.9715, 0.1135],
    }
    store = made_storage(tmp_path, accuracy, published={arm: {"test_accuracy": 97.1} for arm in accuracy})
    found = {one.label: one for one in settings(load(store), "width")}
    assert found["whole"].verdict == BEST
    assert found["diverges"].published[0].diverged == 6
    assert found["diverges"].ratio < 0.5
    text = shown([*found.values()], {"test_accuracy": "top-1"}).set_index("setting")
    assert text.n["diverges"] == "2, 6 diverged"
    assert text.ours["collapses"].endswith(", a seed far off)")


def test_one_published_value_counts_once(tmp_path: Path) -> None:
    accuracy = {"a1": [0.970, 0.972], "a2": [0.960, 0.962]}
    store = made_storage(tmp_path, accuracy, published={arm: {"test_accuracy": 97.1} for arm in accuracy})
    record = {name: of for name, of in store.study("width").items() if name not in ("format", "sha256")}
    for arm in record["arms"]:
        arm["overrides"] = {"width": 1}
    store.save_study(record)
    with pytest.raises(ValueError, match="several arms of width=1 are for the same published value"):
        settings(load(store), "width", ["width"])


def test_a_loss_is_rounded_to_its_own_digits(tmp_path: Path) -> None:
    trials = {"a": [{"loss": [0.0251]}, {"loss": [0.0249]}], "b": [{"loss": [0.0281]}, {"loss": [0.0283]}]}
    published = {arm: {"loss": 0.0250} for arm in trials}
    store = storage_of(tmp_path, [lower("loss")], trials, published=published)
    found = settings(load(store), "width")
    assert found[0].label == "a"
    assert found[1].p < 0.1
    assert shown(found, {"loss": "loss"}).published[0] == "0.025"


def test_a_number_with_an_exponent_is_rounded_to_its_own_digits_too(tmp_path: Path) -> None:
    trials = {
        "a": [{"loss": [1.1e-05]}, {"loss": [0.9e-05]}],
        "b": [{"loss": [9.1e-05]}, {"loss": [9.0e-05]}],
    }
    store = storage_of(tmp_path, [lower("loss")], trials, published={arm: {"loss": 1e-05} for arm in trials})
    first, second = settings(load(store), "width")
    assert (first.label, first.verdict, second.verdict) == ("a", BEST, UNLIKELY)


def test_the_command_tells_it_and_refuses_what_can_t_be_asked(study: Study) -> None:
    accuracy = {"one": [0.970, 0.972, 0.971], "two": [0.90, 0.91, 0.92]}
    made_storage(
        study.folder / "results", accuracy, published={arm: {"test_accuracy": 97.1} for arm in accuracy}
    )
    told = study("infer", "width")
    assert told.returncode == 0, told.stderr
    assert "agrees best" in told.stdout
    assert "97.10 (sd 0.10)" in told.stdout
    plain = json.loads(study("infer", "width", "--json").stdout)
    assert [one["label"] for one in plain] == ["one", "two"]
    assert plain[0]["published"][0]["value"] == 97.1
    refused = study("infer", "width", "--by", "nothing")
    assert refused.returncode == 2
    assert "not every arm sets 'nothing'" in refused.stderr
    made_storage(study.folder / "other", accuracy)
    silent = study("infer", "width", "--storage", "other")
    assert (silent.returncode, "nothing was published" in silent.stderr) == (2, True)
