"""Intervals over seeds: right however often one looks, exact for shares, by order where a seed lies far off."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from analysis.intervals import far_seeds, of_differences, of_one_more, of_share, seeds_needed, sign_p
from analysis.looks import Looks

ANY, PLANNED = Looks(), Looks(planned=10)


def test_a_planned_number_of_seeds_has_the_usual_interval_and_others_none() -> None:
    values = np.random.default_rng(0).normal(size=10)
    usual = scipy.stats.t.interval(0.95, 9, values.mean(), scipy.stats.sem(values))
    found = of_differences(values, PLANNED)
    assert (found.low, found.high) == pytest.approx(usual)
    early = of_differences(values[:9], PLANNED)
    assert (early.low, early.high) == (-math.inf, math.inf)


def test_an_interval_for_any_number_of_looks_has_the_level_of_its_number_of_seeds() -> None:
    values = np.random.default_rng(0).normal(size=10)
    wide = scipy.stats.t.interval(1 - 0.9 * 0.05 / 10, 9, values.mean(), scipy.stats.sem(values))
    found = of_differences(values, ANY)
    assert (found.low, found.high) == pytest.approx(wide)
    assert of_differences(values[:2], ANY).high == math.inf


@pytest.mark.parametrize(("alpha", "studies"), [(0.05, 4000), (0.01, 12_000)])
def test_all_looks_from_3_to_100_seeds_together_err_as_seldom_as_promised(alpha: float, studies: int) -> None:
    draws = np.random.default_rng(1).normal(size=(studies, 100))
    n = np.arange(1, 101)
    mean = draws.cumsum(axis=1) / n
    variance = ((draws**2).cumsum(axis=1) - n * mean**2)[:, 2:] / (n[2:] - 1)
    level = ANY.level(n[2:], alpha)
    half = scipy.stats.t.ppf(1 - level / 2, n[2:] - 1) * np.sqrt(variance / n[2:])
    wrong = (np.abs(mean[:, 2:]) > half).any(axis=1).mean()
    assert wrong < alpha + 2 * math.sqrt(alpha / studies)
    # Nor is it far more careful than it has to be.
    assert wrong > 0.75 * alpha


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("n", [3, 7, 30])
def test_a_p_for_any_number_of_looks_is_the_level_that_it_reaches(n: int, alpha: float) -> None:
    assert ANY.p(float(ANY.level(n, alpha)), n) == pytest.approx(alpha)
    assert ANY.p(0.9, n) == 1.0
    assert PLANNED.p(0.03, 10) == 0.03
    assert math.isnan(PLANNED.p(0.03, n))


def test_seeds_far_from_the_others_are_found_also_where_there_are_two() -> None:
    near = np.random.default_rng(2).normal(98, 0.1, size=20)
    assert far_seeds(near) == ()
    near[[3, 11]] = 85, 84
    assert far_seeds(near) == (3, 11)
    assert far_seeds(np.array([98.5, 98.51, 98.52, 98.53, 85.0])) == (4,)
    assert far_seeds(np.array([98.5, 98.5, 85.0])) == ()


def test_few_normal_seeds_are_taken_for_far_ones() -> None:
    draws = np.random.default_rng(3).normal(size=(2000, 10))
    assert np.mean([bool(far_seeds(values)) for values in draws]) < 0.03


def test_where_a_seed_lies_far_off_the_median_has_the_interval_of_the_sign_test() -> None:
    values = np.array([1.0, 1.1, 0.9, 1.2, 0.8, 1.05, 0.95, 1.15, 0.85, -80.0])
    found = of_differences(values, PLANNED)
    assert found.far == (9,)
    # With 10 seeds the second smallest and the second largest: 2 (1 + 10) / 1024 = 0.021.
    assert (found.middle, found.low, found.high) == (0.975, 0.8, 1.15)
    assert sign_p(values) == pytest.approx(scipy.stats.binomtest(1, 10).pvalue)
    assert of_differences(values[5:], Looks(planned=5)).high == math.inf


def test_seeds_that_all_agree_decide_by_their_number() -> None:
    rounded = [0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.3]
    assert of_differences(rounded, Looks(planned=3)).low == -math.inf
    assert of_differences(rounded * 2, Looks(planned=6)).low == pytest.approx(0.1)
    assert of_differences(rounded * 2, ANY).low == -math.inf
    assert of_differences(rounded * 3, ANY).low == pytest.approx(0.1)


def test_one_more_run_lies_in_its_interval_as_often_as_promised() -> None:
    draws = np.random.default_rng(4).normal(size=(4000, 6))
    inside = [
        found.low <= one[5] <= found.high
        for one in draws
        for found in [of_one_more(one[:5], Looks(planned=5))]
    ]
    assert 0.94 < np.mean(inside) < 0.96


def test_of_runs_some_of_which_fall_one_more_lies_between_the_smallest_and_the_largest() -> None:
    values = np.random.default_rng(5).normal(98, 0.1, size=39)
    values[7] = 85
    found = of_one_more(values, ANY)
    assert (found.low, found.high) == (85, values.max())
    assert of_one_more(values[:30], ANY).low == -math.inf


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10)])
def test_the_interval_of_a_share_is_the_exact_one(k: int, n: int) -> None:
    found = of_share([1.0] * k + [0.0] * (n - k), PLANNED)
    exact = scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert (found.middle, found.low, found.high) == pytest.approx((k / n, exact.low, exact.high))


def test_seeds_to_decide_are_a_range_around_what_the_true_spread_would_need() -> None:
    def first(sd: float) -> int:
        """The first number of seeds whose interval for any number of looks is narrow enough."""
        for n in range(3, 1000):
            if scipy.stats.t.ppf(1 - 0.045 / n / 2, n - 1) * sd / math.sqrt(n) <= 1.0:
                return n
        raise AssertionError

    # 80 % of the samples of 5 with a true spread of 1 have one between these.
    low, high = np.sqrt(scipy.stats.chi2.ppf([0.1, 0.9], 4) / 4)
    found = seeds_needed(1.0, 1.0, 5)
    assert found == (first(1 / high), first(1 / low))
    assert found[0] < first(1.0) < (found[1] or 0)
    assert seeds_needed(0.0, 1.0, 5) is None
    assert seeds_needed(1.0, math.nan, 1) is None
    assert seeds_needed(0.1, 1.0, 5) == (pytest.approx(first(1 / high / 0.1), abs=1), None)
