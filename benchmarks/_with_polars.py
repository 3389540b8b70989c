"""The features of the set ``daily`` as Polars expressions, shared parts computed once.

They give the same values as ours on bars that trade and move. What ours do beside that (a bar
without a range, no volume, a gap in the data) is left out, which is in Polars' favour.
"""

import math
from collections.abc import Sequence

import polars as pl

_FLOOR = 1e-4
_CLOSE, _VOLUME, _SESSION = pl.col("close"), pl.col("volume"), pl.col("session")


def _log(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return 100 * (a / b).log()


def _ewm(column: str, alpha: float) -> pl.Expr:
    return pl.col(column).ewm_mean(alpha=alpha, adjust=True, ignore_nulls=False)


def _span(window: int) -> float:
    return 2 / (window + 1)


def _shared(bars: pl.LazyFrame) -> pl.LazyFrame:
    opened, high, low = (pl.col(name) for name in ("open", "high", "low"))
    h, l, c = (pl.col(name) for name in ("h", "l", "c"))  # noqa: E741
    before = _CLOSE.shift(1)
    return (
        bars.with_columns(
            r=_log(_CLOSE, before),
            change=_CLOSE.diff(),
            h=_log(high, opened),
            l=_log(low, opened),
            c=_log(_CLOSE, opened),
            gap=_log(opened, before),
            reach=pl.max_horizontal(high, before) - pl.min_horizontal(low, before),
            fast=_ewm("close", _span(12)),
            slow=_ewm("close", _span(26)),
            mean=_CLOSE.rolling_mean(20),
            sd=_CLOSE.rolling_std(20),
        )
        .with_columns(
            r2=pl.col("r") ** 2,
            width2=(h - l) ** 2,
            gain=pl.col("change").clip(lower_bound=0),
            loss=-pl.col("change").clip(upper_bound=0),
            fall=pl.col("r").clip(upper_bound=0),
            rise=pl.col("r").clip(lower_bound=0),
            line=pl.col("fast") - pl.col("slow"),
            rs=h * (h - c) + l * (l - c),
        )
        .with_columns(
            gk=0.5 * pl.col("width2") - (2 * math.log(2) - 1) * c**2,
            signal=_ewm("line", _span(9)),
        )
        .with_columns(gk22=pl.col("gk").rolling_mean(22), rs22=pl.col("rs").rolling_mean(22))
        .with_columns(usual=pl.col("gk22").clip(lower_bound=_FLOOR).sqrt())
    )


def _yang_zhang(window: int) -> pl.Expr:
    share = 0.34 / (1.34 + (window + 1) / (window - 1))
    gaps, bodies = (pl.col(name).rolling_var(window) for name in ("gap", "c"))
    return (gaps + share * bodies + (1 - share) * pl.col("rs22")).sqrt()


def _gk_ratio(window: int) -> pl.Expr:
    # The first bar has no return, so neither of the sums counts it.
    ranges = pl.when(pl.col("r").is_not_null()).then(pl.col("gk"))
    squares, ranges = (part.rolling_sum(window, min_samples=250) for part in (pl.col("r2"), ranges))
    return squares / ranges


def _cycle(place: pl.Expr, length: int) -> tuple[pl.Expr, pl.Expr]:
    angle = 2 * math.pi * place / length
    return angle.sin(), angle.cos()


_gain, _loss = _ewm("gain", 1 / 14), _ewm("loss", 1 / 14)
_day, _month = _cycle(_SESSION.dt.weekday() - 1, 7), _cycle(_SESSION.dt.month() - 1, 12)

EXPRESSIONS: dict[str, pl.Expr] = {
    **{f"log_return_{n}": _log(_CLOSE, _CLOSE.shift(n)) for n in (1, 5, 10, 22)},
    **{f"return_lag_{n}": pl.col("r").shift(n) for n in (1, 2, 3, 4)},
    **{f"close_to_sma_{n}": 100 * (_CLOSE / _CLOSE.rolling_mean(n) - 1) for n in (5, 20, 50, 200)},
    "rsi_14": 100 * _gain / (_gain + _loss),
    "macd": 100 * pl.col("line") / _CLOSE,
    "macd_signal": 100 * pl.col("signal") / _CLOSE,
    "macd_histogram": 100 * (pl.col("line") - pl.col("signal")) / _CLOSE,
    "bollinger_position_20": 0.5 + (_CLOSE - pl.col("mean")) / (4 * pl.col("sd")),
    "bollinger_width_20": 400 * pl.col("sd") / pl.col("mean"),
    "close_to_high_252": _log(_CLOSE, pl.col("high").rolling_max(252)),
    "atr_14": 100 * _ewm("reach", 1 / 14) / _CLOSE,
    "log_range": _log(pl.col("high"), pl.col("low")),
    "close_in_range": (_CLOSE - pl.col("low")) / (pl.col("high") - pl.col("low")),
    "garman_klass_22": pl.col("gk22").sqrt(),
    "parkinson_22": (pl.col("width2").rolling_mean(22) / (4 * math.log(2))).sqrt(),
    "rogers_satchell_22": pl.col("rs22").sqrt(),
    "yang_zhang_22": _yang_zhang(22),
    "log_gk_1": pl.col("gk").clip(lower_bound=_FLOOR).log(),
    "log_gk_5": pl.col("gk").rolling_mean(5).clip(lower_bound=_FLOOR).log(),
    "log_gk_22": pl.col("gk22").clip(lower_bound=_FLOOR).log(),
    **{f"downside_{n}": pl.col("fall").rolling_mean(n) / pl.col("usual") for n in (1, 5, 22)},
    "upside_1": pl.col("rise") / pl.col("usual"),
    "gk_ratio_1000": _gk_ratio(1000),
    "return_sd_22": pl.col("r").rolling_std(22),
    "ewma_sd_94": _ewm("r2", 0.06).sqrt(),
    "log_volume_change": _log(_VOLUME, _VOLUME.shift(1)),
    "volume_zscore_20": (_VOLUME - _VOLUME.rolling_mean(20)) / _VOLUME.rolling_std(20),
    "day_of_week_sin": _day[0],
    "day_of_week_cos": _day[1],
    "month_sin": _month[0],
    "month_cos": _month[1],
    "days_since_session": _SESSION.diff().dt.total_days(),
}


def with_polars(bars: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Compute the named features of all bars, float32."""
    wanted = [EXPRESSIONS[name].cast(pl.Float32).alias(name) for name in names]
    return _shared(bars.lazy()).select(wanted).collect()
