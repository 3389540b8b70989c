"""The features of the set ``daily`` in pandas, shared parts computed once.

As with Polars, what ours do with a bar without a range, no volume or a gap is left out.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

_FLOOR = 1e-4


def _log(a: pd.Series, b: pd.Series) -> pd.Series:
    return 100 * np.log(a / b)


def _ewm(column: pd.Series, alpha: float) -> pd.Series:
    return column.ewm(alpha=alpha, adjust=True).mean()


def _prices(bars: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    close, returns = bars["close"], _log(bars["close"], bars["close"].shift(1))
    for n in (1, 5, 10, 22):
        yield f"log_return_{n}", _log(close, close.shift(n))
    for n in (1, 2, 3, 4):
        yield f"return_lag_{n}", returns.shift(n)
    for n in (5, 20, 50, 200):
        yield f"close_to_sma_{n}", 100 * (close / close.rolling(n).mean() - 1)
    change = close.diff()
    gain, loss = _ewm(change.clip(lower=0), 1 / 14), _ewm(-change.clip(upper=0), 1 / 14)
    yield "rsi_14", 100 * gain / (gain + loss)
    line = _ewm(close, 2 / 13) - _ewm(close, 2 / 27)
    signal = _ewm(line, 2 / 10)
    yield "macd", 100 * line / close
    yield "macd_signal", 100 * signal / close
    yield "macd_histogram", 100 * (line - signal) / close
    mean, sd = close.rolling(20).mean(), close.rolling(20).std()
    yield "bollinger_position_20", 0.5 + (close - mean) / (4 * sd)
    yield "bollinger_width_20", 400 * sd / mean
    yield "close_to_high_252", _log(close, bars["high"].rolling(252).max())
    yield "return_sd_22", returns.rolling(22).std()
    yield "ewma_sd_94", np.sqrt(_ewm(returns**2, 0.06))


def _ranges(bars: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    opened, close = bars["open"], bars["close"]
    before = close.shift(1)
    reach = np.maximum(bars["high"], before) - np.minimum(bars["low"], before)
    yield "atr_14", 100 * _ewm(reach, 1 / 14) / close
    yield "log_range", _log(bars["high"], bars["low"])
    yield "close_in_range", (close - bars["low"]) / (bars["high"] - bars["low"])
    h, l, c = (_log(bars[name], opened) for name in ("high", "low", "close"))  # noqa: E741
    width2 = (h - l) ** 2
    gk = 0.5 * width2 - (2 * math.log(2) - 1) * c**2
    gk22, rs22 = gk.rolling(22).mean(), (h * (h - c) + l * (l - c)).rolling(22).mean()
    yield "garman_klass_22", np.sqrt(gk22)
    yield "parkinson_22", np.sqrt(width2.rolling(22).mean() / (4 * math.log(2)))
    yield "rogers_satchell_22", np.sqrt(rs22)
    share = 0.34 / (1.34 + 23 / 21)
    gaps, bodies = _log(opened, before).rolling(22).var(), c.rolling(22).var()
    yield "yang_zhang_22", np.sqrt(gaps + share * bodies + (1 - share) * rs22)
    yield "log_gk_1", np.log(gk.clip(lower=_FLOOR))
    yield "log_gk_5", np.log(gk.rolling(5).mean().clip(lower=_FLOOR))
    yield "log_gk_22", np.log(gk22.clip(lower=_FLOOR))
    returns, usual = _log(close, before), np.sqrt(gk22.clip(lower=_FLOOR))
    fall = returns.clip(upper=0)
    yield "downside_1", fall / usual
    for n in (5, 22):
        yield f"downside_{n}", fall.rolling(n).mean() / usual
    yield "upside_1", returns.clip(lower=0) / usual
    squares, ranges = returns**2, gk.where(returns.notna())
    sums = [column.rolling(1000, min_periods=250).sum() for column in (squares, ranges)]
    yield "gk_ratio_1000", sums[0] / sums[1]


def _others(bars: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    volume, session = bars["volume"], bars["session"]
    rolling = volume.rolling(20)
    yield "log_volume_change", _log(volume, volume.shift(1))
    yield "volume_zscore_20", (volume - rolling.mean()) / rolling.std()
    day, month = (
        2 * math.pi * session.dt.dayofweek / 7,
        2 * math.pi * (session.dt.month - 1) / 12,
    )
    yield "day_of_week_sin", np.sin(day)
    yield "day_of_week_cos", np.cos(day)
    yield "month_sin", np.sin(month)
    yield "month_cos", np.cos(month)
    yield "days_since_session", session.diff().dt.days


def with_pandas(bars: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Compute the named features of all bars, float32."""
    made = {}
    for part in (_prices, _ranges, _others):
        for name, column in part(bars):
            if name in names:
                made[name] = column.astype(np.float32)
    return pd.DataFrame(made, copy=False)[list(names)]
