"""From what was posted to rows."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from truecast.core.bars import PRICES, UTC_TIME
from truecast.core.calendars import Calendar
from truecast.core.clock import require_utc
from truecast.core.interval import Interval
from truecast.core.news import parsed_news
from truecast.sources.base import SourceError
from truecast.sources.frames import as_parsed, daily_event_time

_NUMBERS = (*PRICES, "volume")
_DAY_LENGTH = len("2018-12-31")


def parse_bars(content: bytes, interval: Interval, calendar: Calendar) -> pl.DataFrame:
    """Turn posted bars into rows.

    Parameters
    ----------
    content : bytes
        JSON: ``{"bars": [{"timestamp", "open", "high", "low", "close", "volume"}]}``.
    interval : Interval
        Length of the bars.
    calendar : Calendar
        Whose sessions they belong to.

    Returns
    -------
    pl.DataFrame
        Columns of ``PARSED_BARS``. A ``timestamp`` is the bar's close; of a daily bar its day is
        enough, and its ``event_time`` is the session's close.

    Raises
    ------
    SourceError
        If it is nothing of the kind.
    """
    try:
        bars: Sequence[Mapping[str, Any]] = json.loads(content)["bars"]
        rows = [_row(number, bar, interval) for number, bar in enumerate(bars, 1)]
        schema: dict[str, pl.DataType] = {
            "row": pl.Int64(),
            "day": pl.Date(),
            "stamp": UTC_TIME,
            **dict.fromkeys(_NUMBERS, pl.Float64()),
        }
        frame = pl.DataFrame(rows, schema=schema)
    except (ValueError, KeyError, TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"posted bars: expected bars with timestamp, {', '.join(_NUMBERS)}, as POST /bars "
            f"takes them ({type(error).__name__}: {error})"
        ) from error
    stamps = frame["stamp"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    located, _ = calendar.locate(stamps[frame["stamp"].is_not_null().to_numpy()])
    days = frame.filter(pl.col("stamp").is_not_null()).select("row", located=pl.Series(located))
    frame = frame.join(days, on="row", how="left", maintain_order="left").with_columns(
        session=pl.coalesce("day", pl.col("located").cast(pl.Date))
    )
    if interval.is_daily:
        return as_parsed(frame.with_columns(daily_event_time(frame["session"], calendar)))
    return as_parsed(frame.with_columns(event_time=pl.col("stamp")))


def _row(number: int, bar: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    text = bar["timestamp"]
    of_day = interval.is_daily and len(text) == _DAY_LENGTH
    return {
        "row": number,
        "day": date.fromisoformat(text) if of_day else None,
        "stamp": None if of_day else require_utc(datetime.fromisoformat(text), "timestamp"),
        **{name: bar.get(name) for name in _NUMBERS},
    }


def parse_articles(content: bytes) -> pl.DataFrame:
    """Turn posted articles into rows, columns of ``PARSED_NEWS``.

    Parameters
    ----------
    content : bytes
        JSON: ``{"articles": [{"headline", "body", "url", "source", "published_at",
        "instrument"}]}``.

    Raises
    ------
    SourceError
        If it is nothing of the kind.
    """
    try:
        return parsed_news([_article(one) for one in json.loads(content)["articles"]])
    except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            "posted articles: expected articles with headline, as POST /news takes them "
            f"({type(error).__name__}: {error})"
        ) from error


def _article(one: Mapping[str, Any]) -> dict[str, Any]:
    published, instrument = one.get("published_at"), one.get("instrument")
    return {
        "published_at": None
        if published is None
        else require_utc(datetime.fromisoformat(published), "published_at"),
        "title": one["headline"],
        "summary": one.get("body"),
        "url": one.get("url"),
        "publisher": one.get("source"),
        "symbols": [] if instrument is None else [instrument],
    }
