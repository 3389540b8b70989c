"""Gather trades into bars, exactly, and notice trades that pass for bars."""

import polars as pl

from truecast.core.calendars import Calendar
from truecast.core.interval import Interval
from truecast.sources.files.place import PLACE, Place

_ADVICE = "say ticks: true, and the rows are gathered into bars of the recipe's interval"


def gather(
    rows: pl.DataFrame, moments: pl.Series, interval: Interval, calendar: Calendar, place: Place
) -> tuple[pl.DataFrame, list[str]]:
    """Make bars of trades.

    Parameters
    ----------
    rows : pl.DataFrame
        ``PLACE``, ``close`` (the price) and perhaps ``volume`` (the amount), one row a trade.
    moments : pl.Series of Datetime[us, UTC]
        When each was made.
    interval : Interval
        Length of the bars: an intraday bar holds the trades from its start up to, not including,
        its end, starts counted from midnight UTC; a daily one those of its session.
    calendar : Calendar
        Whose sessions they are.
    place : Place
        For messages.

    Returns
    -------
    pl.DataFrame
        ``PLACE`` (of the first trade), ``start`` (of the bar; a Date for daily bars), ``open``,
        ``high``, ``low``, ``close``, ``volume``. The first and the last are left out: nothing says
        that the file has all of their trades.
    list of str
        What was done.

    Raises
    ------
    SourceError
        If a trade has no price.
    """
    bad = ~(rows["close"].is_finite().fill_null(value=False))
    if bad.any():
        first = int(bad.arg_true()[0])
        raise place.refuse(
            int(rows[PLACE][first]),
            "a price in every trade",
            str(rows["close"][first]),
            "mend or remove that row",
        )
    trades = rows.with_columns(_starts(moments, interval, calendar), moments.alias("#moment"))
    # Trades of one moment keep the file's order; a file that is newest first is turned round.
    if len(trades) > 1 and moments[0] > moments[-1]:
        trades = trades.reverse()
    bars = (
        trades.sort("#moment", maintain_order=True)
        .group_by("start", maintain_order=True)
        .agg(
            pl.col(PLACE).min(),
            open=pl.col("close").first(),
            high=pl.col("close").max(),
            low=pl.col("close").min(),
            last=pl.col("close").last(),
            volume=pl.col("volume").sum() if "volume" in rows.columns else pl.lit(None),
        )
        .rename({"last": "close"})
        .filter(pl.col("start").is_not_null())
    )
    whole = bars.slice(1, max(0, len(bars) - 2))
    note = f"{len(rows)} trades make {len(whole)} bars of {interval}"
    if len(bars):
        note += "; those at both ends of the file are left out, as they may be incomplete"
    outside = trades["start"].null_count()
    return whole, [note, *([f"{outside} trades lie outside any session"] if outside else [])]


def _starts(moments: pl.Series, interval: Interval, calendar: Calendar) -> pl.Series:
    if not interval.is_daily:
        return moments.dt.truncate(f"{int(interval.length.total_seconds())}s").alias("start")
    days, inside = calendar.locate(moments.dt.replace_time_zone(None).to_numpy())
    sessions = pl.Series("start", days).cast(pl.Date)
    return sessions.zip_with(pl.Series(inside), pl.Series([None], dtype=pl.Date)).alias("start")


def refuse_trades(rows: pl.DataFrame, moments: pl.Series, interval: Interval, place: Place) -> None:
    """Refuse rows of one price each whose times are not those of bars.

    Raises
    ------
    SourceError
        If most stamps share no place within the interval, as those of bars do.
    """
    if "open" in rows.columns or "high" in rows.columns or len(moments) < 2:
        return
    length = int(interval.length.total_seconds()) * 1_000_000
    phase = moments.dt.timestamp("us") % length
    usual = phase.mode().sort()[0]
    off = phase != usual
    if off.any():
        first = int(off.arg_true()[0])
        raise place.refuse(
            int(rows[PLACE][first]),
            f"bars of {interval}, their stamps that far apart",
            f"a price at {moments[first]}, at no even step from the others, as a trade has it",
            _ADVICE,
        )
