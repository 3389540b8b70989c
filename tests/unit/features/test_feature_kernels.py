"""The compiled loops against brute force."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from truecast.features.groups import kernel_of
from truecast.features.kernels import elementwise, moments, recursive, windows
from truecast.features.kernels.compiling import is_cached

RNG = np.random.default_rng(11)


@njit
def summed(x, lengths):
    return windows.window_sums(x, lengths)


@njit
def moments_of(x, lengths):
    return windows.window_moments(x, lengths)


@njit
def powers_of(x, lengths):
    return moments.window_powers(x, lengths)


@njit
def extreme_of(x, window, sign):
    return windows.window_extreme(x, window, sign)


@njit
def mean_of(x, alpha):
    return recursive.exponential_mean(x, alpha)


@njit
def asked_for(first, second):
    found = windows.windows_of(first, second)
    return found, windows.row_of(found, found[1]) if found.size else 0


@njit
def logarithms(x, base, out):
    elementwise.log_ratio(x, base, 1.0, out)


@njit
def dates_of(days, months, weekdays):
    elementwise.months_of(days, np.arange(12.0), months)
    elementwise.weekdays_of(days, np.arange(7.0), weekdays)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 20, 22, 127, 128, 1000])
def test_window_sums_and_moments(window):
    x = RNG.normal(3, 1, 1500)
    lengths = np.array([window, window + 1])
    sums = summed(x, lengths)
    totals, squares = moments_of(x, lengths)
    for place, n in enumerate(lengths):
        for t in (n - 1, n, 1499):
            inside = x[t - n + 1 : t + 1]
            assert sums[place, t] == pytest.approx(math.fsum(inside), rel=1e-14)
            assert totals[place, t] == sums[place, t]
            expected = math.fsum((inside - inside.mean()) ** 2)
            assert squares[place, t] == pytest.approx(expected, rel=1e-11, abs=1e-28)
        assert np.isnan(sums[place, : n - 1]).all()
        assert np.isnan(squares[place, : n - 1]).all()


@pytest.mark.parametrize("window", [1, 3, 20, 64, 400])
def test_windows_do_not_depend_on_where_a_column_begins(window):
    x, lengths = RNG.normal(0, 1, 5000), np.array([window, window + 1])
    sums, (_, squares), powers = summed(x, lengths), moments_of(x, lengths), powers_of(x, lengths)
    high = extreme_of(x, window, 1.0)
    for begin in (0, 1, 700, 4500):
        part, known = x[begin:], slice(window, None)
        for whole, again in (
            (sums, summed(part, lengths)),
            (squares, moments_of(part, lengths)[1]),
            (powers, powers_of(part, lengths)),
            (high, extreme_of(part, window, 1.0)),
        ):
            np.testing.assert_array_equal(whole[..., begin:][..., known], again[..., known])


@pytest.mark.parametrize("window", [1, 2, 3, 14, 16, 252])
def test_window_extremes(window):
    x = RNG.normal(0, 1, 600)
    x[300] = np.nan
    high = extreme_of(x, window, 1.0)
    low = extreme_of(x, window, -1.0)
    for t in range(window - 1, 600):
        inside = x[t - window + 1 : t + 1]
        np.testing.assert_array_equal([high[t], low[t]], [inside.max(), inside.min()])
    assert np.isnan(high[: window - 1]).all()


def test_windows_longer_than_the_series():
    assert np.isnan(summed(np.ones(3), np.array([9]))).all()
    assert np.isnan(extreme_of(np.ones(3), 9, 1.0)).all()


def test_the_windows_asked_for_are_each_computed_once():
    first = np.array([[0, 20], [1, 5], [2, 20]])
    second = np.array([[3, 7], [4, 5]])
    found, row = asked_for(first, second)
    assert (found.tolist(), row) == ([5, 7, 20], 1)
    assert asked_for(first[:0], first[:0])[0].tolist() == []


def test_exponential_mean_passes_over_what_is_missing():
    x = np.array([1.0, 2.0, np.nan, 4.0, np.inf, 6.0])
    out = mean_of(x, 0.6)
    for t, value in enumerate(out):
        there = [s for s in range(t + 1) if np.isfinite(x[s])]
        weights = [0.6 * 0.4 ** (t - s) for s in there]
        if not np.isfinite(x[t]):
            assert math.isnan(value)
        else:
            expected = sum(w * x[s] for w, s in zip(weights, there, strict=True)) / sum(weights)
            assert value == pytest.approx(expected, rel=1e-15)


def test_exponential_mean_waits_for_half_of_the_weight():
    out = mean_of(np.ones(20), 0.1)
    assert np.isnan(out[:6]).all()  # 1 − 0.9⁶ = 0.47
    np.testing.assert_allclose(out[6:], 1.0, rtol=1e-15)


def test_the_logarithm_is_within_an_ulp_and_the_same_at_any_place():
    x = np.exp(RNG.uniform(-700, 700, 5000))
    ours = np.empty(5000)
    logarithms(x, np.ones(5000), ours)
    exact = np.array([math.log(value) for value in x])
    assert np.abs(ours - exact).max() <= np.spacing(np.abs(exact).max())
    np.testing.assert_allclose(ours, exact, rtol=4.5e-16)
    for start in (1, 3, 7):
        part = np.empty(13)
        logarithms(x[start : start + 13], np.ones(13), part)
        np.testing.assert_array_equal(part, ours[start : start + 13])
    ends = np.empty(5)
    logarithms(np.array([1.0, 0.0, -1.0, math.inf, math.nan]), np.ones(5), ends)
    np.testing.assert_array_equal(ends, [0.0] + [math.nan] * 4)


def test_months_and_weekdays_over_four_centuries():
    days = np.arange(-100_000, 100_000, 7, dtype=np.int64)
    months, weekdays = np.empty(days.size), np.empty(days.size)
    dates_of(days.astype(float), months, weekdays)
    dates = days.view("datetime64[D]")
    np.testing.assert_array_equal(months, dates.astype("datetime64[M]").astype(np.int64) % 12)
    np.testing.assert_array_equal(weekdays, (days + 3) % 7)


def test_a_gap_in_a_long_column_is_passed_over():
    x = np.sin(np.arange(3000.0)) + 2
    x[[1500, 1501, 2000]] = np.nan
    out = mean_of(x, 0.05)
    for t in (1400, 1499, 1502, 1510, 1999, 2001, 2999):
        there = np.flatnonzero(np.isfinite(x[: t + 1]))
        weights = 0.05 * 0.95 ** (t - there)
        assert out[t] == pytest.approx(weights @ x[there] / weights.sum(), rel=1e-13)
    assert np.isnan(out[[1500, 1501, 2000]]).all()


def test_what_was_compiled_lies_in_the_cache():
    found = kernel_of("context:levels")
    found(np.ones((20, 3)), 0, 0, np.empty((1, 3), np.float32), 0, np.array([[0]]))
    assert is_cached(found)


def test_a_cache_that_was_cut_short_is_made_again(tmp_path):
    program = (
        "import numpy as np; from truecast.features.groups import kernel_of; "
        "from truecast.features.kernels.compiling import compile_for; "
        "compile_for(kernel_of('context:levels'), np.float32)"
    )

    def run():
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)

    run()
    for kept in tmp_path.rglob("*.nb*"):
        os.truncate(kept, kept.stat().st_size // 2)
    run()
    assert {kept.suffix for kept in tmp_path.rglob("*.nb*")} == {".nbi", ".nbc"}
