"""Statistics agree with numbers worked by hand and with independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.weightstats import ttost_paired

from analysis.statistics import (
    binomial_error,
    equivalence_p,
    half_widths,
    holm,
    mean_of,
    p_value,
    paired,
    seeds_to_decide,
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
    difference = paired(a, b)
    assert difference.mean == pytest.approx((b - a).mean())
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert p_value(b - a) == pytest.approx(independent.pvalue)


def test_p_is_unknown_where_all_seeds_agree_on_a_difference_and_with_one() -> None:
    assert p_value([0.0, 0.0, 0.0]) == 1.0
    assert math.isnan(p_value([0.5, 0.5]))
    # Differences that agree but for rounding: 0.3 - 0.2 and 0.2 - 0.1 are not the same float.
    rounded = [0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.3]
    assert len(set(rounded)) > 1
    assert math.isnan(p_value(rounded))
    assert mean_of(rounded).exact
    assert not mean_of([0.1, 0.1001]).exact
    assert equivalence_p(rounded, 0.2) == 0
    assert math.isnan(p_value([0.5]))
    assert math.isnan(equivalence_p([0.5], 1.0))


def test_holm_agrees_with_numbers_worked_by_hand() -> None:
    # Ascending 0.01, 0.03, 0.04: times 3, 2, 1, and never below the one before.
    corrected = holm([0.01, 0.04, math.nan, 0.03])
    assert corrected[[0, 1, 3]].tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(corrected[2])


@pytest.mark.parametrize("margin", [0.3, 1.0, 3.0])
def test_equivalence_agrees_with_an_independent_test(margin: float) -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=9), generator.normal(size=9)
    assert equivalence_p(b - a, margin) == pytest.approx(ttost_paired(b, a, -margin, margin)[0])


def test_binomial_error_of_a_test_set() -> None:
    assert binomial_error(0.97, 10_000) == pytest.approx(math.sqrt(0.97 * 0.03 / 10_000))


def test_so_many_seeds_find_a_difference_with_the_power_asked_for() -> None:
    difference = mean_of([0.9, 0.1, 0.5, 0.7])
    n = seeds_to_decide(difference)
    assert n is not None
    found = []
    generator = np.random.default_rng(3)
    for seeds in (n - 1, n):
        draws = generator.normal(difference.mean, difference.sd, size=(20_000, seeds))
        found.append((scipy.stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean())
    assert found[0] < 0.81
    assert found[1] > 0.79
    assert (seeds_to_decide(difference, comparisons=3) or 0) > n


def test_no_number_of_seeds_decides_no_difference() -> None:
    assert seeds_to_decide(mean_of([0.5])) is None
    assert seeds_to_decide(mean_of([1.0, -1.0])) is None
    assert seeds_to_decide(mean_of([0.3 - 0.2, 0.2 - 0.1])) is None
    assert seeds_to_decide(mean_of([1.0, -1.0, 0.0001])) is None
