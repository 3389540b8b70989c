"""One-minute bars made up from a seed: the same on every machine."""

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


def as_inputs(bars: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return what features read, as float64 columns."""
    columns = {name: bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    columns["session"] = bars["session"].to_physical().cast(pl.Float64).to_numpy()
    return {name: np.array(values) for name, values in columns.items()}
