"""Features of volume, microstructure and candles against brute force and TA-Lib, window by window.

Besides real series there is one with what real ones have seldom: a volume spike of 10⁹, bars
without range, bars and whole windows without volume, and bodies of exactly a tenth of the range.
"""

import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib

from truecast.features import candles, microstructure, volume
from truecast.features.catalog import FAMILIES
from truecast.features.compute import compute_columns

TOLERANCE = {"rtol": 1e-9, "atol": 1e-11}
COLUMNS = ("open", "high", "low", "close", "volume")
SPIKE = 700


def planted():
    """Return made-up bars in ticks of 0.01, with what is rare planted in them."""
    rng = np.random.default_rng(11)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 2e-3, 3000))), 2)
    opened = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opened, close) + rng.integers(0, 30, 3000) / 100
    low = np.minimum(opened, close) - rng.integers(0, 30, 3000) / 100
    traded = np.round(rng.lognormal(8, 1, 3000))
    traded[SPIKE] *= 1e9
    for begin, end in ((900, 903), (1500, 1600)):  # nothing moves, for longer than any window
        opened[begin:end] = high[begin:end] = low[begin:end] = close[begin:end] = close[begin - 1]
    for begin, end in ((1100, 1102), (1800, 1900)):
        traded[begin:end] = 0.0
    opened[2000:2400:4] = np.round(close[2000:2400:4] - 0.05, 2)
    high[2000:2400:4] = np.round(close[2000:2400:4] + 0.05, 2)
    low[2000:2400:4] = np.round(high[2000:2400:4] - 0.5, 2)
    return dict(zip(COLUMNS, (opened, high, low, close, traded), strict=True))


REAL = {
    "^GSPC": ("daily/gspc_ohlcv_1971_2021.parquet", slice(None)),
    "GC=F": ("daily/gold_gcf_2000_2025.parquet", slice(None)),
    "SPY": ("minute/spy_1m_2024_2025.parquet", slice(0, 40_000)),
    "BTC": ("minute/btcusd_bitfinex_1m_2013_2017.parquet", slice(700_000, 730_000)),
}


@pytest.fixture(scope="module", params=["planted", *REAL])
def bars(request):
    if request.param == "planted":
        return planted()
    folder = os.environ.get("TRUECAST_REALDATA")
    if not folder:
        pytest.skip("TRUECAST_REALDATA is not set: no real series to compare on")
    path, rows = REAL[request.param]
    frame = pl.read_parquet(Path(folder) / path)[rows]
    return {name: frame[name].cast(pl.Float64).to_numpy() for name in COLUMNS}


def lagged(x, bars=1):
    return np.concatenate([np.full(bars, np.nan), x[:-bars]])


def windows(x, n):
    """Return the last n values of each row, shape (m, n); NaN before the first."""
    padded = np.concatenate([np.full(n - 1, np.nan), x])
    return np.lib.stride_tricks.sliding_window_view(padded, n)


def mean(x, n):
    return windows(x, n).mean(axis=1)


def moves(b):
    return 100 * np.log(b["close"] / lagged(b["close"]))


def mean_of_traded(b, x, n):
    there = windows(np.where(b["volume"] > 0, 1.0, 0.0), n).sum(axis=1)
    return windows(np.where(b["volume"] > 0, x, 0.0 * lagged(b["close"])), n).sum(axis=1) / there


def price_impact(b):
    return np.abs(moves(b)) * mean(b["volume"], 20) / b["volume"]


def kyle_lambda(b, n):
    usual = mean(b["volume"], n)[:, None]
    flow = windows(np.sign(moves(b)) * b["volume"], n) / usual
    return (windows(moves(b), n) * flow).sum(axis=1) / (flow**2).sum(axis=1)


def signed_volume(b, n):
    sides = windows(np.sign(moves(b)) * b["volume"], n)
    return sides.sum(axis=1) / windows(b["volume"], n).sum(axis=1)


def roll_spread(b, n):
    now, before = windows(moves(b), n), windows(lagged(moves(b)), n)
    gaps = (now - now.mean(axis=1)[:, None]) * (before - before.mean(axis=1)[:, None])
    return 2 * np.sqrt(np.maximum(-gaps.sum(axis=1) / (n - 1), 0))


def corwin_schultz(b, n):
    squares = np.log(b["high"] / b["low"]) ** 2
    beta = squares + lagged(squares)
    tops, bottoms = windows(b["high"], 2).max(axis=1), windows(b["low"], 2).min(axis=1)
    gamma = np.log(tops / bottoms) ** 2
    share = 3 - 2 * math.sqrt(2)
    alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / share - np.sqrt(gamma / share)
    return mean(np.maximum(100 * 2 * np.expm1(alpha) / (1 + np.exp(alpha)), 0), n)


def efficiency_ratio(b, n):
    close = b["close"]
    path = windows(np.abs(close - lagged(close)), n).sum(axis=1)
    return np.where(path == 0, 0, np.abs(close - lagged(close, n)) / path)


def over_range(b, value):
    width = b["high"] - b["low"]
    return np.where(width == 0, 0, value / np.where(width == 0, 1, width))


def order_flow(b):
    return over_range(b, b["close"] - b["open"])


def money_flow(b, n):
    place = over_range(b, (b["close"] - b["low"]) - (b["high"] - b["close"]))
    total = windows(b["volume"], n).sum(axis=1)
    return windows(place * b["volume"], n).sum(axis=1) / total


def close_to_vwap(b, n):
    typical = (b["high"] + b["low"] + b["close"]) / 3
    vwap = windows(typical * b["volume"], n).sum(axis=1) / windows(b["volume"], n).sum(axis=1)
    return 100 * (b["close"] / vwap - 1)


def trend(b, fast, slow):
    return mean(b["volume"], fast) / mean(b["volume"], slow)


def known(condition, *needed):
    return np.where(np.isfinite(sum(needed)), condition, np.nan).astype(float)


def volume_acceleration(b, n):
    second = b["volume"] - 2 * lagged(b["volume"]) + lagged(b["volume"], 2)
    return second / mean(b["volume"], n)


def volume_zscore(b, n):
    seen = windows(b["volume"], n)
    spread = seen.std(axis=1, ddof=1)
    return np.where(spread == 0, 0, (b["volume"] - seen.mean(axis=1)) / spread)


def ticks(x):
    """Return prices as whole numbers of 10⁻⁸, in which ties are exact."""
    return np.round(x * 1e8)


def tops(b, n):
    return talib.MAX(b["high"], n)


def bottoms(b, n):
    return talib.MIN(b["low"], n)


def body(b):
    return np.abs(b["close"] - b["open"])


def upper(b):
    return b["high"] - np.maximum(b["open"], b["close"])


def lower(b):
    return np.minimum(b["open"], b["close"]) - b["low"]


def body_to_before(b):
    return body(b) / lagged(mean(body(b), 20))


def is_doji(b):
    o, h, lo, c = (ticks(b[name]) for name in COLUMNS[:4])
    return (10 * np.abs(c - o) <= h - lo).astype(float)


def is_hammer(b):
    o, h, lo, c = (ticks(b[name]) for name in COLUMNS[:4])
    is_long = np.minimum(o, c) - lo >= 2 * np.abs(c - o)
    is_short = 10 * (h - np.maximum(o, c)) <= h - lo
    return (is_long & is_short & (h > lo)).astype(float)


def is_engulfing(b):
    # It says nothing of the first two bars: two more are put before them.
    prices = (np.concatenate([np.repeat(b[name][:1], 2), b[name]]) for name in COLUMNS[:4])
    found = np.sign(talib.CDLENGULFING(*prices)).astype(float)[2:]
    found[lagged(body(b)) == 0] = 0.0  # TA-Lib counts a bar without a body as a rise
    found[0] = np.nan
    return found


def near(b, n, to_top):
    top, bottom, close = ticks(tops(b, n)), ticks(bottoms(b, n)), ticks(b["close"])
    away = top - close if to_top else close - bottom
    return known((10 * away <= top - bottom) & (top > bottom), top)


ORACLES = {
    "log_volume_change": lambda b: 100 * np.log(b["volume"] / lagged(b["volume"])),
    "volume_ratio": lambda b, n: b["volume"] / mean(b["volume"], n),
    "volume_zscore": volume_zscore,
    "volume_trend": trend,
    "high_volume": lambda b, fast, slow: known(trend(b, fast, slow) > 1.2, trend(b, fast, slow)),
    "volume_imbalance": lambda b, n: (b["volume"] - lagged(b["volume"])) / mean(b["volume"], n),
    "volume_acceleration": volume_acceleration,
    "price_impact": price_impact,
    "price_impact_mean": lambda b, n: mean_of_traded(b, price_impact(b), n),
    "amihud": lambda b, n: mean_of_traded(
        b, 1e6 * np.abs(moves(b)) / (b["close"] * b["volume"]), n
    ),
    "kyle_lambda": kyle_lambda,
    "signed_volume": signed_volume,
    "roll_spread": roll_spread,
    "corwin_schultz": corwin_schultz,
    "efficiency_ratio": efficiency_ratio,
    "order_flow": order_flow,
    "order_flow_mean": lambda b, n: mean(order_flow(b), n),
    "money_flow": money_flow,
    "close_to_vwap": close_to_vwap,
    "body": lambda b: 100 * body(b) / b["open"],
    "upper_shadow": lambda b: 100 * upper(b) / b["open"],
    "lower_shadow": lambda b: 100 * lower(b) / b["open"],
    "body_to_before": body_to_before,
    "is_doji": is_doji,
    "is_hammer": is_hammer,
    "is_engulfing": is_engulfing,
    "close_to_low": lambda b, n: 100 * np.log(b["close"] / bottoms(b, n)),
    "near_high": lambda b, n: near(b, n, to_top=True),
    "near_low": lambda b, n: near(b, n, to_top=False),
    "breakout_up": lambda b, n: known(b["close"] > lagged(tops(b, n)), lagged(tops(b, n))),
    "breakout_down": lambda b, n: known(b["close"] < lagged(bottoms(b, n)), lagged(bottoms(b, n))),
}
OTHERS = (
    ("volume_trend", {"fast": 20, "slow": 50}),
    ("price_impact_mean", {"window": 7}),
    ("amihud", {"window": 1}),
    ("kyle_lambda", {"window": 13}),
    ("roll_spread", {"window": 2}),
    ("efficiency_ratio", {"window": 10}),
    ("near_high", {"window": 55}),
    ("breakout_down", {"window": 3}),
)
FEATURES = (
    *(family.feature() for kind in (volume, microstructure, candles) for family in kind.FAMILIES),
    *(FAMILIES[name].feature(given) for name, given in OTHERS),
)


def test_every_family_has_an_oracle():
    assert {feature.output for feature in FEATURES} == set(ORACLES)


@pytest.fixture(scope="module")
def together(bars):
    """All features in one call, where they share windows and a history."""
    return compute_columns(FEATURES, bars, np.float64)


@pytest.mark.parametrize("place", range(len(FEATURES)), ids=[f.name for f in FEATURES])
def test_equals_brute_force(place, bars, together):
    feature = FEATURES[place]
    with np.errstate(all="ignore"):
        expected = ORACLES[feature.output](bars, *feature.parameters.values())
    expected = np.where(np.isfinite(expected), expected, np.nan)
    expected[: feature.warm_up - 1] = np.nan
    ours = together[:, place]
    if feature.output == "roll_spread":  # a root is only as exact as the root of what is exact
        ours, expected = ours**2, expected**2
    scale = np.nanmedian(np.abs(expected)) if feature.output == "amihud" else 1.0
    np.testing.assert_allclose(ours / scale, expected / scale, **TOLERANCE)
    alone = compute_columns([feature], bars, np.float64)[:, 0]
    np.testing.assert_array_equal(alone, together[:, place])


@pytest.mark.parametrize("place", range(len(FEATURES)), ids=[f.name for f in FEATURES])
def test_values_are_told_apart(place, bars, together):
    """No column is constant, and none is missing where bars have volume and prices."""
    ours = together[:, place][np.isfinite(together[:, place])]
    assert len(np.unique(ours[:3000])) > 1
    assert len(ours) > 0.7 * len(together)


def test_a_spike_is_gone_with_the_window():
    bars = planted()
    calm = {**bars, "volume": bars["volume"].copy()}
    calm["volume"][SPIKE] /= 1e9
    ours = compute_columns(FEATURES, bars, np.float64)
    theirs = compute_columns(FEATURES, calm, np.float64)
    for place, feature in enumerate(FEATURES):
        after = SPIKE + feature.lookback
        np.testing.assert_array_equal(ours[after:, place], theirs[after:, place])
        assert np.isfinite(ours[SPIKE : SPIKE + 100, place]).all(), feature.name


def test_bars_without_volume_are_left_out_of_means_of_impact():
    """Two bars of no volume among twenty: the mean of the others; of none but such: NaN."""
    bars = planted()
    features = [FAMILIES["price_impact_mean"].feature(), FAMILIES["amihud"].feature()]
    means = compute_columns(features, bars, np.float64)
    assert np.isfinite(means[1100:1120]).all()
    assert np.isnan(means[1819:1900]).all()
    assert np.isfinite(means[1900:1990]).all()
    each = compute_columns([FAMILIES["price_impact"].feature()], bars, np.float64)[:, 0]
    there = [t for t in range(1091, 1111) if t not in (1100, 1101)]
    assert math.isclose(means[1110, 0], each[there].mean(), rel_tol=1e-12)


def test_ties_in_ticks_count():
    """A body of exactly a tenth of the range is a doji; a shadow of exactly two bodies is long."""
    rows = [
        (100.45, 100.50, 100.00, 100.50),  # body 0.05 of 0.50: doji, no upper shadow: hammer
        (100.44, 100.50, 100.00, 100.50),  # body 0.06 of 0.50: no doji
        (100.20, 100.30, 100.00, 100.30),  # lower shadow twice the body: hammer
        (100.19, 100.30, 100.00, 100.30),  # a little less: none
        (100.00, 100.00, 100.00, 100.00),  # no range: doji, no hammer
    ]
    bars = dict(zip(COLUMNS, np.array(rows).T, strict=False))
    found = compute_columns([FAMILIES["is_doji"].feature(), FAMILIES["is_hammer"].feature()], bars)
    np.testing.assert_array_equal(found[:, 0], [1, 0, 0, 0, 1])
    np.testing.assert_array_equal(found[:, 1], [1, 1, 1, 0, 0])
