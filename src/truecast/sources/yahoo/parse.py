"""From Yahoo's chart document to raw bars and actions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import PRICES
from truecast.core.calendars import Calendar
from truecast.core.interval import Interval
from truecast.sources.base import Parsed
from truecast.sources.frames import daily_event_time
from truecast.sources.http import AnswerError
from truecast.sources.yahoo.mend import mend
from truecast.sources.yahoo.raw import to_raw
from truecast.sources.yahoo.rows import MINOR_UNITS, YAHOO_ROWS

#: Yahoo's name of an event to ours.
EVENTS = {"splits": "split", "dividends": "dividend", "capitalGains": "capital_gain"}
# Seconds since 1970 that a bar or an event can have: the years 1900 to 2099.
_MOMENTS: Final = range(-2_208_988_800, 4_102_444_800)
_SECOND = np.timedelta64(1, "s")


@dataclass(frozen=True)
class Chart:
    """What is read of a chart document, before rows are made of it."""

    meta: dict[str, Any]
    stamps: list[int]
    quote: dict[str, list[Any]]
    events: dict[str, Any]

    @property
    def zone(self) -> str:
        """IANA time zone of the exchange."""
        return str(self.meta["exchangeTimezoneName"])


def read_chart(document: Any) -> Chart:
    """Pick the parts of a document that hold bars.

    Raises
    ------
    AnswerError
        If a part is missing or is not what it is known to be; the message says which.
    """
    try:
        result = document["chart"]["result"][0]
        indicators, stamps = result["indicators"], list(result["timestamp"])
        quote = dict(indicators["quote"][0])
        if adjusted := indicators.get("adjclose"):
            quote["adjclose"] = adjusted[0]["adjclose"]
        chart = Chart(dict(result["meta"]), stamps, quote, dict(result.get("events") or {}))
        ZoneInfo(chart.zone)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
        raise AnswerError(
            "Yahoo chart: expected chart.result[0] with meta.exchangeTimezoneName, timestamp and "
            f"indicators.quote[0], got a document without ({type(error).__name__}: {error})"
        ) from None
    _check(chart)
    return chart


def _check(chart: Chart) -> None:
    """Refuse what is there and cannot be meant."""
    for name in (*PRICES, "volume"):
        values = chart.quote.get(name) or []
        found = len(values) if isinstance(values, list) else repr(values)[:60]
        if found != len(chart.stamps):
            raise AnswerError(
                f"Yahoo chart: expected as many values of {name} as timestamps "
                f"({len(chart.stamps)}), got {found}"
            )
    odd = [stamp for stamp in chart.stamps if type(stamp) is not int or stamp not in _MOMENTS]
    if odd:
        raise AnswerError(
            "Yahoo chart: expected each timestamp in seconds, of a year from 1900 to 2099, "
            f"got {repr(odd[0])[:60]}"
        )
    currency = chart.meta.get("currency")
    if not isinstance(currency, str | None):
        raise AnswerError(
            f"Yahoo chart: expected meta.currency to be text, got {repr(currency)[:60]}"
        )
    for theirs in EVENTS:
        events = chart.events.get(theirs) or {}
        if not isinstance(events, dict):
            raise AnswerError(
                f"Yahoo chart: expected events.{theirs} to be an object, got {repr(events)[:60]}"
            )


def parse_chart(chart: Chart, interval: Interval, calendar: Calendar) -> Parsed:
    """Turn a chart into raw bars.

    A row without prices stays a row, for the lake's contracts to judge. Prices come out as they
    were traded: what Yahoo is known to get wrong is mended, with a record, and later splits are
    undone.

    Parameters
    ----------
    chart : Chart
        What :func:`read_chart` returns.
    interval : Interval
        Length of its bars; Yahoo stamps their start.
    calendar : Calendar
        Whose sessions they belong to.
    """
    rows = _rows(chart, interval, calendar)
    shown = len(rows)
    rows, notes = _with_events(rows, chart, calendar)
    currency = chart.meta.get("currency")
    mended, repairs = mend(rows, interval=interval, zone=chart.zone, currency=currency)
    bars, actions = to_raw(mended)
    if currency in MINOR_UNITS:
        notes.append(f"prices are in {currency}, a hundredth of the currency, as Yahoo gives them")
    # What carried an action without a bar is no bar.
    return Parsed(bars.filter(pl.col("row") <= shown), actions, repairs, tuple(notes))


def _rows(chart: Chart, interval: Interval, calendar: Calendar) -> pl.DataFrame:
    columns = {"adj_close": "adjclose", **{name: name for name in (*PRICES, "volume")}}
    try:
        starts = pl.Series("start", chart.stamps, dtype=pl.Int64, strict=True)
        values = {
            mine: pl.Series(mine, chart.quote[theirs], dtype=pl.Float64, strict=True)
            for mine, theirs in columns.items()
            if theirs in chart.quote
        }
        frame = pl.DataFrame({"start": starts, **values})
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise AnswerError(f"Yahoo chart: expected numbers and nulls, got {error}") from None
    moments = pl.from_epoch(frame["start"], time_unit="s").cast(pl.Datetime("us"))
    if interval.is_daily:
        session = _days(moments, chart.zone)
        event_time = _daily_close(session, calendar)
    else:
        session, event_time = _intraday(moments, interval.length, calendar)
    complete = frame.with_columns(
        session=session, event_time=event_time, row=pl.int_range(1, pl.len() + 1)
    )
    return complete.select(
        pl.col(name).cast(kind)
        if name in complete.columns
        else pl.lit(None, dtype=kind).alias(name)
        for name, kind in YAHOO_ROWS.items()
    )


def _days(moments: pl.Series, zone: str) -> pl.Series:
    """Return the local day of each moment (UTC); 22:00 and 23:00 sharp mean the midnight after.

    For some dates Yahoo takes the clock change of another year and stamps midnight early.
    """
    local = moments.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    early = (local.dt.hour() >= 22) & (local.dt.minute() == 0) & (local.dt.second() == 0)
    shifted = local.dt.replace_time_zone(None) + timedelta(hours=2)
    return shifted.dt.date().zip_with(early, local.dt.date())


def _daily_close(session: pl.Series, calendar: Calendar) -> pl.Series:
    """Return when each daily bar is whole: at its session's close; of currencies, later.

    Yahoo's day of a currency pair is a day in London, which ends two or three hours after the
    session that New York ends at 17:00.
    """
    if calendar.name != "FX":
        return daily_event_time(session, calendar)
    midnight = session.cast(pl.Datetime("us")) + timedelta(days=1)
    return midnight.dt.replace_time_zone("Europe/London").dt.convert_time_zone("UTC")


def _intraday(
    moments: pl.Series, length: timedelta, calendar: Calendar
) -> tuple[pl.Series, pl.Series]:
    """Return the session and the close of each bar; the last of a session ends with it."""
    starts: NDArray[np.datetime64] = moments.to_numpy().astype("datetime64[us]")
    days, inside = calendar.locate(np.asarray(starts + _SECOND, "datetime64[us]"))
    ends = starts + np.timedelta64(length)
    ends[inside] = np.minimum(ends[inside], calendar.closes_of(days[inside]))
    closes = pl.Series("event_time", ends).dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return pl.Series("session", days, dtype=pl.Date), closes


def _with_events(
    rows: pl.DataFrame, chart: Chart, calendar: Calendar
) -> tuple[pl.DataFrame, list[str]]:
    """Write each event on the first bar of its session, or on a row of its own if there is none."""
    events = _events(chart)
    if events.is_empty():
        return rows, []
    notes = []
    units = set(events["currency"].drop_nulls()) - {chart.meta.get("currency")}
    if units:
        notes.append(f"dividends are in {', '.join(sorted(units))}, prices in another unit")
    amounts = events.group_by("session").agg(*(_total(kind) for kind in EVENTS.values()))
    alone = amounts.join(rows.select("session"), on="session", how="anti").sort("session")
    extra = alone.select("session").with_columns(
        event_time=daily_event_time(alone["session"], calendar),
        row=pl.int_range(len(rows) + 1, len(rows) + 1 + pl.len()),
    )
    if len(extra):
        notes.append(f"{len(extra)} days with a split or dividend have no bar")
    all_rows = pl.concat([rows, extra], how="diagonal")
    first = pl.col("row") == pl.col("row").min().over("session")
    joined = all_rows.drop(*EVENTS.values()).join(
        amounts, on="session", how="left", maintain_order="left"
    )
    told = joined.with_columns(
        pl.when(first).then(pl.col(kind)).alias(kind) for kind in EVENTS.values()
    )
    return told.select(pl.col(name).cast(kind) for name, kind in YAHOO_ROWS.items()), notes


def _total(kind: str) -> pl.Expr:
    """Multiply the splits of a day, add up its amounts; null where there is none."""
    mine = pl.col("value").filter(pl.col("kind") == kind)
    total = mine.product() if kind == "split" else mine.sum()
    return pl.when(mine.len() > 0).then(total).alias(kind)


def _moment(seconds: Any, zone: str) -> datetime:
    if type(seconds) is not int or seconds not in _MOMENTS:
        raise ValueError(f"no seconds of a year from 1900 to 2099: {repr(seconds)[:60]}")
    return datetime.fromtimestamp(seconds, ZoneInfo(zone))


def _events(chart: Chart) -> pl.DataFrame:
    """List the events: ``session``, ``kind``, ``value``, ``currency``."""
    found = []
    for theirs, mine in EVENTS.items():
        for event in (chart.events.get(theirs) or {}).values():
            try:
                value = (
                    float(event["numerator"]) / float(event["denominator"])
                    if mine == "split"
                    else float(event["amount"])
                )
                moment = _moment(event["date"], chart.zone)
                currency = event.get("currency")
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                raise AnswerError(
                    f"Yahoo chart: expected date and amount (or numerator and denominator) of "
                    f"each of {theirs}, got {str(event)[:200]} ({type(error).__name__}: {error})"
                ) from None
            early = moment.hour >= 22 and moment.minute == moment.second == 0
            day = (moment + timedelta(hours=2) if early else moment).date()
            found.append((day, mine, value, currency if isinstance(currency, str) else None))
    schema = {"session": pl.Date, "kind": pl.String, "value": pl.Float64, "currency": pl.String}
    return pl.DataFrame(found, schema=schema, orient="row")
