"""The market features of the set ``sp500_114`` as Polars expressions, shared parts computed once.

They give the same values as ours on bars that trade and move. What ours do beside that (a bar
without a range, no volume, a gap in the data, what rounding makes of a tie) is left out, which is
in Polars' favour. The clock columns are inputs, here as there.
"""

import math
from collections.abc import Sequence

import polars as pl
from polars import col

_FLOOR = 1e-4


def _ewm(column: pl.Expr, alpha: float) -> pl.Expr:
    return column.ewm_mean(alpha=alpha, adjust=True, ignore_nulls=False)


def _wilder(name: str, window: int) -> pl.Expr:
    return _ewm(pl.col(name), 1 / window)


def _span(column: pl.Expr, window: int) -> pl.Expr:
    return _ewm(column, 2 / (window + 1))


def _larger_move(own: pl.Expr, other: pl.Expr) -> pl.Expr:
    return pl.when((own > 0) & (own > other)).then(own).otherwise(0.0)


_up, _down = col.high.diff(), -col.low.diff()
_alpha = (1 + math.sqrt(2)) * (
    (col.hl.pow(2) + col.hl.shift(1).pow(2)).sqrt()
    - pl.max_horizontal(col.lh, col.lh.shift(1))
    + pl.min_horizontal(col.ll, col.ll.shift(1))
)

#: What several features share, each stage from those before it.
STAGES: tuple[dict[str, pl.Expr], ...] = (
    {
        "lo": col.open.log(),
        "lh": col.high.log(),
        "ll": col.low.log(),
        "lc": col.close.log(),
        "change": col.close.diff(),
        "width": col.high - col.low,
        "body": (col.close - col.open).abs(),
        "top": pl.max_horizontal(col.open, col.close),
        "bottom": pl.min_horizontal(col.open, col.close),
        "reach": pl.max_horizontal(col.high, col.close.shift(1))
        - pl.min_horizontal(col.low, col.close.shift(1)),
        "up": _larger_move(_up, _down),
        "down": _larger_move(_down, _up),
        **{f"sma{n}": col.close.rolling_mean(n) for n in (5, 7, 10, 14, 20, 21, 50)},
        **{f"ema{n}": _span(col.close, n) for n in (5, 7, 10, 12, 20, 21, 26, 50)},
        "sd": col.close.rolling_std(20),
        **{f"v{n}": col.volume.rolling_mean(n) for n in (5, 20, 50)},
        **{f"high{n}": col.high.rolling_max(n) for n in (14, 20)},
        **{f"low{n}": col.low.rolling_min(n) for n in (14, 20)},
    },
    {
        "r": 100 * col.lc.diff(),
        "gap": 100 * (col.lo - col.lc.shift(1)),
        "h": 100 * (col.lh - col.lo),
        "l": 100 * (col.ll - col.lo),
        "c": 100 * (col.lc - col.lo),
        "hl": col.lh - col.ll,
        "gain": col.change.clip(lower_bound=0),
        "loss": -col.change.clip(upper_bound=0),
        "line": col.ema12 - col.ema26,
        "place14": (col.close - col.low14) / (col.high14 - col.low14),
        "place20": (col.close - col.low20) / (col.high20 - col.low20),
        "flow": (col.close - col.open) / col.width,
        "dv": col.volume.diff(),
        "p": _wilder("up", 14),
        "m": _wilder("down", 14),
        "t": _wilder("reach", 14),
    },
    {
        "moved": col.r.abs(),
        "r2": col.r * col.r,
        "width2": (col.h - col.l) ** 2,
        "rs": col.h * (col.h - col.c) + col.l * (col.l - col.c),
        "signal": _span(col.line, 9),
        # One NaN would stay in an exponential mean for ever.
        "dx": (100 * (col.p - col.m).abs() / (col.p + col.m)).fill_nan(0),
        "s20": col.r.rolling_std(20),
        "s50": col.r.rolling_std(50),
        "sum20": 100 * (col.lc - col.lc.shift(20)),
    },
    {
        "gk": 0.5 * col.width2 - (2 * math.log(2) - 1) * col.c**2,
        "rs20": col.rs.rolling_mean(20),
        "impact": col.moved * col.v20 / col.volume,
        # The two that take longest, at the same time.
        "median": col.s20.rolling_median(1000),
        "rank": col.s20.rolling_rank(1000, method="max"),
    },
    {"usual": col.gk.rolling_mean(22).clip(lower_bound=_FLOOR).sqrt()},
)


def _yang_zhang(window: int) -> pl.Expr:
    share = 0.34 / (1.34 + (window + 1) / (window - 1))
    gaps, bodies = col.gap.rolling_var(window), col.c.rolling_var(window)
    return (gaps + share * bodies + (1 - share) * col.rs20).sqrt()


def _cycle(place: pl.Expr, length: int) -> tuple[pl.Expr, pl.Expr]:
    angle = 2 * math.pi * place / length
    return angle.sin(), angle.cos()


def _kyle(window: int) -> pl.Expr:
    squares = pl.when(col.r != 0).then(col.volume * col.volume).otherwise(0.0).rolling_sum(window)
    return (col.moved * col.volume).rolling_sum(window) * col.volume.rolling_mean(window) / squares


def _engulfing() -> pl.Expr:
    opened, close = col.open.shift(1), col.close.shift(1)
    fall = (
        (col.open <= close)
        & (col.close >= opened)
        & (close < opened)
        & ((col.open < close) | (col.close > opened))
    )
    rise = (
        (col.open >= close)
        & (col.close <= opened)
        & (close > opened)
        & ((col.open > close) | (col.close < opened))
    )
    return fall.cast(pl.Float32) - rise.cast(pl.Float32)


def _stress() -> pl.Expr:
    volatile, busy = col.s20 > 1.5 * col.s50, col.v20 > 1.2 * col.v50
    extreme = col.s20 > col.s20.rolling_mean(252) + 2 * col.s20.rolling_std(252)
    return 0.5 * volatile + 0.3 * busy + 0.2 * extreme


_PRICE: dict[str, pl.Expr] = {
    "log_return_1": col.r,
    **{f"log_return_{n}": 100 * (col.lc - col.lc.shift(n)) for n in (5, 10, 30, 60, 120, 240)},
    **{f"return_lag_{n}": col.r.shift(n) for n in (1, 2, 3, 4)},
    "roc_12": 100 * (col.close / col.close.shift(12) - 1),
    **{
        f"rsi_{n}": 100 * _wilder("gain", n) / (_wilder("gain", n) + _wilder("loss", n))
        for n in (14, 20)
    },
    "macd": 100 * col.line / col.close,
    "macd_signal": 100 * col.signal / col.close,
    "macd_histogram": 100 * (col.line - col.signal) / col.close,
    "stochastic_14": col.place14,
    **{f"close_to_sma_{n}": 100 * (col.close / pl.col(f"sma{n}") - 1) for n in (5, 10, 14, 20, 50)},
    **{f"close_to_ema_{n}": 100 * (col.close / pl.col(f"ema{n}") - 1) for n in (5, 10, 20, 50)},
    "bollinger_position_20": 0.5 + (col.close - col.sma20) / (4 * col.sd),
    "bollinger_width_20": 400 * col.sd / col.sma20,
    "close_to_high_20": 100 * (col.close / col.high20).log(),
    "close_to_low_20": 100 * (col.close / col.low20).log(),
    **{
        f"momentum_{n}": (col.close - col.close.shift(n)) / col.reach.rolling_mean(n)
        for n in (5, 10, 20)
    },
    "stochastic_signal": col.place14.rolling_mean(3),
    "sma_ratio_7_21": 100 * (col.sma7 / col.sma21 - 1),
    "sma_ratio": 100 * (col.sma20 / col.sma50 - 1),
    "is_uptrend": col.sma20 > col.sma50,
    "ema_ratio_7_21": 100 * (col.ema7 / col.ema21 - 1),
    "adx_14": _wilder("dx", 14),
    "directional_14": 100 * (col.p - col.m) / col.t,
    "near_high_20": col.place20 >= 0.9,
    "near_low_20": col.place20 <= 0.1,
    "breakout_up_20": col.close > col.high20.shift(1),
    "breakout_down_20": col.close < col.low20.shift(1),
}

_VOLATILITY: dict[str, pl.Expr] = {
    "atr_14": 100 * col.t / col.close,
    "return_sd_20": col.s20,
    "return_sd_50": col.s50,
    "garman_klass_20": col.gk.rolling_mean(20).sqrt(),
    "parkinson_20": (col.width2.rolling_mean(20) / (4 * math.log(2))).sqrt(),
    "rogers_satchell_20": col.rs20.sqrt(),
    "yang_zhang_20": _yang_zhang(20),
    "ewma_sd_94": _ewm(col.r2, 0.06).sqrt(),
    "log_range": 100 * col.hl,
    "opening_gap": col.gap,
    "downside_5": col.r.clip(upper_bound=0).rolling_mean(5) / col.usual,
    "upside_5": col.r.clip(lower_bound=0).rolling_mean(5) / col.usual,
    "vol_of_vol_20": col.s20.rolling_std(20),
    "volatility_rank_1000": col.rank / 1000,
    "volatility_to_median_1000": col.s20 / col.median,
    "volatility_low_1000": col.s20 < 0.7 * col.median,
    "volatility_high_1000": col.s20 > 1.5 * col.median,
    "volatility_ratio": col.s20 / col.s50,
    "high_volatility": col.s20 > 1.5 * col.s50,
    "range_mean_20": 100 * (col.width / col.close).rolling_mean(20),
    "market_stress": _stress(),
    "return_skew_60": col.r.rolling_skew(60, bias=False),
    "return_kurtosis_60": col.r.rolling_kurtosis(60, bias=False),
}

_VOLUME: dict[str, pl.Expr] = {
    "log_volume_change": 100 * (col.volume / col.volume.shift(1)).log(),
    "volume_ratio_20": col.volume / col.v20,
    "volume_ratio_50": col.volume / col.v50,
    "volume_zscore_20": (col.volume - col.v20) / col.volume.rolling_std(20),
    "volume_trend": col.v5 / col.v20,
    "volume_trend_20_50": col.v20 / col.v50,
    "high_volume": col.v20 > 1.2 * col.v50,
    "volume_imbalance_20": col.dv / col.v20,
    "volume_acceleration_20": col.dv.diff() / col.v20,
    "close_to_vwap_20": 100
    * (
        col.close
        * 20
        * col.v20
        / ((col.high + col.low + col.close) / 3 * col.volume).rolling_sum(20)
        - 1
    ),
    "price_impact": col.impact,
    "price_impact_mean_20": col.impact.rolling_mean(20),
    "amihud_20": 1e6 * (col.moved / (col.close * col.volume)).rolling_mean(20),
    "kyle_lambda_60": _kyle(60),
    "signed_volume_20": (col.r.sign() * col.volume).rolling_mean(20) / col.v20,
    "money_flow_20": ((2 * col.close - col.low - col.high) / col.width * col.volume).rolling_mean(
        20
    )
    / col.v20,
}

_BARS: dict[str, pl.Expr] = {
    "roll_spread_20": 2
    * (-((col.r * col.r.shift(1)).rolling_sum(20) - col.sum20 * col.sum20.shift(1) / 20) / 19)
    .clip(lower_bound=0)
    .sqrt(),
    "corwin_schultz_20": 200 * (_alpha.clip(lower_bound=0) / 2).tanh().rolling_mean(20),
    "order_flow": col.flow,
    "order_flow_mean_20": col.flow.rolling_mean(20),
    "efficiency_ratio_20": (col.close - col.close.shift(20)).abs()
    / col.change.abs().rolling_sum(20),
    "close_in_range": (col.close - col.low) / col.width,
    "body": 100 * col.body / col.open,
    "upper_shadow": 100 * (col.high - col.top) / col.open,
    "lower_shadow": 100 * (col.bottom - col.low) / col.open,
    "body_to_before": col.body / col.body.rolling_mean(20).shift(1),
    "is_doji": col.body <= 0.1 * col.width,
    "is_hammer": (col.bottom - col.low >= 2 * col.body) & (col.high - col.top <= 0.1 * col.width),
    "is_engulfing": _engulfing(),
}

_day, _month = _cycle(col.session.dt.weekday() - 1, 7), _cycle(col.session.dt.month() - 1, 12)
_time = _cycle(col.local_minute, 1440)

_CLOCK: dict[str, pl.Expr] = {
    "day_of_week_sin": _day[0],
    "day_of_week_cos": _day[1],
    "month_sin": _month[0],
    "month_cos": _month[1],
    "time_of_day_sin": _time[0],
    "time_of_day_cos": _time[1],
    "session_progress": (col.since_open / (col.since_open + col.until_close)).clip(0, 1),
    "is_first_half_hour": (col.since_open > 0) & (col.since_open <= 30) & (col.until_close >= 0),
    "is_last_half_hour": (col.since_open > 0) & (col.until_close >= 0) & (col.until_close < 30),
    "is_monday": col.session.dt.weekday() == 1,
    "is_friday": col.session.dt.weekday() == 5,
}

EXPRESSIONS: dict[str, pl.Expr] = {**_PRICE, **_VOLATILITY, **_VOLUME, **_BARS, **_CLOCK}


def with_polars(bars: pl.DataFrame, names: Sequence[str], engine: str = "auto") -> pl.DataFrame:
    """Compute the named features of all bars, float32, by one of Polars' engines."""
    query = bars.lazy()
    for stage in STAGES:
        query = query.with_columns(**stage)
    wanted = [EXPRESSIONS[name].cast(pl.Float32).alias(name) for name in names]
    return query.select(wanted).collect(engine=engine)
