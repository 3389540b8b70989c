"""The compiled loops against brute force."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from truecast.features.groups import kernel_of
from truecast.features.kernels import elementwise, recursive, windows
from truecast.features.kernels.compiling import is_cached
from truecast.features.kernels.logarithm import ln

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 20, 22, 127, 128, 1000])
def test_window_sums_and_moments(window):
    x = RNG.normal(3, 1, 1500)
    lengths = np.array([window, window + 1])
    sums = windows.window_sums(x, lengths)
    moments, squares = windows.window_moments(x, lengths)
    for place, n in enumerate(lengths):
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
    high = windows.window_extreme(x, window, 1.0)
    low = windows.window_extreme(x, window, -1.0)
    for t in range(window - 1, 600):
        inside = x[t - window + 1 : t + 1]
        np.testing.assert_array_equal([high[t], low[t]], [inside.max(), inside.min()])
    assert np.isnan(high[: window - 1]).all()


def test_windows_longer_than_the_series():
    assert np.isnan(windows.window_sums(np.ones(3), np.array([9]))).all()
    assert np.isnan(windows.window_extreme(np.ones(3), 9, 1.0)).all()


def test_the_windows_asked_for_are_each_computed_once():
    first = np.array([[0, 20], [1, 5], [2, 20]])
    second = np.array([[3, 7], [4, 5]])
    found = windows.windows_of(first, second)
    assert found.tolist() == [5, 7, 20]
    assert windows.row_of(found, 7) == 1
    assert windows.windows_of(first[:0], first[:0]).tolist() == []


def test_exponential_mean_passes_over_what_is_missing():
    x = np.array([1.0, 2.0, np.nan, 4.0, np.inf, 6.0])
    out = recursive.exponential_mean(x, 0.6)
    for t, value in enumerate(out):
        there = [s for s in range(t + 1) if np.isfinite(x[s])]
        weights = [0.6 * 0.4 ** (t - s) for s in there]
        if not np.isfinite(x[t]):
            assert math.isnan(value)
        else:
            expected = sum(w * x[s] for w, s in zip(weights, there, strict=True)) / sum(weights)
            assert value == pytest.approx(expected, rel=1e-15)


def test_exponential_mean_waits_for_half_of_the_weight():
    out = recursive.exponential_mean(np.ones(20), 0.1)
    assert np.isnan(out[:6]).all()  # 1 − 0.9⁶ = 0.47
    np.testing.assert_allclose(out[6:], 1.0, rtol=1e-15)


def test_the_logarithm_is_within_an_ulp_and_the_same_at_any_place():
    x = np.exp(RNG.uniform(-700, 700, 5000))
    ours = np.empty(5000)
    elementwise.log_ratio(x, np.ones(5000), 1.0, ours)
    exact = np.array([math.log(value) for value in x])
    assert np.abs(ours - exact).max() <= np.spacing(np.abs(exact).max())
    np.testing.assert_allclose(ours, exact, rtol=4.5e-16)
    for start in (1, 3, 7):
        part = np.empty(13)
        elementwise.log_ratio(x[start : start + 13], np.ones(13), 1.0, part)
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
    elementwise.months_of(days.astype(float), np.arange(12.0), months)
    elementwise.weekdays_of(days.astype(float), np.arange(7.0), weekdays)
    dates = days.view("datetime64[D]")
    np.testing.assert_array_equal(months, dates.astype("datetime64[M]").astype(np.int64) % 12)
    np.testing.assert_array_equal(weekdays, (days + 3) % 7)


def test_a_gap_in_a_long_column_is_passed_over():
    x = np.sin(np.arange(3000.0)) + 2
    x[[1500, 1501, 2000]] = np.nan
    out = recursive.exponential_mean(x, 0.05)
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
