"""Which bars are absent and why, on made-up series with known holes and on real ones."""

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.clock import frozen_at
from truecast.core.interval import Interval
from truecast.lake.causes import Evidence
from truecast.lake.coverage import Coverage, cover
from truecast.lake.schemas import BRONZE_INDEX, FAILURES, QUARANTINE

NEW_YORK = ZoneInfo("America/New_York")
DELAY = timedelta(minutes=15)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def evidence(
    receipts: Iterable[tuple[str, str | None, str | None]] = (),
    failures: Iterable[tuple[str, str | None]] = (),
    quarantine: Iterable[tuple[str, str]] = (),
    live: bool = False,
) -> Evidence:
    """Return receipts (received, from, to), failures (failed, since), quarantine (bar, reason)."""
    moment = lambda text: text and utc(text)  # noqa: E731
    return Evidence(
        receipts=pl.DataFrame(
            [
                {
                    "payload": f"payload {number}",
                    "received_at": moment(received),
                    "covers_from": moment(begin),
                    "covers_to": moment(end),
                }
                for number, (received, begin, end) in enumerate(receipts)
            ],
            schema=BRONZE_INDEX,
        ),
        failures=pl.DataFrame(
            [{"failed_at": moment(at), "since": moment(since)} for at, since in failures],
            schema=FAILURES,
        ),
        quarantine=pl.DataFrame(
            [{"event_time": moment(at), "reason": reason} for at, reason in quarantine],
            schema=QUARANTINE,
        ),
        delay=DELAY,
        live=live,
    )


def series(closes: Iterable[datetime], calendar: str) -> pl.DataFrame:
    """Return bars with these closes as silver has them."""
    stamps = sorted(closes)
    days, inside = get_calendar(calendar).locate(
        np.array([one.replace(tzinfo=None) for one in stamps], "datetime64[us]")
    )
    return pl.DataFrame(
        {
            "session": days,
            "event_time": stamps,
            "close": 1.0,
            "payload": "payload 0",
            "flags": [[] if one else ["off_session"] for one in inside],
        },
        schema_overrides={"flags": pl.List(pl.String)},
    )


def daily(days: Iterable[str]) -> pl.DataFrame:
    """Return bars of New York sessions; none of the days is a half-day."""
    at = [
        datetime.combine(date.fromisoformat(day), time(16), NEW_YORK).astimezone(UTC)
        for day in days
    ]
    return series(at, "XNYS")


def minutes(begin: str, end: str, step: int = 1) -> list[datetime]:
    """Return the closes of bars from an open to a close, both UTC."""
    length = timedelta(minutes=step)
    count = (utc(end) - utc(begin)) // length
    return [utc(begin) + turn * length for turn in range(1, count + 1)]


def spans(found: Coverage) -> list[tuple[Any, ...]]:
    return [
        (f"{one['first']:%m-%d %H:%M}", f"{one['last']:%m-%d %H:%M}", one["bars"], one["cause"])
        for one in found.spans.rows(named=True)
    ]


# --- daily


def test_daily_holes_are_sessions_and_weekends_and_holidays_are_none() -> None:
    # 2024-01-01 and 2024-01-15 are holidays. Friday the 12th and Tuesday the 16th are not there.
    days = ["2023-12-29", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    days += ["2024-01-08", "2024-01-09", "2024-01-11", "2024-01-17"]
    found = cover(daily(days), get_calendar("XNYS"), Interval("1d"), evidence())
    assert found.expected == 12
    assert found.absent == {"unknown": 3}
    assert spans(found) == [
        ("01-10 21:00", "01-10 21:00", 1, "unknown"),
        ("01-12 21:00", "01-16 21:00", 2, "unknown"),
    ]
    assert found.spans["sessions"].to_list() == [1, 2]
    assert found.months.rows() == [(date(2023, 12, 1), 1, 0), (date(2024, 1, 1), 11, 3)]
    assert found.due == utc("2024-01-17T21:00")
    assert found.overdue == 0


def test_a_source_that_goes_on_owes_what_is_due_by_now() -> None:
    bars = daily(["2024-01-02", "2024-01-03", "2024-01-04"])
    asked = evidence([("2024-01-04T22:00", "2024-01-01", "2024-01-04T22:00")], live=True)
    for moment, overdue in (
        ("2024-01-05T21:14:59", 0),
        ("2024-01-05T21:15:00", 1),
        ("2024-01-08T12:00", 1),
        ("2024-01-08T21:15", 2),
    ):
        with frozen_at(utc(moment)):
            found = cover(bars, get_calendar("XNYS"), Interval("1d"), asked)
        assert (found.overdue, found.expected) == (overdue, 3 + overdue)
        assert found.absent == ({"not asked": overdue} if overdue else {})


def test_each_cause_is_told_from_the_others() -> None:
    days = [f"2024-01-{day:02}" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16, 17, 18, 19, 22)]
    told = evidence(
        receipts=[
            ("2024-01-04T12:00", "2024-01-01", "2024-01-04T12:00"),  # the 3rd did not trade
            ("2024-01-19T12:00", "2024-01-16", "2024-01-19T12:00"),
        ],
        failures=[
            ("2024-01-10T12:00", "2024-01-05T21:00"),
            ("2024-01-12T12:00", "2024-01-05T21:00"),
        ],
        quarantine=[
            ("2024-01-17T21:00", "inconsistent_ohlc"),
            ("2024-01-18T21:00", "not_yet_closed"),
        ],
        live=True,
    )
    absent = {f"2024-01-{day:02}" for day in (3, 8, 9, 11, 12, 17, 18, 19)}
    bars = daily(day for day in days if day not in absent)
    with frozen_at(utc("2024-01-22T22:00")):
        found = cover(bars, get_calendar("XNYS"), Interval("1d"), told)
    assert spans(found) == [
        ("01-03 21:00", "01-03 21:00", 1, "no trade"),
        ("01-08 21:00", "01-09 21:00", 2, "outage"),
        ("01-11 21:00", "01-11 21:00", 1, "outage"),
        # The second failure was before the close of the 12th, the answer begins later.
        ("01-12 21:00", "01-12 21:00", 1, "unknown"),
        ("01-17 21:00", "01-17 21:00", 1, "quarantined"),
        ("01-18 21:00", "01-18 21:00", 1, "no trade"),
        ("01-19 21:00", "01-19 21:00", 1, "not asked"),
    ]
    assert found.spans["reason"].to_list()[4] == "inconsistent_ohlc"
    assert found.spans["reason"].null_count() == 6


def test_an_answer_from_before_a_bar_was_due_says_nothing_of_it() -> None:
    bars = daily(["2024-01-02", "2024-01-04"])
    for received, cause in (("2024-01-03T21:14", "unknown"), ("2024-01-03T21:15", "no trade")):
        told = evidence([(received, "2024-01-01", "2024-01-31")])
        found = cover(bars, get_calendar("XNYS"), Interval("1d"), told)
        assert found.absent == {cause: 1}


def test_an_answer_that_was_not_understood_is_none() -> None:
    """A payload is kept before it is parsed: nothing in silver is of it, and a failure follows."""
    bars = daily(["2024-01-02", "2024-01-04"])
    answer = ("2024-01-05T12:00", "2024-01-01", "2024-01-05T12:00")
    failure = ("2024-01-05T12:00", "2024-01-02T21:00")
    first = ("2024-01-04T22:00", None, None)
    not_understood = evidence([first, answer], [failure])
    found = cover(bars, get_calendar("XNYS"), Interval("1d"), not_understood)
    assert found.absent == {"outage": 1}
    # The bars came with it, so it was understood, and the failure is of what came after it.
    understood = evidence([answer], [failure])
    found = cover(bars, get_calendar("XNYS"), Interval("1d"), understood)
    assert found.absent == {"no trade": 1}


def test_a_file_that_was_read_in_the_end_leaves_no_outage() -> None:
    bars = daily(["2024-01-02", "2024-01-04"])
    told = evidence([("2024-01-06", None, None)], [("2024-01-05", None)])
    found = cover(bars, get_calendar("XNYS"), Interval("1d"), told)
    assert found.absent == {"unknown": 1}


def test_bars_outside_every_session_are_listed_and_cover_nothing() -> None:
    bars = daily(["2024-01-04", "2024-01-06", "2024-01-08"])
    found = cover(bars, get_calendar("XNYS"), Interval("1d"), evidence())
    assert found.off_session["session"].to_list() == [date(2024, 1, 6)]
    assert found.absent == {"unknown": 1}
    found = cover(daily(["2024-01-06"]), get_calendar("XNYS"), Interval("1d"), evidence())
    assert (found.expected, found.absent, found.due) == (0, {}, None)


# --- intraday


@pytest.mark.parametrize(
    ("days", "opens", "closes"),
    [
        # Summer time begins on Sunday, 10 March, and ends on Sunday, 3 November.
        (("2024-03-08", "2024-03-11"), ("14:30", "13:30"), ("21:00", "20:00")),
        (("2024-11-01", "2024-11-04"), ("13:30", "14:30"), ("20:00", "21:00")),
        # Thanksgiving is on the 28th, the day after ends at 13:00 New York.
        (("2024-11-27", "2024-11-29"), ("14:30", "14:30"), ("21:00", "18:00")),
    ],
)
def test_minutes_follow_daylight_saving_half_days_and_holidays(
    days: tuple[str, ...], opens: tuple[str, ...], closes: tuple[str, ...]
) -> None:
    bars = [
        one
        for day, begin, end in zip(days, opens, closes, strict=True)
        for one in minutes(f"{day}T{begin}", f"{day}T{end}")
    ]
    found = cover(series(bars, "XNYS"), get_calendar("XNYS"), Interval("1m"), evidence())
    assert found.absent == {}
    assert found.expected == len(bars)
    assert found.off_session.is_empty()


def test_a_hole_over_a_weekend_is_one() -> None:
    bars = minutes("2024-03-08T14:30", "2024-03-08T21:00")[:380]
    bars += minutes("2024-03-11T13:30", "2024-03-11T20:00")[5:]
    found = cover(series(bars, "XNYS"), get_calendar("XNYS"), Interval("1m"), evidence())
    assert spans(found) == [("03-08 20:51", "03-11 13:35", 15, "unknown")]
    assert found.spans["sessions"].to_list() == [2]


def test_an_answer_tells_of_the_bars_that_close_in_its_span_and_not_at_its_end() -> None:
    """As where a candle is not complete though its minute is over: it is still to come."""
    bars = [one for one in minutes("2024-03-09T00:00", "2024-03-09T02:00") if one.minute != 0]
    market = (get_calendar("24/7"), Interval("1m"))
    asked = [("2024-03-09T03:00", "2024-03-09T00:30", "2024-03-09T01:00")]
    assert cover(series(bars, "24/7"), *market, evidence(asked)).absent == {"unknown": 1}
    # Nor is anything left between two spans that follow one another.
    asked.append(("2024-03-09T03:00", "2024-03-09T01:00", "2024-03-09T02:00"))
    assert cover(series(bars, "24/7"), *market, evidence(asked)).absent == {"no trade": 1}


def test_holes_of_a_market_that_never_closes() -> None:
    bars = minutes("2024-03-09T00:00", "2024-03-12T00:00")
    hole = set(minutes("2024-03-09T23:00", "2024-03-10T03:00"))
    bars = [one for one in bars if one not in hole and one.minute != 7]
    told = evidence([("2024-03-13", "2024-03-10T02:00", "2024-03-13")])
    found = cover(series(bars, "24/7"), get_calendar("24/7"), Interval("1m"), told)
    alone = 24 * 3 - 4
    # The bar that closes at 02:00 is the first of which the answer tells.
    known = alone - 23 + 61
    assert found.absent == {"unknown": 179 + 23, "no trade": known}
    assert found.expected == 24 * 60 * 3
    assert len(found.spans) == alone + 2
    longest = found.spans.sort("bars", descending=True).head(2)
    assert longest["bars"].to_list() == [179, 61]
    assert longest["sessions"].to_list() == [2, 1]


def test_a_quarantined_minute_does_not_merge_with_its_neighbours() -> None:
    bars = minutes("2024-03-08T14:30", "2024-03-08T21:00")
    absent = bars[100:103]
    told = evidence(quarantine=[(absent[1].replace(tzinfo=None).isoformat(), "not_positive")])
    kept = series((one for one in bars if one not in absent), "XNYS")
    found = cover(kept, get_calendar("XNYS"), Interval("1m"), told)
    assert [(one[2], one[3]) for one in spans(found)] == [
        (1, "unknown"),
        (1, "quarantined"),
        (1, "unknown"),
    ]


@pytest.mark.parametrize("at_the_clock", [True, False])
def test_hours_are_cut_as_the_vendor_cuts_them(at_the_clock: bool) -> None:
    """From the open (10:30, …, 15:30, 16:00) or at the clock (10:00, …, 16:00)."""
    days = ("2024-03-08T14:30", "2024-03-08T21:00"), ("2024-03-11T13:30", "2024-03-11T20:00")
    bars = []
    for begin, end in days:
        first = utc(begin) + timedelta(minutes=30 if at_the_clock else 60)
        hours = [first + timedelta(hours=turn) for turn in range(7)]
        bars += [min(hour, utc(end)) for hour in hours]
    whole = cover(series(bars, "XNYS"), get_calendar("XNYS"), Interval("1h"), evidence())
    assert (whole.expected, whole.absent) == (14, {})
    assert whole.off_session.is_empty()
    absent = bars.pop(9)
    found = cover(series(bars, "XNYS"), get_calendar("XNYS"), Interval("1h"), evidence())
    assert found.spans["first"].to_list() == [absent]
    if at_the_clock:
        return
    # A series that never has the half hour at the end does not lack it.
    short = [one for one in bars if one not in {utc(end) for _, end in days}]
    found = cover(series(short, "XNYS"), get_calendar("XNYS"), Interval("1h"), evidence())
    assert found.absent == {"unknown": 1}


def test_a_lunch_break_is_no_hole() -> None:
    bars = minutes("2024-02-08T01:30", "2024-02-08T04:00")
    bars += minutes("2024-02-08T05:00", "2024-02-08T08:00")
    found = cover(series(bars, "XHKG"), get_calendar("XHKG"), Interval("1m"), evidence())
    assert (found.expected, found.absent) == (330, {})


def test_minutes_of_a_source_that_goes_on_are_owed_until_now() -> None:
    bars = series(minutes("2024-03-08T14:30", "2024-03-08T15:00"), "XNYS")
    told = evidence([("2024-03-08T15:16", "2024-03-08T14:00", "2024-03-08T15:16")], live=True)
    with frozen_at(utc("2024-03-08T15:19:30")):
        found = cover(bars, get_calendar("XNYS"), Interval("1m"), told)
    # Due by now: 15:01 to 15:04. Of the first the answer says that nothing traded.
    assert found.absent == {"not asked": 3, "no trade": 1}
    assert found.overdue == 3
    assert found.due == utc("2024-03-08T15:04")


@pytest.mark.parametrize("calendar", ["XNYS", "FX", "XHKG", "24/7"])
def test_holes_equal_those_of_a_plain_loop(calendar: str) -> None:
    generator = np.random.default_rng(11)
    market = get_calendar(calendar)
    due, hours = [], zip(*market.stretches(date(2024, 2, 26), date(2024, 3, 22)), strict=True)
    for _, begin, end in hours:
        stamp = begin.astype(datetime) + timedelta(minutes=5)
        while stamp <= end.astype(datetime):
            due.append(stamp.replace(tzinfo=UTC))
            stamp += timedelta(minutes=5)
    kept = sorted({due[0], due[-1], *generator.choice(due, len(due) * 4 // 5, replace=False)})
    found = cover(series(kept, calendar), market, Interval("5m"), evidence())
    runs, absent, before = [], set(due) - set(kept), False
    for one in due:
        if one in absent:
            runs = [*runs[:-1], runs[-1] + 1] if before else [*runs, 1]
        before = one in absent
    assert found.expected == len(due)
    assert found.absent == {"unknown": len(absent)}
    assert found.spans["bars"].to_list() == runs
    assert found.months["absent"].sum() == len(absent)


# --- real series


def realdata(name: str) -> pl.DataFrame:
    folder = os.environ.get("TRUECAST_REALDATA")
    if not folder:
        pytest.skip("TRUECAST_REALDATA is not set")
    return pl.read_parquet(Path(folder) / name)


def test_the_real_holes_of_a_bitcoin_exchange_are_found() -> None:
    rows = realdata("minute/btcusd_bitfinex_1m_2013_2017.parquet")
    starts = rows["ts"].cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    closes = starts.dt.offset_by("1m").sort()
    bars = pl.DataFrame(
        {"session": starts.sort().dt.date(), "event_time": closes, "close": 1.0, "payload": "x"}
    ).with_columns(flags=pl.lit([], pl.List(pl.String)))
    found = cover(bars, get_calendar("24/7"), Interval("1m"), evidence())
    assert found.expected == (closes[-1] - closes[0]) // timedelta(minutes=1) + 1
    assert found.absent == {"unknown": found.expected - len(rows)}
    longest = found.spans.sort("bars", descending=True).head(5)
    assert [
        (f"{one['first']:%Y-%m-%d}", f"{one['last']:%Y-%m-%d %H:%M}", one["sessions"])
        for one in longest.rows(named=True)
    ] == [
        ("2016-04-01", "2016-06-01 00:00", 61),
        ("2014-11-21", "2015-01-01 00:00", 41),
        ("2015-05-01", "2015-06-01 00:00", 31),
        ("2016-08-02", "2016-08-10 15:53", 9),
        ("2015-08-24", "2015-08-24 12:25", 1),
    ]


def test_half_days_and_summer_time_make_no_holes_in_a_year_of_real_minutes() -> None:
    rows = realdata("minute/spy_1m_2024_2025.parquet")
    closes = rows["timestamp"].cast(pl.Datetime("us", "UTC")).dt.offset_by("1m")
    found = cover(series(closes, "XNYS"), get_calendar("XNYS"), Interval("1m"), evidence())
    assert found.absent == {}
    assert found.expected == 99264
    assert found.expected + len(found.off_session) == len(rows) - 5  # at the open: 09:30 closes


def test_real_daily_series_lack_what_is_known_to_be_absent() -> None:
    rows = realdata("daily/djia31_2006_2017.parquet")
    holes = {}
    for (symbol,), own in rows.group_by("symbol", maintain_order=True):
        found = cover(daily_bars(own), get_calendar("XNYS"), Interval("1d"), evidence())
        assert found.expected == 3020
        if found.absent:
            holes[symbol] = found.spans["first"].dt.date().to_list()
    quiet, merger = [date(2010, 4, 1)], [date(2009, 8, 11)]
    assert holes == {
        **dict.fromkeys(("AAPL", "AMZN", "CSCO", "GOOGL", "INTC", "MSFT", "AABA"), quiet),
        "MRK": merger,
    }
    rows = realdata("daily/gspc_1927_2025.parquet")
    found = cover(daily_bars(rows), get_calendar("XNYS"), Interval("1d"), evidence())
    assert (found.expected, found.absent) == (24550, {})


def daily_bars(rows: pl.DataFrame) -> pl.DataFrame:
    days = rows["date"].cast(pl.Date).sort()
    closes = get_calendar("XNYS").closes_of(days.to_numpy().astype("datetime64[D]"))
    return pl.DataFrame(
        {
            "session": days,
            "event_time": pl.Series(closes).dt.replace_time_zone("UTC"),
            "close": 1.0,
            "payload": "x",
        }
    ).with_columns(flags=pl.lit([], pl.List(pl.String)))
