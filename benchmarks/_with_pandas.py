"""The market features of the set ``sp500_114`` in pandas, shared parts computed once.

As with Polars, what ours do with a bar without a range, no volume, a gap or a tie is left out.
"""

import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pandas as pd

_FLOOR = 1e-4
Columns = Iterator[tuple[str, pd.Series]]


def _wilder(column: pd.Series, window: int) -> pd.Series:
    return column.ewm(alpha=1 / window).mean()


def _mean(column: pd.Series, window: int) -> pd.Series:
    return column.rolling(window).mean()


def _shared(bars: pd.DataFrame) -> SimpleNamespace:
    """Return what several features share."""
    s = SimpleNamespace(**{name: bars[name] for name in bars.columns})
    s.lo, s.lh, s.ll, s.lc = (np.log(column) for column in (s.open, s.high, s.low, s.close))
    s.r, s.change, s.before = 100 * s.lc.diff(), s.close.diff(), s.close.shift(1)
    s.moved, s.r2, s.width, s.hl = s.r.abs(), s.r * s.r, s.high - s.low, s.lh - s.ll
    s.reach = np.maximum(s.high, s.before) - np.minimum(s.low, s.before)
    s.atr = _wilder(s.reach, 14)
    s.sma = {n: _mean(s.close, n) for n in (5, 7, 10, 14, 20, 21, 50)}
    s.ema = {n: s.close.ewm(span=n).mean() for n in (5, 7, 10, 12, 20, 21, 26, 50)}
    s.usual = {n: _mean(s.volume, n) for n in (5, 20, 50)}
    s.top = {n: s.high.rolling(n).max() for n in (14, 20)}
    s.bottom = {n: s.low.rolling(n).min() for n in (14, 20)}
    s.sd = {n: s.r.rolling(n).std() for n in (20, 50)}
    return s


def _returns(s: SimpleNamespace) -> Columns:
    yield "log_return_1", s.r
    for n in (5, 10, 30, 60, 120, 240):
        yield f"log_return_{n}", 100 * s.lc.diff(n)
    for n in (1, 2, 3, 4):
        yield f"return_lag_{n}", s.r.shift(n)
    yield "roc_12", 100 * (s.close / s.close.shift(12) - 1)
    yield "return_skew_60", s.r.rolling(60).skew()
    yield "return_kurtosis_60", s.r.rolling(60).kurt()
    rise, fall = s.change.clip(lower=0), -s.change.clip(upper=0)
    for n in (14, 20):
        gain, loss = _wilder(rise, n), _wilder(fall, n)
        yield f"rsi_{n}", 100 * gain / (gain + loss)
    for n in (5, 10, 20):
        yield f"momentum_{n}", s.close.diff(n) / _mean(s.reach, n)
    yield "efficiency_ratio_20", s.close.diff(20).abs() / s.change.abs().rolling(20).sum()


def _averages(s: SimpleNamespace) -> Columns:
    for n in (5, 10, 14, 20, 50):
        yield f"close_to_sma_{n}", 100 * (s.close / s.sma[n] - 1)
    for n in (5, 10, 20, 50):
        yield f"close_to_ema_{n}", 100 * (s.close / s.ema[n] - 1)
    yield "sma_ratio_7_21", 100 * (s.sma[7] / s.sma[21] - 1)
    yield "sma_ratio", 100 * (s.sma[20] / s.sma[50] - 1)
    yield "is_uptrend", s.sma[20] > s.sma[50]
    yield "ema_ratio_7_21", 100 * (s.ema[7] / s.ema[21] - 1)
    line = s.ema[12] - s.ema[26]
    signal = line.ewm(span=9).mean()
    yield "macd", 100 * line / s.close
    yield "macd_signal", 100 * signal / s.close
    yield "macd_histogram", 100 * (line - signal) / s.close
    sd = s.close.rolling(20).std()
    yield "bollinger_position_20", 0.5 + (s.close - s.sma[20]) / (4 * sd)
    yield "bollinger_width_20", 400 * sd / s.sma[20]


def _channels(s: SimpleNamespace) -> Columns:
    place = (s.close - s.bottom[14]) / (s.top[14] - s.bottom[14])
    yield "stochastic_14", place
    yield "stochastic_signal", _mean(place, 3)
    yield "close_to_high_20", 100 * np.log(s.close / s.top[20])
    yield "close_to_low_20", 100 * np.log(s.close / s.bottom[20])
    place = (s.close - s.bottom[20]) / (s.top[20] - s.bottom[20])
    yield "near_high_20", place >= 0.9
    yield "near_low_20", place <= 0.1
    yield "breakout_up_20", s.close > s.top[20].shift(1)
    yield "breakout_down_20", s.close < s.bottom[20].shift(1)
    up, down = s.high.diff(), -s.low.diff()
    rise = _wilder(up.where((up > 0) & (up > down), 0.0), 14)
    fall = _wilder(down.where((down > 0) & (down > up), 0.0), 14)
    yield "adx_14", _wilder(100 * (rise - fall).abs() / (rise + fall), 14)
    yield "directional_14", 100 * (rise - fall) / s.atr


def _ranges(s: SimpleNamespace) -> Columns:
    h, l, c = (100 * (column - s.lo) for column in (s.lh, s.ll, s.lc))  # noqa: E741
    width2 = (h - l) ** 2
    gk = 0.5 * width2 - (2 * math.log(2) - 1) * c**2
    rs20 = _mean(h * (h - c) + l * (l - c), 20)
    yield "garman_klass_20", np.sqrt(_mean(gk, 20))
    yield "parkinson_20", np.sqrt(_mean(width2, 20) / (4 * math.log(2)))
    yield "rogers_satchell_20", np.sqrt(rs20)
    gap, share = 100 * (s.lo - s.lc.shift(1)), 0.34 / (1.34 + 21 / 19)
    gaps, bodies = gap.rolling(20).var(), c.rolling(20).var()
    yield "yang_zhang_20", np.sqrt(gaps + share * bodies + (1 - share) * rs20)
    yield "opening_gap", gap
    yield "log_range", 100 * s.hl
    yield "atr_14", 100 * s.atr / s.close
    yield "range_mean_20", 100 * _mean(s.width / s.close, 20)
    usual = np.sqrt(_mean(gk, 22).clip(lower=_FLOOR))
    yield "downside_5", _mean(s.r.clip(upper=0), 5) / usual
    yield "upside_5", _mean(s.r.clip(lower=0), 5) / usual


def _regimes(s: SimpleNamespace) -> Columns:
    fast, slow = s.sd[20], s.sd[50]
    yield "return_sd_20", fast
    yield "return_sd_50", slow
    yield "ewma_sd_94", np.sqrt(s.r2.ewm(alpha=0.06).mean())
    yield "vol_of_vol_20", fast.rolling(20).std()
    past = fast.rolling(1000)
    median = past.median()
    yield "volatility_rank_1000", past.rank(method="max", pct=True)
    yield "volatility_to_median_1000", fast / median
    yield "volatility_low_1000", fast < 0.7 * median
    yield "volatility_high_1000", fast > 1.5 * median
    yield "volatility_ratio", fast / slow
    volatile, busy = fast > 1.5 * slow, s.usual[20] > 1.2 * s.usual[50]
    yield "high_volatility", volatile
    yield "high_volume", busy
    year = fast.rolling(252)
    extreme = fast > year.mean() + 2 * year.std()
    yield "market_stress", 0.5 * volatile + 0.3 * busy + 0.2 * extreme


def _volumes(s: SimpleNamespace) -> Columns:
    yield "log_volume_change", 100 * np.log(s.volume / s.volume.shift(1))
    yield "volume_ratio_20", s.volume / s.usual[20]
    yield "volume_ratio_50", s.volume / s.usual[50]
    yield "volume_zscore_20", (s.volume - s.usual[20]) / s.volume.rolling(20).std()
    yield "volume_trend", s.usual[5] / s.usual[20]
    yield "volume_trend_20_50", s.usual[20] / s.usual[50]
    change = s.volume.diff()
    yield "volume_imbalance_20", change / s.usual[20]
    yield "volume_acceleration_20", change.diff() / s.usual[20]
    price = (s.high + s.low + s.close) / 3
    yield "close_to_vwap_20", 100 * (s.close * s.usual[20] / _mean(price * s.volume, 20) - 1)
    impact = s.moved * s.usual[20] / s.volume
    yield "price_impact", impact
    yield "price_impact_mean_20", _mean(impact, 20)
    yield "amihud_20", 1e6 * _mean(s.moved / (s.close * s.volume), 20)
    squares = (s.volume * s.volume).where(s.r != 0, 0.0).rolling(60).sum()
    products = (s.moved * s.volume).rolling(60).sum()
    yield "kyle_lambda_60", products * _mean(s.volume, 60) / squares
    yield "signed_volume_20", _mean(np.sign(s.r) * s.volume, 20) / s.usual[20]
    pressure = (2 * s.close - s.low - s.high) / s.width
    yield "money_flow_20", _mean(pressure * s.volume, 20) / s.usual[20]


def _bars(s: SimpleNamespace) -> Columns:
    yield "roll_spread_20", 2 * np.sqrt(-s.r.rolling(20).cov(s.r.shift(1)).clip(upper=0))
    both = np.maximum(s.lh, s.lh.shift(1)) - np.minimum(s.ll, s.ll.shift(1))
    alpha = (1 + math.sqrt(2)) * (np.sqrt(s.hl**2 + s.hl.shift(1) ** 2) - both)
    yield "corwin_schultz_20", 200 * _mean(np.tanh(alpha.clip(lower=0) / 2), 20)
    flow = (s.close - s.open) / s.width
    yield "order_flow", flow
    yield "order_flow_mean_20", _mean(flow, 20)
    yield "close_in_range", (s.close - s.low) / s.width
    body = (s.close - s.open).abs()
    upper = s.high - np.maximum(s.open, s.close)
    lower = np.minimum(s.open, s.close) - s.low
    yield "body", 100 * body / s.open
    yield "upper_shadow", 100 * upper / s.open
    yield "lower_shadow", 100 * lower / s.open
    yield "body_to_before", body / _mean(body, 20).shift(1)
    yield "is_doji", body <= 0.1 * s.width
    yield "is_hammer", (lower >= 2 * body) & (upper <= 0.1 * s.width)
    a, b, c, d = s.open, s.close, s.open.shift(1), s.before
    fall = (a <= d) & (b >= c) & (d < c) & ((a < d) | (b > c))
    rise = (a >= d) & (b <= c) & (d > c) & ((a > d) | (b < c))
    yield "is_engulfing", fall.astype(np.float32) - rise.astype(np.float32)


def _hours(s: SimpleNamespace) -> Columns:
    weekday = s.session.dt.dayofweek
    places = {
        "day_of_week": weekday / 7,
        "month": (s.session.dt.month - 1) / 12,
        "time_of_day": s.local_minute / 1440,
    }
    for name, place in places.items():
        yield f"{name}_sin", np.sin(2 * math.pi * place)
        yield f"{name}_cos", np.cos(2 * math.pi * place)
    since, until = s.since_open, s.until_close
    yield "session_progress", (since / (since + until)).clip(0, 1)
    yield "is_first_half_hour", (since > 0) & (since <= 30) & (until >= 0)
    yield "is_last_half_hour", (since > 0) & (until >= 0) & (until < 30)
    yield "is_monday", weekday == 0
    yield "is_friday", weekday == 4


def with_pandas(bars: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Compute the named features of all bars, float32."""
    shared, made = _shared(bars), {}
    parts = (_returns, _averages, _channels, _ranges, _regimes, _volumes, _bars, _hours)
    for part in parts:
        for name, column in part(shared):
            if name in names:
                made[name] = column.astype(np.float32)
    return pd.DataFrame(made, copy=False)[list(names)]
