"""Statistics agree with numbers worked by hand and with independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from analysis.statistics import (
    binomial_error,
    half_widths,
    holm,
    mean_of,
    p_value,
)


def test_an_interval_agrees_with_numbers_worked_by_hand() -> None:
    # Of 1, 2, 3: sd 1; t(2 degrees, 97.5 %) = 4.302653; 4.302653 / sqrt(3) = 2.484138.
    mean = mean_of([1.0, 2.0, 3.0])
    assert (mean.n, mean.mean, mean.sd) == (3, 2.0, 1.0)
    assert mean.half_width == pytest.approx(2.484138, abs=1e-6)


def test_an_interval_agrees_with_an_independent_function() -> None:
    values = np.random.default_rng(0).normal(size=11)
    low, high = scipy.stats.t.interval(0.95, 10, values.mean(), scipy.stats.sem(values))
    assert mean_of(values).half_width == pytest.approx((high - low) / 2)


def test_the_intervals_of_many_means_at_once_are_those_of_each() -> None:
    samples = [np.random.default_rng(seed).normal(size=n) for seed, n in enumerate((2, 3, 11))]
    widths = half_widths([np.std(values, ddof=1) for values in samples], [len(values) for values in samples])
    assert widths.tolist() == pytest.approx([mean_of(values).half_width for values in samples])
    assert np.isnan(half_widths([np.nan, 0.0], [1, 0])).all()


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    one, none = mean_of([0.5, np.nan]), mean_of([])
    assert (one.n, one.mean) == (1, 0.5)
    assert np.isnan([one.sd, one.half_width, none.mean, none.half_width]).all()
    assert none.n == 0


def test_paired_differences_agree_with_an_independent_test() -> None:
    generator = np.random.default_rng(1)
    a = generator.normal(size=7)
    b = a + generator.normal(0.5, 0.3, size=7)
    independent = scipy.stats.ttest_rel(b, a)
    interval = independent.confidence_interval(0.95)
    difference = mean_of(b - a)
    assert difference.mean == pytest.approx((b - a).mean())
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert p_value(b - a) == pytest.approx(independent.pvalue)


def test_seeds_that_agree_on_a_difference_are_no_evidence_and_stay_in_the_family() -> None:
    assert p_value([0.0, 0.0, 0.0]) == p_value([0.5, 0.5]) == 1.0
    # Differences that agree but for rounding: 0.3 - 0.2 and 0.2 - 0.1 are not the same float.
    rounded = [0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.3]
    assert len(set(rounded)) > 1
    assert p_value(rounded) == 1.0
    assert p_value([0.1, 0.1001]) < 1
    assert math.isnan(p_value([0.5]))


def test_holm_agrees_with_numbers_worked_by_hand() -> None:
    # Ascending 0.01, 0.03, 0.04: times 3, 2, 1, and never below the one before.
    corrected = holm([0.01, 0.04, math.nan, 0.03])
    assert corrected[[0, 1, 3]].tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(corrected[2])


def test_binomial_error_of_a_test_set() -> None:
    assert binomial_error(0.97, 10_000) == pytest.approx(math.sqrt(0.97 * 0.03 / 10_000))
