"""The compiled loops against brute force."""

import math

import numpy as np
import pytest

from truecast.features import kernels
from truecast.features.kernels.logarithm import ln

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 20, 22, 127, 128, 1000])
def test_window_sums_and_moments(window):
    x = RNG.normal(3, 1, 1500)
    windows = np.array([window, window + 1])
    sums, moments, squares = np.empty((2, 1500)), np.empty((2, 1500)), np.empty((2, 1500))
    kernels.window_sums(x, windows, np.empty((2, 1500)), sums)
    kernels.window_moments(x, windows, np.empty((4, 1500)), moments, squares)
    for place, n in enumerate(windows):
        for t in (n - 1, n, 1499):
            inside = x[t - n + 1 : t + 1]
            assert sums[place, t] == pytest.approx(math.fsum(inside), rel=1e-14)
            assert moments[place, t] == sums[place, t]
            expected = math.fsum((inside - inside.mean()) ** 2)
            assert squares[place, t] == pytest.approx(expected, rel=1e-11, abs=1e-28)
        assert np.isnan(sums[place, : n - 1]).all()
        assert np.isnan(squares[place, : n - 1]).all()


@pytest.mark.parametrize("window", [1, 2, 3, 14, 16, 252])
def test_window_extremes(window):
    x = RNG.normal(0, 1, 600)
    x[300] = np.nan
    high, low = np.empty(600), np.empty(600)
    kernels.window_extreme(x, window, 1.0, np.empty((2, 600)), high)
    kernels.window_extreme(x, window, -1.0, np.empty((2, 600)), low)
    for t in range(window - 1, 600):
        inside = x[t - window + 1 : t + 1]
        np.testing.assert_array_equal([high[t], low[t]], [inside.max(), inside.min()])
    assert np.isnan(high[: window - 1]).all()


def test_windows_longer_than_the_series():
    out = np.empty((1, 3))
    kernels.window_sums(np.ones(3), np.array([9]), np.empty((2, 3)), out)
    assert np.isnan(out).all()
    kernels.window_extreme(np.ones(3), 9, 1.0, np.empty((2, 3)), out[0])
    assert np.isnan(out).all()


def test_exponential_mean_passes_over_what_is_missing():
    x = np.array([1.0, 2.0, np.nan, 4.0, np.inf, 6.0])
    out = np.empty(6)
    kernels.exponential_mean(x, 0.6, out)
    for t, value in enumerate(out):
        there = [s for s in range(t + 1) if np.isfinite(x[s])]
        weights = [0.6 * 0.4 ** (t - s) for s in there]
        if not np.isfinite(x[t]):
            assert math.isnan(value)
        else:
            expected = sum(w * x[s] for w, s in zip(weights, there, strict=True)) / sum(weights)
            assert value == pytest.approx(expected, rel=1e-15)


def test_exponential_mean_waits_for_half_of_the_weight():
    out = np.empty(20)
    kernels.exponential_mean(np.ones(20), 0.1, out)
    assert np.isnan(out[:6]).all()  # 1 − 0.9⁶ = 0.47
    np.testing.assert_allclose(out[6:], 1.0, rtol=1e-15)


def test_the_logarithm_is_within_an_ulp_and_the_same_at_any_place():
    x = np.exp(RNG.uniform(-700, 700, 5000))
    ours = np.empty(5000)
    kernels.log_ratio(x, np.ones(5000), 1.0, ours)
    exact = np.array([math.log(value) for value in x])
    assert np.abs(ours - exact).max() <= np.spacing(np.abs(exact).max())
    np.testing.assert_allclose(ours, exact, rtol=4.5e-16)
    for start in (1, 3, 7):
        part = np.empty(13)
        kernels.log_ratio(x[start : start + 13], np.ones(13), 1.0, part)
        np.testing.assert_array_equal(part, ours[start : start + 13])
    assert [ln(1.0), math.isnan(ln(0.0)), math.isnan(ln(-1.0)), math.isnan(ln(math.inf))] == [
        0.0,
        True,
        True,
        True,
    ]


def test_months_and_weekdays_over_four_centuries():
    days = np.arange(-100_000, 100_000, 7, dtype=np.int64)
    months, weekdays = np.empty(days.size), np.empty(days.size)
    kernels.months_of(days.astype(float), np.arange(12.0), months)
    kernels.weekdays_of(days.astype(float), np.arange(7.0), weekdays)
    dates = days.view("datetime64[D]")
    np.testing.assert_array_equal(months, dates.astype("datetime64[M]").astype(np.int64) % 12)
    np.testing.assert_array_equal(weekdays, (days + 3) % 7)


def test_an_unknown_kernel_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'window_sum'"):
        _ = kernels.window_sum
