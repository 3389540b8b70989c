"""Levels, moments and interactions with volume against scipy, TA-Lib and plain loops."""

import csv
import gzip
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import talib
from arch.data import sp500
from numpy.lib.stride_tricks import sliding_window_view

from longbars import NAMES, load
from truecast.features import levels, moments
from truecast.features.catalog import members, resolve
from truecast.features.compute import compute_columns

FOLDER = os.environ.get("TRUECAST_REALDATA")
FAMILIES = (*levels.FAMILIES, *moments.FAMILIES)


@pytest.fixture(scope="module", params=NAMES)
def market(request):
    rows = slice(1400, 4800) if request.param == "made up" else slice(-2000, None)
    return pd.DataFrame(load(request.param))[rows].reset_index(drop=True)


@pytest.fixture(scope="module")
def daily():
    columns = ["Open", "High", "Low", "Close", "Volume"]
    return sp500.load()[columns].rename(columns=str.lower).reset_index(drop=True).astype(float)


def compute(name, frame):
    columns = {column: frame[column].to_numpy() for column in frame}
    return compute_columns([resolve(name, {}, None, "test")], columns, np.float64)[:, 0]


def over(function, column, window):
    """Apply a function to the windows that end with each row; NaN before the first."""
    windows = sliding_window_view(np.asarray(column, float), window)
    return np.concatenate([np.full(window - 1, np.nan), function(windows)])


def mean(windows):
    return windows.mean(axis=1)


def deviation(windows):
    return windows.std(axis=1, ddof=1)


def moment(function):
    """Return a bias-corrected moment of each window, 0 where nothing moved."""

    def computed(windows):
        moved = np.ptp(windows, axis=1) > 0
        values = np.where(np.isnan(windows).any(axis=1), np.nan, 0.0)
        values[moved] = function(windows[moved], axis=1, bias=False)
        return values

    return computed


def returns(frame):
    return 100 * np.log(frame["close"] / frame["close"].shift(1))


def exponential(column, span):
    """The textbook recursion, seeded with its first value."""
    state, found = math.nan, []
    for value in column:
        state = value if math.isnan(state) else state + 2 / (span + 1) * (value - state)
        found.append(state)
    return np.array(found)


def relative_volume(frame, window, base):
    with np.errstate(all="ignore"):
        found = over(mean, frame["volume"], window) / over(mean, frame["volume"], base)
    return np.where(np.isfinite(found), found, np.nan)


def band(frame, window, width):
    close = frame["close"].to_numpy()
    return 100 * ((over(mean, close, window) + width * over(deviation, close, window)) / close - 1)


def momentum(frame, span):
    return 100 * (frame["close"].to_numpy() / exponential(frame["close"], span) - 1)


ORACLES = {
    **{
        name: lambda f, name=name: f[name].to_numpy()
        for name in ("open", "high", "low", "close", "volume")
    },
    "close_lag_3": lambda f: f["close"].shift(3).to_numpy(),
    "sma_5": lambda f: over(mean, f["close"], 5),
    "sma_20": lambda f: over(mean, f["close"], 20),
    "ema_5": lambda f: exponential(f["close"], 5),
    "ema_20": lambda f: exponential(f["close"], 20),
    "bollinger_upper_20": lambda f: band(f, 20, 2),
    "bollinger_lower_20": lambda f: band(f, 20, -2),
    "return_mean_5": lambda f: over(mean, returns(f), 5),
    "return_mean_60": lambda f: over(mean, returns(f), 60),
    "return_skew_5": lambda f: over(moment(scipy.stats.skew), returns(f), 5),
    "return_skew_60": lambda f: over(moment(scipy.stats.skew), returns(f), 60),
    "return_kurtosis_5": lambda f: over(moment(scipy.stats.kurtosis), returns(f), 5),
    "return_kurtosis_60": lambda f: over(moment(scipy.stats.kurtosis), returns(f), 60),
    "volatility_times_volume": lambda f: over(deviation, returns(f), 5) * relative_volume(f, 5, 20),
    "momentum_times_volume": lambda f: momentum(f, 8) * relative_volume(f, 5, 20),
}


def test_every_family_has_an_oracle():
    named = {resolve(name, {}, None, "test").output for name in ORACLES}
    assert named == {family.name for family in FAMILIES}


@pytest.mark.parametrize("name", ORACLES)
def test_equals_the_oracle(name, market):
    feature = resolve(name, {}, None, "test")
    found, expected = compute(name, market), ORACLES[name](market)
    warm = feature.warm_up - 1
    assert np.isnan(found[:warm]).all()
    np.testing.assert_array_equal(np.isnan(found[warm:]), np.isnan(expected[warm:]))
    # Next to zero, what counts is the usual size of the values.
    close_to_zero = 1e-9 * np.nanmedian(np.abs(expected[warm:]))
    np.testing.assert_allclose(found[warm:], expected[warm:], rtol=1e-9, atol=close_to_zero)


def test_moments_are_those_of_pandas(daily):
    moved = returns(daily).to_numpy()
    for row in (80, 700, 1400):
        window = pd.Series(moved[row - 59 : row + 1])
        assert compute("return_skew_60", daily)[row] == pytest.approx(window.skew(), rel=1e-9)
        assert compute("return_kurtosis_60", daily)[row] == pytest.approx(window.kurt(), rel=1e-9)


def test_levels_are_those_of_ta_lib(daily):
    close = daily["close"].to_numpy()
    np.testing.assert_allclose(compute("sma_20", daily), talib.SMA(close, 20), rtol=1e-9)
    late = 400  # TA-Lib begins with a simple mean, which is forgotten by then
    np.testing.assert_allclose(
        compute("ema_20", daily)[late:], talib.EMA(close, 20)[late:], rtol=1e-9
    )
    upper, _, lower = talib.BBANDS(close, 20, 2 * math.sqrt(20 / 19), 2 * math.sqrt(20 / 19))
    for name, edge in (("bollinger_upper_20", upper), ("bollinger_lower_20", lower)):
        np.testing.assert_allclose(compute(name, daily), 100 * (edge / close - 1), rtol=1e-7)


def test_moments_of_returns_that_hardly_differ_keep_their_digits():
    """All rise by about a percent: raw powers would lose eight digits of the fourth moment."""
    rng = np.random.default_rng(5)
    close = np.exp(np.cumsum(0.01 + rng.normal(0, 1e-5, 1000)))
    frame = pd.DataFrame({"close": close})
    moved = returns(frame)
    for name, function in (("skew", scipy.stats.skew), ("kurtosis", scipy.stats.kurtosis)):
        found = compute(f"return_{name}_60", frame)[60:]
        expected = over(moment(function), moved, 60)[60:]
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.fixture(scope="module")
def golden():
    """Columns of a published table of gold's and the S&P's closes and what was made of them."""
    if FOLDER is None:
        pytest.skip("TRUECAST_REALDATA names no folder")
    with gzip.open(Path(FOLDER) / "daily/seed_gold_sp500_clean.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    return pd.DataFrame([{k: float(v) for k, v in row.items() if k != "Date"} for row in rows])


def test_gold8_is_the_published_table_where_that_is_right(golden):
    """A row of the table is about the close to be told, ours about the last one known.

    So what the table has of yesterday's close is ours of the row before, and its means, which
    hold the close to be told, are ours one row later.
    """
    closes = {None: golden["Gold_Close"], "^GSPC": golden["SP500_Close"]}
    found = {
        feature.name: compute_columns([feature], {"close": closes[feature.of].to_numpy()}, "f8")[
            :, 0
        ]
        for feature in members("gold8")
    }
    assert list(found) == [
        "close__gspc",
        "close",
        "close_lag_1__gspc",
        "close_lag_1",
        "sma_5",
        "sma_5__gspc",
        "return_sd_5",
        "roc_1__gspc",
    ]
    known_before = {
        "close": golden["Gold_Close_Lag1"],
        "close__gspc": golden["SP500_Close_Lag1"],
        "close_lag_1": golden["Gold_Close_Lag2"],
        "close_lag_1__gspc": golden["SP500_Close_Lag2"],
        "roc_1__gspc": 100 * golden["SP500_Return_Lag1"],
    }
    for name, column in known_before.items():
        np.testing.assert_allclose(found[name][1:-1], column[2:], rtol=1e-9, atol=1e-9)
    for name, column in (("sma_5", "Gold_MA5"), ("sma_5__gspc", "SP500_MA5")):
        np.testing.assert_allclose(found[name][4:], golden[column][4:], rtol=1e-9)
        # The mean that is known when the table's row is to be told is another one.
        assert (np.abs(found[name][4:-1] - golden[column][5:]) > 1e-9).mean() > 0.99
    simple = 100 * golden["Gold_Volatility_5"][5:]  # of returns that are not logarithms
    np.testing.assert_allclose(found["return_sd_5"][5:], simple, rtol=0.05)
    logs = 100 * np.log1p(golden["Gold_Return"])
    np.testing.assert_allclose(found["return_sd_5"][5:], logs.rolling(5).std()[5:], rtol=1e-9)
