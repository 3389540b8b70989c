"""Features of trend against TA-Lib and plain loops."""

import math

import numpy as np
import pytest
import talib

from longbars import NAMES as SERIES
from longbars import load
from truecast.features import trend
from truecast.features.catalog import FAMILIES, resolve
from truecast.features.compute import compute_columns
from truecast.features.lookbacks import memory

TOLERANCE = {"rtol": 1e-9, "atol": 1e-11}
NAMES = (
    *(f"momentum_{window}" for window in (1, 5, 10, 20)),
    *("stochastic_signal", "stochastic_signal_5_1"),
    *("sma_ratio", "sma_ratio_7_21", "sma_ratio_50_20", "ema_ratio", "ema_ratio_7_21"),
    *("is_uptrend", "is_uptrend_2_3"),
    *("adx_14", "adx_5", "directional_14", "directional_30"),
)


@pytest.fixture(scope="module", params=SERIES)
def series(request):
    return load(request.param)


def compute(name, columns):
    return compute_columns([resolve(name, {}, None, "")], columns, np.float64)[:, 0]


def windows(values, length):
    """Return the window of each row; those that begin before the first row are NaN."""
    padded = np.concatenate([np.full(length - 1, np.nan), values])
    return np.lib.stride_tricks.sliding_window_view(padded, length)


def true_range(columns):
    high, low, close = (columns[name] for name in ("high", "low", "close"))
    before = np.concatenate([[np.nan], close[:-1]])
    return np.maximum(high, before) - np.minimum(low, before)


def momentum(columns, n):
    moved = talib.MOM(columns["close"], n)
    mean = windows(true_range(columns), n).mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean == 0.0, 0.0, moved / mean)


def stochastic_signal(columns, n, smooth):
    top, bottom = windows(columns["high"], n).max(axis=1), windows(columns["low"], n).min(axis=1)
    with np.errstate(invalid="ignore"):
        place = np.where(top == bottom, 0.5, (columns["close"] - bottom) / (top - bottom))
    return windows(place, smooth).mean(axis=1)


def sma_ratio(columns, fast, slow):
    means = [windows(columns["close"], n).mean(axis=1) for n in (fast, slow)]
    return 100 * (means[0] / means[1] - 1)


def mean_by_loop(values, alpha):
    """The textbook recursion, seeded with its first value."""
    out, state = [], math.nan
    for value in values:
        if not math.isnan(value):
            state = value if math.isnan(state) else state + alpha * (value - state)
        out.append(state)
    return np.array(out)


def ema_ratio(columns, fast, slow):
    means = [mean_by_loop(columns["close"], 2 / (n + 1)) for n in (fast, slow)]
    return 100 * (means[0] / means[1] - 1)


def wilder(columns, n):
    """Return the index and the difference of the indicators, bar by bar."""
    high, low, close = (columns[name].tolist() for name in ("high", "low", "close"))
    ranges = true_range(columns).tolist()
    plus = minus = span = index = None
    found = [(math.nan, math.nan)]
    for t in range(1, len(close)):
        up, down = high[t] - high[t - 1], low[t - 1] - low[t]
        rise = up if up > down and up > 0 else 0.0
        fall = down if down > up and down > 0 else 0.0
        if plus is None:
            plus, minus, span = rise, fall, ranges[t]
        else:
            plus, minus = plus + (rise - plus) / n, minus + (fall - minus) / n
            span += (ranges[t] - span) / n
        still = span <= 1e-8 * close[t]
        faded = plus + minus <= 1e-8 * close[t]
        apart = 0.0 if still or faded else 100 * abs(plus - minus) / (plus + minus)
        index = apart if index is None else index + (apart - index) / n
        found.append((index, 0.0 if still else 100 * (plus - minus) / span))
    return np.array(found)


ORACLES = {
    "momentum": momentum,
    "stochastic_signal": stochastic_signal,
    "sma_ratio": sma_ratio,
    "is_uptrend": lambda columns, fast, slow: sma_ratio(columns, fast, slow) > 1e-10,
    "ema_ratio": ema_ratio,
    "adx": lambda columns, n: wilder(columns, n)[:, 0],
    "directional": lambda columns, n: wilder(columns, n)[:, 1],
}


def test_every_family_has_an_oracle():
    assert {family.name for family in trend.FAMILIES} == set(ORACLES)
    assert set(ORACLES) <= set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_oracle(name, series):
    feature = resolve(name, {}, None, "")
    ours = compute(name, series)
    theirs = np.asarray(ORACLES[feature.output](series, *feature.parameters.values()), float)
    warm = feature.warm_up - 1
    assert np.isnan(ours[:warm]).all()
    assert np.isfinite(ours[warm:]).all()
    # The oracles' first value weighs more than it should; after three memories it does not.
    settled = 3 * warm if feature.recursive else warm
    np.testing.assert_allclose(ours[settled:], theirs[settled:], **TOLERANCE)


@pytest.mark.parametrize("n", [5, 14])
def test_directional_movement_equals_talib(n, series):
    columns = [series[name] for name in ("high", "low", "close")]
    if (talib.ATR(*columns, n)[n:] <= 2e-8 * columns[2][n:]).any():
        pytest.skip("the market stood still for long: the rules differ there, see the plain loop")
    warm = 3 * memory(1 / n)
    apart = talib.PLUS_DI(*columns, n) - talib.MINUS_DI(*columns, n)
    np.testing.assert_allclose(
        compute(f"directional_{n}", series)[warm:], apart[warm:], rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        compute(f"adx_{n}", series)[warm:], talib.ADX(*columns, n)[warm:], rtol=1e-9
    )


def test_stochastic_signal_equals_talib(series):
    columns = [series[name] for name in ("high", "low", "close")]
    _, signal = talib.STOCHF(*columns, fastk_period=14, fastd_period=3)
    moved = talib.MAX(columns[0], 16) > talib.MIN(columns[1], 16)
    flat = [talib.MAX(columns[0], 14) == talib.MIN(columns[1], 14)]
    flat = np.convolve(flat[0], np.ones(3))[: len(moved)] > 0
    rows = np.flatnonzero(moved & ~flat)[3:]
    np.testing.assert_allclose(
        100 * compute("stochastic_signal", series)[rows], signal[rows], rtol=1e-9, atol=1e-7
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_bar_alone_is_the_same(name, series):
    feature = resolve(name, {}, None, "")
    whole = compute(name, series)
    rng = np.random.default_rng(0)
    for t in (*rng.integers(feature.lookback, len(whole), 12), 1705, 1760, 2500, 3200):
        tail = {key: values[t - feature.lookback + 1 : t + 1] for key, values in series.items()}
        ours = compute(name, tail)[-1]
        if feature.recursive:
            np.testing.assert_allclose(ours, whole[t], rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(ours, whole[t])


def test_a_market_that_stands_still_is_neutral(series):
    flat = {
        name: np.concatenate([values[:600], values[599:600].repeat(700)])
        for name, values in series.items()
    }
    for name in ("high", "low", "open"):
        flat[name][600:] = flat["close"][599]
    expected = {
        "momentum_10": 0.0,
        "stochastic_signal": 0.5,
        "is_uptrend": 0.0,
        "adx_14": pytest.approx(0.0, abs=1e-6),
        "directional_14": 0.0,
    }
    for name, value in expected.items():
        assert compute(name, flat)[-1] == value, name
    np.testing.assert_allclose(compute("sma_ratio", flat)[-1], 0.0, atol=1e-12)
    np.testing.assert_allclose(compute("ema_ratio_7_21", flat)[-1], 0.0, atol=1e-9)
