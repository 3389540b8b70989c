"""From OANDA's candles to rows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from truecast.core.bars import PRICES, UTC_TIME
from truecast.core.calendars import Calendar
from truecast.core.interval import Interval
from truecast.sources.base import Parsed
from truecast.sources.frames import as_parsed
from truecast.sources.http import AnswerError

_SIDES = {"mid": "", "bid": "bid_", "ask": "ask_"}
_ZONE = "America/New_York"


def parse_candles(candles: Sequence[Any], interval: Interval, calendar: Calendar) -> Parsed:
    """Turn candles into rows.

    Parameters
    ----------
    candles : sequence
        ``candles`` of OANDA's document.
    interval : Interval
        Their length.
    calendar : Calendar
        Whose sessions they belong to.

    Returns
    -------
    Parsed
        A row a candle that is complete; ``event_time`` is its end, since OANDA stamps the start.
        A daily candle runs from 17:00 New York to 17:00 New York and belongs to the session of
        the day on which it ends.

    Raises
    ------
    AnswerError
        If a candle is none; the message says which.
    """
    rows = [_row(number, candle) for number, candle in enumerate(candles, 1)]
    finished = [row for row in rows if row.pop("complete")]
    schema: dict[str, pl.DataType] = {
        "row": pl.Int64(),
        "start": UTC_TIME,
        "volume": pl.Float64(),
        **{prefix + name: pl.Float64() for prefix in _SIDES.values() for name in PRICES},
    }
    frame = pl.DataFrame(finished, schema=schema).with_columns(
        # Without a mid of its own, the mid is that of bid and ask.
        pl.coalesce(name, (pl.col(f"bid_{name}") + pl.col(f"ask_{name}")) / 2)
        for name in PRICES
    )
    if interval.is_daily:
        end = pl.col("start").dt.convert_time_zone(_ZONE).dt.offset_by("1d")
        frame = frame.with_columns(
            session=end.dt.date(), event_time=end.dt.convert_time_zone("UTC")
        )
    else:
        closes = frame["start"] + interval.length
        moments = closes.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
        days, _ = calendar.locate(moments)
        frame = frame.with_columns(session=pl.Series(days, dtype=pl.Date), event_time=closes)
    left_out = len(rows) - len(finished)
    notes = (f"{left_out} candle not complete yet, left out",) if left_out else ()
    return Parsed(as_parsed(frame), notes=notes)


def _row(number: int, candle: Any) -> dict[str, Any]:
    """Read one candle; a side or a price that is not there is null."""
    try:
        row: dict[str, Any] = {
            "row": number,
            "complete": candle["complete"],
            "start": moment_of(candle["time"]),
            "volume": _number(candle["volume"]),
        }
        for side, prefix in _SIDES.items():
            prices = candle.get(side) or {}
            row |= {prefix + name: _number(prices.get(name[0])) for name in PRICES}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise AnswerError(
            f"OANDA candle {number}: expected complete, volume, time and prices as text, got "
            f"{str(candle)[:200]} ({type(error).__name__}: {error})"
        ) from None
    if not isinstance(row["complete"], bool):
        raise AnswerError(f"OANDA candle {number}: expected complete to be true or false")
    return row


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def moment_of(text: str) -> datetime:
    """Read OANDA's ``2016-10-17T19:35:00.000000000Z``; a candle starts on a whole second.

    Raises
    ------
    ValueError
        If it is not of that form.
    """
    if (
        not isinstance(text, str)
        or len(text) < 20
        or not text.endswith("Z")
        or text[19:-1].strip(".0")
    ):
        raise ValueError(f"{text!r} is no time of the form 2016-10-17T19:35:00.000000000Z")
    moment = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    if not 1970 <= moment.year < 2100:
        raise ValueError(f"{text!r} is no time of a candle")
    return moment
