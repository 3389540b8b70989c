"""Alpha158 against plain numpy on each row's own window, on real and on made-up bars."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import talib
from arch.data import sp500
from numpy.lib.stride_tricks import sliding_window_view

from longbars import NAMES, load, made_up
from truecast.features.alpha158 import FAMILIES
from truecast.features.catalog import members
from truecast.features.compute import compute_columns

FEATURES = members("alpha158")


@pytest.fixture(scope="module", params=NAMES)
def market(request):
    rows = slice(1400, 4800) if request.param == "made up" else slice(-2000, None)
    return pd.DataFrame(load(request.param))[rows].reset_index(drop=True)


@pytest.fixture(scope="module")
def daily():
    columns = ["Open", "High", "Low", "Close", "Volume"]
    return sp500.load()[columns].rename(columns=str.lower).reset_index(drop=True).astype(float)


@pytest.fixture(scope="module")
def ours(market):
    columns = {name: market[name].to_numpy() for name in market}
    values = compute_columns(FEATURES, columns, np.float64)
    return dict(zip((feature.name for feature in FEATURES), values.T, strict=True))


def over(bars, function, *columns):
    """Apply a function to the windows that end with each row; NaN before the first."""

    def computed(window):
        views = [sliding_window_view(np.asarray(column, float), window) for column in columns]
        with np.errstate(all="ignore"):
            values = function(*views)
        return np.concatenate([np.full(window - 1, np.nan), values])

    return computed


def before(column):
    return np.concatenate([[np.nan], column.to_numpy()[:-1]])


def safe(numerator, denominator, nothing=0.0, epsilon=1e-12):
    with np.errstate(all="ignore"):
        value = numerator / (denominator + epsilon)
    return np.where(denominator == 0, np.where(np.isnan(numerator), np.nan, nothing), value)


def deviation(windows):
    return windows.std(axis=1, ddof=1)


def line(windows):
    """Return slope, R² and last residual of each window by least squares."""
    d = windows.shape[1]
    design = np.column_stack([np.ones(d), np.arange(d)])
    centre = windows - windows.mean(axis=1, keepdims=True)
    (level, slope), *_ = np.linalg.lstsq(design, centre.T, rcond=None)
    residuals = centre - (level[:, None] + slope[:, None] * np.arange(d))
    total = (centre**2).sum(axis=1)
    with np.errstate(all="ignore"):
        explained = np.where(
            np.ptp(windows, axis=1) == 0, np.nan, 1 - (residuals**2).sum(1) / total
        )
    return slope, explained, residuals[:, -1]


def correlation(a, b):
    x, y = (w - w.mean(axis=1, keepdims=True) for w in (a, b))
    value = (x * y).sum(1) / np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return np.where((np.ptp(a, axis=1) == 0) | (np.ptp(b, axis=1) == 0), np.nan, value)


def rank(windows):
    return scipy.stats.rankdata(windows, axis=1)[:, -1] / windows.shape[1]


def first(windows, function):
    return function(windows, axis=1) + 1.0


def moves(column):
    change = column.to_numpy() - before(column)
    return np.where(np.isnan(change), np.nan, np.maximum(change, 0)), np.where(
        np.isnan(change), np.nan, np.maximum(-change, 0)
    )


def shares_of_moves(bars, column, sign):
    """Sums of rises (1), falls (−1) or both (0) over all moves."""
    rises, falls = moves(bars[column])

    def computed(up, down):
        up, down = up.sum(axis=1), down.sum(axis=1)
        return safe({1: up, -1: down, 0: up - down}[sign], up + down)

    return over(bars, computed, rises, falls)


def counted(bars, test):
    close = bars["close"].to_numpy()
    found = np.where(np.isnan(before(bars["close"])), np.nan, test(close, before(bars["close"])))
    return over(bars, lambda w: w.mean(axis=1), found)


def price_weighted_volume(bars):
    return np.abs(bars["close"] / before(bars["close"]) - 1) * bars["volume"]


def change_correlation(closes, before, volumes, volumes_before):
    """Row by row, over the bars that follow one with volume."""
    found = []
    for now, then, volume, volume_then in zip(closes, before, volumes, volumes_before, strict=True):
        known = volume_then != 0
        if np.isnan(then).any() or known.sum() < 3:
            found.append(math.nan)
            continue
        growth = np.log(volume[known] / volume_then[known] + 1)
        change = now[known] / then[known]
        same = np.ptp(change) == 0 or np.ptp(growth) == 0
        found.append(math.nan if same else np.corrcoef(change, growth)[0, 1])
    return np.array(found)


def of_bar(b):
    width = b["high"] - b["low"]
    top, bottom = np.maximum(b["open"], b["close"]), np.minimum(b["open"], b["close"])
    shift = 2 * b["close"] - b["high"] - b["low"]
    return {
        "kmid": (b["close"] - b["open"]) / b["open"],
        "klen": width / b["open"],
        "kmid2": safe(b["close"] - b["open"], width),
        "kup": (b["high"] - top) / b["open"],
        "kup2": safe(b["high"] - top, width),
        "klow": (bottom - b["low"]) / b["open"],
        "klow2": safe(bottom - b["low"], width),
        "ksft": shift / b["open"],
        "ksft2": safe(shift, width),
        "open0": b["open"] / b["close"],
        "high0": b["high"] / b["close"],
        "low0": b["low"] / b["close"],
        "vwap0": (b["open"] + b["high"] + b["low"] + b["close"]) / 4 / b["close"],
    }


def of_windows(b):
    close, high, low, volume = (b[name].to_numpy() for name in ("close", "high", "low", "volume"))
    weighted = price_weighted_volume(b)
    tops, bottoms = over(b, lambda w: w.max(1), high), over(b, lambda w: w.min(1), low)
    imax, imin = (
        over(b, lambda w: first(w, np.argmax), high),
        over(b, lambda w: first(w, np.argmin), low),
    )
    mean, sd = lambda w: w.mean(axis=1), deviation
    return {
        "roc": lambda d: np.concatenate([np.full(d, np.nan), close[:-d]]) / close,
        "ma": lambda d: over(b, mean, close)(d) / close,
        "std": lambda d: over(b, sd, close)(d) / close,
        "beta": lambda d: over(b, lambda w: line(w)[0], close)(d) / close,
        "rsqr": over(b, lambda w: line(w)[1], close),
        "resi": lambda d: over(b, lambda w: line(w)[2], close)(d) / close,
        "max": lambda d: tops(d) / close,
        "min": lambda d: bottoms(d) / close,
        "qtlu": lambda d: over(b, lambda w: np.quantile(w, 0.8, axis=1), close)(d) / close,
        "qtld": lambda d: over(b, lambda w: np.quantile(w, 0.2, axis=1), close)(d) / close,
        "rank": over(b, rank, close),
        "rsv": lambda d: safe(close - bottoms(d), tops(d) - bottoms(d)),
        "imax": lambda d: imax(d) / d,
        "imin": lambda d: imin(d) / d,
        "imxd": lambda d: (imax(d) - imin(d)) / d,
        "corr": over(b, correlation, close, np.log(volume + 1)),
        "cord": over(b, change_correlation, close, before(b["close"]), volume, before(b["volume"])),
        "cntp": counted(b, np.greater),
        "cntn": counted(b, np.less),
        "cntd": lambda d: counted(b, np.greater)(d) - counted(b, np.less)(d),
        "sump": shares_of_moves(b, "close", 1),
        "sumn": shares_of_moves(b, "close", -1),
        "sumd": shares_of_moves(b, "close", 0),
        "vma": lambda d: safe(over(b, mean, volume)(d), volume, math.nan),
        "vstd": lambda d: safe(over(b, sd, volume)(d), volume, math.nan),
        "wvma": over(b, lambda w: safe(sd(w), w.mean(axis=1)), weighted),
        "vsump": shares_of_moves(b, "volume", 1),
        "vsumn": shares_of_moves(b, "volume", -1),
        "vsumd": shares_of_moves(b, "volume", 0),
    }


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_equals_the_window_by_itself(family, market, ours):
    name = family.name.removeprefix("alpha_")
    for feature in (feature for feature in FEATURES if feature.family is family):
        if feature.parameters:
            expected = of_windows(market)[name](feature.parameters["window"])
        else:
            expected = of_bar(market)[name]
        found, expected = ours[feature.name], np.asarray(expected, dtype=float)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=feature.name)
        # Next to zero, what counts is the usual size of the values.
        close_to_zero = 1e-9 * np.nanmedian(np.abs(expected))
        np.testing.assert_allclose(
            found, expected, rtol=1e-9, atol=close_to_zero, err_msg=feature.name
        )


def test_a_spike_and_bars_without_range_or_volume_leave_no_trace():
    """From the last window that holds the spike on, all is as if it had not been."""
    at, begin, end = 2200, 2000, 2390
    bars = {name: values[begin:end] for name, values in made_up().items()}
    assert bars["volume"][at - begin] > 1e10
    calm = dict(bars, volume=bars["volume"].copy())
    calm["volume"][at - begin] = 20_000.0
    with_spike, without = (compute_columns(FEATURES, frame, np.float64) for frame in (bars, calm))
    for place, feature in enumerate(FEATURES):
        after = at - begin + feature.lookback
        np.testing.assert_array_equal(with_spike[after:, place], without[after:, place])
        assert np.isfinite(with_spike[after:, place]).all(), feature.name


def test_equals_ta_lib(daily):
    bars = daily
    close, high, low = (bars[name].to_numpy() for name in ("close", "high", "low"))
    columns = {name: bars[name].to_numpy() for name in bars}
    values = compute_columns(FEATURES, columns, np.float64)
    found = dict(zip((feature.name for feature in FEATURES), values.T, strict=True))
    for d in (5, 10, 20, 30, 60):
        last = talib.LINEARREG(close, d)
        expected = {
            "roc": close * 0 + 1 / talib.ROCR(close, d),
            "ma": talib.SMA(close, d) / close,
            "beta": talib.LINEARREG_SLOPE(close, d) / close,
            "resi": (close - last) / close,
            "max": talib.MAX(high, d) / close,
            "min": talib.MIN(low, d) / close,
        }
        for name, value in expected.items():
            np.testing.assert_allclose(
                found[f"alpha_{name}_{d}"], value, rtol=1e-9, atol=1e-11, err_msg=name
            )


def test_holds_158_features_each_of_a_family():
    assert len(FEATURES) == 158
    assert {feature.family.name for feature in FEATURES} == {family.name for family in FAMILIES}
