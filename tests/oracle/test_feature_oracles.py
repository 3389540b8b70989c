"""Every feature of the shipped sets against pandas and plain loops, on real prices."""

import math

import numpy as np
import pandas as pd
import pytest
from arch.data import sp500

from truecast.features import calendar, context, price, volatility
from truecast.features.catalog import all_features
from truecast.features.compute import compute_columns

TOLERANCE = {"rtol": 1e-9, "atol": 1e-11}


@pytest.fixture(scope="module")
def frame():
    loaded = sp500.load()
    rng = np.random.default_rng(7)
    vix = np.exp(3 + np.cumsum(rng.normal(0, 0.03, len(loaded))) * 0.3)
    return pd.DataFrame(
        {
            "open": loaded["Open"],
            "high": loaded["High"],
            "low": loaded["Low"],
            "close": loaded["Close"],
            "volume": loaded["Volume"].astype(float),
            "vix": vix,
        }
    )


@pytest.fixture(scope="module")
def inputs(frame):
    columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    columns["session"] = frame.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    columns["^VIX:close"] = frame["vix"].to_numpy()
    return columns


def mean_by_loop(values, alpha):
    """The textbook recursion, seeded with its first value."""
    out, state = [], math.nan
    for value in values:
        if not math.isnan(value):
            state = value if math.isnan(state) else (1 - alpha) * state + alpha * value
        out.append(state)
    return np.array(out)


def log_returns(frame):
    return 100 * np.log(frame["close"] / frame["close"].shift(1))


def garman_klass(frame):
    width = np.log(frame["high"] / frame["low"])
    body = np.log(frame["close"] / frame["open"])
    return 1e4 * (0.5 * width**2 - (2 * math.log(2) - 1) * body**2)


def rogers_satchell(frame):
    high, low, close = (np.log(frame[name] / frame["open"]) for name in ("high", "low", "close"))
    return 1e4 * (high * (high - close) + low * (low - close))


def yang_zhang(frame, n):
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    gap = 100 * np.log(frame["open"] / frame["close"].shift(1))
    body = 100 * np.log(frame["close"] / frame["open"])
    terms = rogers_satchell(frame).rolling(n).mean()
    return np.sqrt(gap.rolling(n).var() + k * body.rolling(n).var() + (1 - k) * terms)


def rsi(frame, n):
    change = frame["close"].diff().to_numpy()
    gains = mean_by_loop(np.where(np.isnan(change), np.nan, np.maximum(change, 0)), 1 / n)
    losses = mean_by_loop(np.where(np.isnan(change), np.nan, np.maximum(-change, 0)), 1 / n)
    with np.errstate(divide="ignore"):
        return 100 - 100 / (1 + gains / losses)


def atr(frame, n):
    before = frame["close"].shift(1)
    reach = pd.concat(
        [
            frame["high"] - frame["low"],
            (frame["high"] - before).abs(),
            (frame["low"] - before).abs(),
        ],
        axis=1,
    ).max(axis=1, skipna=False)
    return 100 * mean_by_loop(reach.to_numpy(), 1 / n) / frame["close"].to_numpy()


def macd(frame, part):
    close = frame["close"].to_numpy()
    line = mean_by_loop(close, 2 / 13) - mean_by_loop(close, 2 / 27)
    signal = mean_by_loop(line, 2 / 10)
    return 100 * {"line": line, "signal": signal, "histogram": line - signal}[part] / close


def bands(frame, n):
    # Window by window: the running sums of pandas are only good to about 1e-8 here.
    windows = np.lib.stride_tricks.sliding_window_view(frame["close"].to_numpy(), n)
    missing = np.full(n - 1, np.nan)
    mean = np.concatenate([missing, windows.mean(axis=1)])
    spread = np.concatenate([missing, windows.std(axis=1, ddof=1)])
    return mean - 2 * spread, mean + 2 * spread


def bollinger_position(frame, n):
    lower, upper = bands(frame, n)
    return (frame["close"] - lower) / (upper - lower)


def gk_ratio(frame, n):
    # The first bar has no return, so neither of its sums counts it.
    squares, ranges = (log_returns(frame) ** 2)[1:], garman_klass(frame)[1:]
    sums = [column.rolling(n, min_periods=250).sum() for column in (squares, ranges)]
    return np.concatenate([[np.nan], sums[0] / sums[1]])


def usual_move(frame):
    return np.sqrt(garman_klass(frame).rolling(22).mean().clip(lower=1e-4))


def bollinger_width(frame, n):
    lower, upper = bands(frame, n)
    return 100 * (upper - lower) / frame["close"].rolling(n).mean()


def stochastic(frame, n):
    low, high = frame["low"].rolling(n).min(), frame["high"].rolling(n).max()
    return (frame["close"] - low) / (high - low)


def volume_zscore(frame, n):
    rolling = frame["volume"].rolling(n)
    return (frame["volume"] - rolling.mean()) / rolling.std()


def log_premium(frame, n):
    return np.log(frame["vix"]) - np.log(math.sqrt(252) * log_returns(frame).rolling(n).std())


def of_vix(frame):
    return pd.DataFrame({"close": frame["vix"]})


ORACLES = {
    "log_return": lambda f, n: 100 * np.log(f["close"] / f["close"].shift(n)),
    "return_lag": lambda f, k: log_returns(f).shift(k),
    "roc": lambda f, n: 100 * f["close"].pct_change(n),
    "close_to_sma": lambda f, n: 100 * (f["close"] / f["close"].rolling(n).mean() - 1),
    "close_to_ema": lambda f, n: 100 * (f["close"] / mean_by_loop(f["close"], 2 / (n + 1)) - 1),
    "rsi": rsi,
    "macd": lambda f, *_: macd(f, "line"),
    "macd_signal": lambda f, *_: macd(f, "signal"),
    "macd_histogram": lambda f, *_: macd(f, "histogram"),
    "bollinger_position": bollinger_position,
    "bollinger_width": bollinger_width,
    "stochastic": stochastic,
    "close_to_high": lambda f, n: 100 * np.log(f["close"] / f["high"].rolling(n).max()),
    "return_sd": lambda f, n: log_returns(f).rolling(n).std(),
    "ewma_sd": lambda f, d: np.sqrt(mean_by_loop(log_returns(f) ** 2, 1 - d / 100)),
    "log_premium": log_premium,
    "atr": atr,
    "log_range": lambda f: 100 * np.log(f["high"] / f["low"]),
    "open_to_close": lambda f: 100 * np.log(f["close"] / f["open"]),
    "close_in_range": lambda f: (f["close"] - f["low"]) / (f["high"] - f["low"]),
    "opening_gap": lambda f: 100 * np.log(f["open"] / f["close"].shift(1)),
    "garman_klass": lambda f, n: np.sqrt(garman_klass(f).rolling(n).mean()),
    "log_gk": lambda f, n: np.log(garman_klass(f).rolling(n).mean().clip(lower=1e-4)),
    "downside": lambda f, n: log_returns(f).clip(upper=0).rolling(n).mean() / usual_move(f),
    "upside": lambda f, n: log_returns(f).clip(lower=0).rolling(n).mean() / usual_move(f),
    "gk_ratio": gk_ratio,
    "parkinson": lambda f, n: (
        100 * np.sqrt((np.log(f["high"] / f["low"]) ** 2).rolling(n).mean() / (4 * math.log(2)))
    ),
    "rogers_satchell": lambda f, n: np.sqrt(rogers_satchell(f).rolling(n).mean()),
    "yang_zhang": yang_zhang,
    "log_volume_change": lambda f: 100 * np.log(f["volume"] / f["volume"].shift(1)),
    "volume_ratio": lambda f, n: f["volume"] / f["volume"].rolling(n).mean(),
    "volume_zscore": volume_zscore,
    "day_of_week_sin": lambda f: np.sin(2 * np.pi * f.index.dayofweek / 7),
    "day_of_week_cos": lambda f: np.cos(2 * np.pi * f.index.dayofweek / 7),
    "month_sin": lambda f: np.sin(2 * np.pi * (f.index.month - 1) / 12),
    "month_cos": lambda f: np.cos(2 * np.pi * (f.index.month - 1) / 12),
    "days_since_session": lambda f: f.index.to_series().diff().dt.days,
    "epoch_day": lambda f: (f.index.normalize() - pd.Timestamp(0)).days,
    "log_close": lambda f: np.log(f["close"]),
}

# The set's context members are on a series of closes; here they are given that series' closes.
# Families of other modules have oracles in the files beside this one.
OF_BARS = [feature for feature in all_features() if feature.output in ORACLES]
FEATURES = {feature.name: feature for feature in OF_BARS if feature.output != "log_close"}


def test_every_family_has_an_oracle():
    modules = (price, volatility, calendar, context)
    assert {family.name for module in modules for family in module.FAMILIES} <= set(ORACLES)
    assert set(ORACLES) == {feature.output for feature in OF_BARS}


@pytest.mark.parametrize("name", FEATURES)
def test_equals_the_oracle(name, frame, inputs):
    feature = FEATURES[name]
    source = frame if feature.series is None else of_vix(frame)
    columns = inputs if feature.series is None else {"close": inputs["^VIX:close"]}
    ours = compute_columns([feature], columns, np.float64)[:, 0]
    expected = np.asarray(
        ORACLES[feature.output](source, *feature.parameters.values()), dtype=float
    )
    warm = feature.warm_up - 1
    assert np.isnan(ours[:warm]).all()
    assert np.isfinite(ours[warm:]).all()
    np.testing.assert_allclose(ours[warm:], expected[warm:], **TOLERANCE)


def test_log_close_of_a_context_series(inputs):
    feature = next(feature for feature in all_features() if feature.output == "log_close")
    vix = inputs["^VIX:close"]
    ours = compute_columns([feature], {"close": vix}, np.float64)[:, 0]
    np.testing.assert_allclose(ours, np.log(vix), rtol=1e-15)


def test_all_in_one_call_is_the_same_to_the_bit(inputs):
    own = [feature for feature in FEATURES.values() if feature.series is None]
    together = compute_columns(own, inputs, np.float64)
    for place, feature in enumerate(own):
        alone = compute_columns([feature], inputs, np.float64)[:, 0]
        if feature.recursive:
            np.testing.assert_allclose(together[:, place], alone, **TOLERANCE)
        else:
            np.testing.assert_array_equal(together[:, place], alone)


def test_long_series_in_blocks_and_threads_equal_short_ones(inputs):
    """Eight blocks and more are computed side by side: the values do not change."""
    rng = np.random.default_rng(0)
    n = 300_000
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, n)))
    opened = np.concatenate([[100.0], close[:-1]])
    long = {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 5e-4, n))),
        "low": np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 5e-4, n))),
        "close": close,
        "volume": rng.lognormal(10, 1, n),
        "session": 10_000.0 + np.arange(n) // 390,
        "^VIX:close": close,
    }
    own = [feature for feature in FEATURES.values() if feature.series is None]
    whole = compute_columns(own, long)
    begin = 70_123
    part = compute_columns(own, {name: values[begin:] for name, values in long.items()})
    for place, feature in enumerate(own):
        ours, theirs = (
            part[feature.lookback - 1 :, place],
            whole[begin + feature.lookback - 1 :, place],
        )
        if not feature.recursive:
            np.testing.assert_array_equal(ours, theirs, err_msg=feature.name)
        else:
            np.testing.assert_array_max_ulp(ours, theirs, maxulp=1)
