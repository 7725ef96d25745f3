"""The numbers that the recipe gives. When one changes on purpose, raise RECIPE_VERSION in
study/images/declaration.py."""

from __future__ import annotations

import pytest
from conftest import image_run

from study.images.data import Dataset
from study.images.declaration import RECIPE_VERSION, Images
from study.key import trial_keys

# Baseline on digits, seed 0: the losses of 20 steps, as first measured with recipe 1. Their tolerance is
# what other CPUs' order of summation may change in 20 float32 steps.
GOLDEN_LOSSES = [
    2.302097,
    2.265323,
    2.235251,
    2.209855,
    2.182407,
    2.142817,
    2.086813,
    2.043816,
    2.089665,
    2.001098,
    1.919131,
    1.632723,
    2.651823,
    2.136552,
    2.052119,
    1.978039,
    1.926648,
    1.762198,
    1.646493,
    1.455819,
]
GOLDEN_KEY = "0ebac88ad4f2212ba52a73fbe09c5a15"


def test_twenty_steps_of_the_baseline_give_the_recipes_numbers(digits: Dataset) -> None:
    run = image_run(digits, dataset="digits", epochs=2)
    while run.step < 20:
        run.run(20 - run.step)
    assert RECIPE_VERSION == 1
    assert run.history.series("train_loss")[1].tolist() == pytest.approx(GOLDEN_LOSSES, rel=1e-3)


def test_the_key_of_a_config_stays() -> None:
    assert trial_keys(Images, Images.Config(), [0], "fingerprint") == [GOLDEN_KEY]
