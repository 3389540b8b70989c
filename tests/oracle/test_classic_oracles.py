"""The classic families against TA-Lib, and on other series than the shipped one."""

import math

import numpy as np
import pandas as pd
import pytest
import talib

from longbars import NAMES, load
from truecast.features.catalog import resolve
from truecast.features.compute import compute_columns

#: Bars after which TA-Lib's own beginnings are forgotten.
SETTLED = 1500


@pytest.fixture(scope="module", params=[name for name in NAMES if name != "made up"])
def bars(request):
    return load(request.param)


def ours(name, bars):
    return compute_columns([resolve(name, {}, None, "")], bars, np.float64)[:, 0]


def by_talib(bars):
    close, high, low = bars["close"], bars["high"], bars["low"]
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, _ = talib.BBANDS(close, 20, 2, 2)
    wider = math.sqrt(20 / 19)  # TA-Lib's deviation is that of a population
    half = (upper - middle) * wider
    fast, _ = talib.STOCHF(high, low, close, 14, 1, 0)
    return {
        "rsi_14": talib.RSI(close, 14),
        "rsi_20": talib.RSI(close, 20),
        "atr_14": 100 * talib.ATR(high, low, close, 14) / close,
        "macd": 100 * line / close,
        "macd_signal": 100 * signal / close,
        "macd_histogram": 100 * histogram / close,
        "close_to_sma_50": 100 * (close / talib.SMA(close, 50) - 1),
        "close_to_ema_20": 100 * (close / talib.EMA(close, 20) - 1),
        "close_to_ema_50": 100 * (close / talib.EMA(close, 50) - 1),
        "roc_12": talib.ROC(close, 12),
        "bollinger_position_20": (close - middle + half) / (2 * half),
        "bollinger_width_20": 100 * 2 * half / middle,
        "stochastic_14": fast / 100,
    }


#: TA-Lib adds up differences of squares: of prices that hardly move little is left of its digits.
CANCELS = {"bollinger_position_20", "bollinger_width_20"}


def test_talib_agrees(bars):
    for name, expected in by_talib(bars).items():
        found, theirs = ours(name, bars)[SETTLED:], expected[SETTLED:]
        moved = pd.Series(bars["close"]).rolling(20).std().to_numpy()[SETTLED:] > 0
        usable = np.isfinite(theirs) & moved
        assert usable.sum() > 3000
        usual = np.median(np.abs(theirs[usable]))
        loose = 1e-4 if name in CANCELS else 1e-9
        np.testing.assert_allclose(
            found[usable], theirs[usable], rtol=loose, atol=loose * usual, err_msg=name
        )


def window_of(values, row, window):
    return values[row - window + 1 : row + 1]


def log_returns(bars):
    return np.r_[np.nan, 100 * np.diff(np.log(bars["close"]))]


def deviation(values):
    return math.sqrt(sum((value - np.mean(values)) ** 2 for value in values) / (len(values) - 1))


def in_unit_of_open(bars, row):
    opened = bars["open"][row]
    return [100 * math.log(bars[name][row] / opened) for name in ("high", "low", "close")]


def garman_klass(bars, row, window):
    terms = []
    for at in range(row - window + 1, row + 1):
        high, low, close = in_unit_of_open(bars, at)
        terms.append(0.5 * (high - low) ** 2 - (2 * math.log(2) - 1) * close**2)
    return math.fsum(terms) / window


def rogers_satchell(bars, row, window):
    terms = []
    for at in range(row - window + 1, row + 1):
        high, low, close = in_unit_of_open(bars, at)
        terms.append(high * (high - close) + low * (low - close))
    return math.fsum(terms) / window


def yang_zhang(bars, row, window):
    gaps = [
        100 * math.log(bars["open"][at] / bars["close"][at - 1])
        for at in range(row - window + 1, row + 1)
    ]
    bodies = [in_unit_of_open(bars, at)[2] for at in range(row - window + 1, row + 1)]
    share = 0.34 / (1.34 + (window + 1) / (window - 1))
    variance = deviation(gaps) ** 2 + share * deviation(bodies) ** 2
    return math.sqrt(variance + (1 - share) * rogers_satchell(bars, row, window))


def one_sided(bars, row, window, side):
    returns = log_returns(bars)
    part = [side(0.0, value) for value in window_of(returns, row, window)]
    return np.mean(part) / math.sqrt(max(garman_klass(bars, row, 22), 1e-4))


#: One value by a plain loop: of the row's own window and nothing else.
BY_HAND = {
    "log_return_30": lambda b, t: 100 * math.log(b["close"][t] / b["close"][t - 30]),
    "return_lag_3": lambda b, t: log_returns(b)[t - 3],
    "close_to_sma_14": lambda b, t: (
        100 * (b["close"][t] / np.mean(window_of(b["close"], t, 14)) - 1)
    ),
    "close_to_high_20": lambda b, t: (
        100 * math.log(b["close"][t] / max(window_of(b["high"], t, 20)))
    ),
    "return_sd_20": lambda b, t: deviation(window_of(log_returns(b), t, 20)),
    "garman_klass_20": lambda b, t: math.sqrt(max(garman_klass(b, t, 20), 0.0)),
    "parkinson_20": lambda b, t: (
        100
        * math.sqrt(
            np.mean(np.log(window_of(b["high"], t, 20) / window_of(b["low"], t, 20)) ** 2)
            / (4 * math.log(2))
        )
    ),
    "rogers_satchell_20": lambda b, t: math.sqrt(max(rogers_satchell(b, t, 20), 0.0)),
    "yang_zhang_20": lambda b, t: yang_zhang(b, t, 20),
    "downside_5": lambda b, t: one_sided(b, t, 5, min),
    "upside_5": lambda b, t: one_sided(b, t, 5, max),
    "volume_ratio_20": lambda b, t: b["volume"][t] / np.mean(window_of(b["volume"], t, 20)),
    "volume_zscore_20": lambda b, t: (
        (b["volume"][t] - np.mean(window_of(b["volume"], t, 20)))
        / deviation(window_of(b["volume"], t, 20))
    ),
}


@pytest.mark.parametrize("series", NAMES)
def test_every_row_looked_at_equals_brute_force(series):
    """Rows at random and, of the bars made up with spikes and without range, all around these."""
    bars = load(series)
    rng = np.random.default_rng(2)
    rows = [*rng.integers(60, len(bars["close"]), 60).tolist()]
    if series == "made up":
        rows += [*range(1480, 1530), *range(2195, 2230), *range(2395, 2430), *range(4595, 4625)]
    for name, by_hand in BY_HAND.items():
        found = ours(name, bars)
        for row in rows:
            with np.errstate(all="ignore"):
                try:
                    expected = by_hand(bars, row)
                except (ZeroDivisionError, ValueError):
                    expected = math.nan
            if math.isfinite(expected):
                assert found[row] == pytest.approx(expected, rel=1e-6, abs=1e-9), (name, row)


def test_a_spike_poisons_no_column(bars):
    """A volume of 1e9 times the usual, and a bar without range, are gone with their window."""
    spiked = {name: values.copy() for name, values in bars.items()}
    spiked["volume"][2000] = 1e9 * (1 + spiked["volume"][2000])
    for name in ("open", "high", "low"):
        spiked[name][2100] = spiked["close"][2100]
    for name in BY_HAND:
        clean, after = ours(name, bars), ours(name, spiked)
        later = slice(2200, None)
        np.testing.assert_array_equal(after[later], clean[later], name)
        assert np.isfinite(after[2020:2100]).sum() >= np.isfinite(clean[2020:2100]).sum()
