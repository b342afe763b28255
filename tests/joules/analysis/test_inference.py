"""Tests against a bound and the intervals that invert them."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from joules import means
from joules.analysis import statistics
from joules.analysis.inference import CorrelationSample, ExtremeSample, MedianSample, ResampledSample
from joules.means import DifferenceSample, MeanSample

VALUES = np.array([1.1, 1.4, 1.2, 1.7])


@pytest.mark.parametrize("n", [2, 5, 8])
def test_p_values_are_those_of_scipy(n):
    random = np.random.default_rng(n)
    for contrasts in (random.normal(0.5, 1, n), random.integers(-2, 4, n) / 2):
        flipped = stats.permutation_test(
            (contrasts,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert means.p_value(contrasts, "sign_flip") == pytest.approx(float(flipped.pvalue))
        students = stats.ttest_1samp(contrasts, 0.0)
        assert means.p_value(contrasts, "paired_t") == pytest.approx(float(students.pvalue))


def test_the_sign_flip_of_more_blocks_than_can_be_counted_is_near():
    contrasts = np.random.default_rng(0).normal(0.2, 1, 41)
    drawn = stats.permutation_test(
        (contrasts,), np.mean, permutation_type="samples", rng=np.random.default_rng(1), vectorized=True
    )
    assert 0.1 < means.p_value(contrasts, "sign_flip") == pytest.approx(float(drawn.pvalue), abs=0.02)


@pytest.mark.parametrize("n", [4, 8, 10])
def test_the_interval_of_a_mean_is_students(n):
    values = np.random.default_rng(n).lognormal(size=n)
    interval = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert means.mean_interval(values) == pytest.approx(tuple(map(float, interval)))


def of(n, location=0.3):
    return np.random.default_rng(n).exponential(size=n) + location


@pytest.mark.parametrize(
    "sample",
    [
        MeanSample.from_values(of(4)),
        MeanSample.from_ratios(of(5)),
        *(MeanSample.from_values(of(n), "sign_flip") for n in (6, 8, 10, 16, 17, 41)),
        MeanSample.from_ratios(of(9), "sign_flip"),
        *(MeanSample.from_values(sign * of(n), "skewed_t") for n in (2, 3, 4, 8, 28) for sign in (-1, 1)),
        CorrelationSample.from_columns(of(12), of(12) ** 2 + np.cos(np.arange(12))),
        CorrelationSample.from_columns(of(20), -of(20) + 3 * np.cos(np.arange(20))),
        CorrelationSample(-0.8, 12),
        CorrelationSample(0.2, 12),
        DifferenceSample(0.4, 0.2, 3.7, 3),
        ResampledSample(1.0, tuple(np.random.default_rng(0).normal(1.0, 0.2, 4000)), 9),
        *(
            ExtremeSample(tuple(MeanSample.from_ratios(of(6 + n, n)) for n in (1, 2, 3)), is_largest)
            for is_largest in (True, False)
        ),
    ],
)
def test_an_interval_holds_what_its_test_does_not_reject(sample):
    low, high = sample.interval()
    assert low <= sample.estimate <= high
    # Resamples are few: the ends of their interval lie between two of them.
    step = (1e-2 if isinstance(sample, ResampledSample) else 1e-6) * (high - low)
    for end, inside in ((low, low + step), (high, high - step)):
        outside = 2 * end - inside
        assert sample.p_value(inside) > 0.05
        # R squared is not below 0.
        assert sample.p_value(outside) <= 0.05 or outside < 0


def test_the_interval_of_skewed_values_is_wider_on_the_side_of_the_tail():
    values = of(8)
    low, high = means.mean_interval(values)
    wide_low, wide_high = means.mean_interval(values, "skewed_t")
    assert wide_low == pytest.approx(low)
    assert wide_high > high
    symmetric = np.array([-3.0, -1.0, 1.0, 3.0])
    assert means.mean_interval(symmetric, "skewed_t") == pytest.approx(means.mean_interval(symmetric))
    assert means.mean_interval(np.ones(4), "skewed_t") == (1.0, 1.0)
    assert means.p_value(np.ones(4), "skewed_t") == 0.0


def test_the_jackknife_leaves_out_each_point():
    x, y = of(11), of(11) ** 2 + np.cos(np.arange(11))
    without = [
        np.arctanh(stats.pearsonr(np.delete(x, place), np.delete(y, place)).statistic) for place in range(11)
    ]
    squares = np.sum((np.array(without) - np.mean(without)) ** 2)
    assert CorrelationSample.from_columns(x, y).error == pytest.approx(math.sqrt(10 / 11 * squares))
    # Too few points, and points on a line.
    assert CorrelationSample.from_columns(x[:9], y[:9]).error == 0
    assert CorrelationSample.from_columns(x, 2 * x + 1).interval() == pytest.approx((1.0, 1.0))


def test_a_sign_flip_of_five_blocks_has_no_interval():
    assert all(map(math.isnan, MeanSample.from_values(of(5), "sign_flip").interval()))
    assert not means.can_reject(5)
    assert means.can_reject(6)
    assert MeanSample.from_values(of(6), "sign_flip").interval() == (of(6).min(), of(6).max())


def test_that_one_of_several_is_above_a_bound_is_corrected_for_their_number():
    logs = np.array([0.9, 1.0, 1.1, 1.3])
    one = MeanSample.from_logs(logs)
    worst = ExtremeSample((one, *(MeanSample.from_logs(logs - shift) for shift in (3.0, 4.0))), True)
    assert worst.estimate == one.estimate
    assert worst.p_value(1.5) == pytest.approx(3 * one.p_value(1.5))
    assert worst.interval()[0] < one.interval()[0]
    # That all of them are below needs none.
    assert worst.p_value(9.0) == pytest.approx(one.p_value(9.0))
    assert worst.interval()[1] == pytest.approx(one.interval()[1])


def test_the_p_against_a_bound_is_that_of_the_declared_test():
    rows = [
        statistics.row(statistic="mean") | statistics.estimate_cells(MeanSample.from_values(VALUES)),
        statistics.row(statistic="ratio") | statistics.estimate_cells(MeanSample.from_ratios(VALUES)),
        statistics.row(statistic="other") | statistics.estimate_cells(MeanSample.from_values(VALUES)),
        statistics.row(statistic="unknown"),
    ]
    table = pd.DataFrame(rows, columns=statistics.COLUMNS)
    tested = statistics.with_p_bound(table, {"mean": 1.0, "ratio": 1.1, "unknown": 1.0})
    assert "sample" not in tested
    expected = [
        stats.ttest_1samp(VALUES, 1.0).pvalue,
        stats.ttest_1samp(np.log(VALUES), math.log(1.1)).pvalue,
    ]
    assert tested["p_bound"][:2].to_list() == pytest.approx(expected)
    assert tested["p_bound"][2:].isna().all()


def test_an_interval_without_its_sample_decides_no_claim():
    table = pd.DataFrame([statistics.row(statistic="typed", estimate=1.0, ci_low=0.9, ci_high=1.1)])
    with pytest.raises(ValueError, match="'typed' decides a claim without a sample"):
        statistics.with_p_bound(table, {"typed": 0.5})


@pytest.mark.parametrize("freedom", [1, 2, 2.6, 9, 38, 300])
@pytest.mark.parametrize("t", [0.0, 0.3, 2.0, 12.0, 400.0])
def test_students_distribution_is_that_of_scipy(freedom, t):
    assert means.student_tail(freedom, t) == pytest.approx(stats.t.sf(t, freedom), rel=1e-6)
    assert means.student_tail(freedom, -t) == pytest.approx(stats.t.cdf(t, freedom), rel=1e-6)
    for probability in (0.6, 0.975, 0.999):
        quantile = stats.t.ppf(probability, freedom)
        assert means.student_quantile(freedom, probability) == pytest.approx(quantile, rel=1e-6)


@pytest.mark.parametrize("n", [6, 13, 14])
def test_a_median_is_tested_by_signs(n):
    values = tuple(np.random.default_rng(n).exponential(size=n))
    sample = MedianSample(values)
    low, high = sample.interval()
    assert low < sample.estimate == np.median(values) < high
    for bound in (0.1, 0.5, 1.0, 2.0):
        below = sum(value < bound for value in values)
        assert sample.p_value(bound) == pytest.approx(stats.binomtest(below, n).pvalue)
    # The interval holds what the test does not reject, its ends included.
    inside, outside = (low, high), (np.nextafter(low, -1), np.nextafter(high, 9))
    assert all(sample.p_value(bound) > 0.05 for bound in inside)
    assert all(sample.p_value(bound) <= 0.05 for bound in outside)


def test_five_values_have_a_median_without_an_interval():
    assert MedianSample((1.0, 2.0, 3.0, 4.0, 50.0)).estimate == 3
    assert np.isnan(MedianSample((1.0, 2.0, 3.0, 4.0, 50.0)).interval()).all()
    assert np.isnan(MedianSample(()).p_value(1.0))
