"""One-minute bars made up from a seed: the same on every machine."""

from collections.abc import Collection

import numpy as np
import polars as pl

ROWS = 1_700_000
#: The calendar whose sessions they are: a market that never closes.
CALENDAR = "24/7"
_MINUTE = np.timedelta64(60_000_000, "us")


def make_bars(rows: int, seed: int = 7) -> pl.DataFrame:
    """Return ``rows`` consecutive bars from 2021 on.

    Columns ``session``, ``event_time``, ``known_at``, ``version``, open to close, ``volume``.
    """
    opens = np.datetime64("2021-01-01T00:00", "us") + np.arange(rows) * _MINUTE
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 4e-4, rows)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 5e-5, rows))
    up, down = np.exp(np.abs(rng.normal(0, 2e-4, (2, rows))))
    moment = pl.Series(opens + _MINUTE).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        {
            "session": opens.astype("datetime64[D]"),
            "event_time": moment,
            "known_at": moment,
            "version": np.zeros(rows, np.int32),
            "open": opened,
            "high": np.maximum(opened, close) * up,
            "low": np.minimum(opened, close) / down,
            "close": close,
            "volume": np.round(rng.lognormal(8, 1, rows)) + 1,
        }
    )


def with_clock(bars: pl.DataFrame) -> pl.DataFrame:
    """Add what time it was when each bar closed, in minutes: a session is a day of UTC."""
    opened = pl.col("session").cast(pl.Datetime("us", "UTC"))
    since = (pl.col("event_time") - opened).dt.total_minutes().cast(pl.Float64)
    day = 24 * 60
    return bars.with_columns(local_minute=since % day, since_open=since, until_close=day - since)


def as_inputs(bars: pl.DataFrame, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return columns that features read, as float64."""
    return {name: bars[name].to_physical().cast(pl.Float64).to_numpy().copy() for name in names}
