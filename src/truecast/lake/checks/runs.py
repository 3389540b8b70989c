"""Checks on runs of bars: prices that repeat, and volumes of another order.

Both look at the bars in the order in which they became known, and give back the place of the bar
that a finding is about (``bar``) and of the one that shows it (``decided``), with a ``detail``.
"""

from typing import Final

import numpy as np
import polars as pl

from truecast.core.bars import PRICES
from truecast.core.formatting import formatted
from truecast.lake.checks.options import Stale, VolumeUnitJump

#: What is found.
RUN: Final[dict[str, pl.DataType]] = {
    "bar": pl.Int64(),
    "decided": pl.Int64(),
    "detail": pl.String(),
}


def find_stale(bars: pl.DataFrame, check: Stale) -> pl.DataFrame:
    """Find bars that end a run of at least so many that repeat one price.

    Parameters
    ----------
    bars : pl.DataFrame
        Rows of ``silver/bars``, one a bar, by time.
    check : Stale
        Its parameters.

    Returns
    -------
    pl.DataFrame
        Columns ``RUN``: every bar from the shortest run on, which shows it itself.
    """
    close = pl.col("close")
    flat = pl.all_horizontal(pl.col(name).fill_null(close) == close for name in PRICES)
    repeats = bars.select((flat & (close == close.shift(1))).fill_null(value=False))
    same = repeats.to_series().to_numpy()
    place = np.arange(len(same))
    # The bar that a run repeats counts too.
    length = place - np.maximum.accumulate(np.where(same, 0, place)) + 1
    found = np.flatnonzero(same & (length >= check.bars))
    if not len(found):
        return pl.DataFrame(schema=RUN)
    prices = bars["close"].gather(found)
    return pl.DataFrame({"bar": found, "decided": found, "length": length[found]}).select(
        pl.col("bar", "decided").cast(pl.Int64),
        detail=formatted("{} bars of {}", "length", prices),
    )


def find_volume_jumps(bars: pl.DataFrame, check: VolumeUnitJump) -> pl.DataFrame:
    """Find sessions whose volumes are of another order than those of the sessions before.

    Parameters
    ----------
    bars : pl.DataFrame
        Rows of ``silver/bars``, one a bar, by time.
    check : VolumeUnitJump
        Its parameters.

    Returns
    -------
    pl.DataFrame
        Columns ``RUN``: the first bar of such a session, and that of the session after it, which
        shows that it was whole.
    """
    traded = pl.col("volume") > 0
    sessions = (
        bars.with_row_index("bar")
        .group_by("session", maintain_order=True)
        .agg(
            pl.col("bar").first(),
            median=pl.col("volume").filter(traded).median(),
            count=traded.sum(),
        )
        .with_columns(decided=pl.col("bar").shift(-1))
        .filter(pl.col("count") >= check.bars)
        .with_columns(
            last=pl.col("median") / pl.col("median").shift(1),
            usual=pl.col("median")
            / pl.col("median").rolling_median(check.sessions, min_samples=1).shift(1),
        )
    )
    up = pl.min_horizontal("last", "usual") >= check.least
    down = pl.max_horizontal("last", "usual") <= 1 / check.least
    found = sessions.filter(up | down, pl.col("decided").is_not_null())
    if found.is_empty():
        return pl.DataFrame(schema=RUN)
    return found.with_columns(pl.col("median", "last").round(4)).select(
        pl.col("bar", "decided").cast(pl.Int64),
        detail=formatted(
            "median volume {} which is that of the session before times {}", "median", "last"
        ),
    )
