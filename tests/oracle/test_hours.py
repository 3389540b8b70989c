"""The time of the session against plain datetime and zoneinfo: DST, half-days, three calendars."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.features import hours
from truecast.features.catalog import FAMILIES, members, resolve
from truecast.features.clock import clock_at, clock_columns
from truecast.features.compute import Market, compute_at, compute_columns
from truecast.features.plan import FeaturePlan
from truecast.lake.history import BarHistory

NAMES = tuple(family.name for family in hours.FAMILIES)
YORK = ZoneInfo("America/New_York")
#: New York's closed days and half-days among the days below.
CLOSED = {date(2024, 3, 29), date(2024, 11, 28), date(2024, 12, 25), date(2025, 1, 1)}
HALF_DAYS = {date(2024, 11, 29), date(2024, 12, 24)}
#: Both changes of the clock in New York, and the ends of November and December.
STRETCHES = (
    (datetime(2024, 3, 7, tzinfo=UTC), 7),
    (datetime(2024, 3, 27, tzinfo=UTC), 4),
    (datetime(2024, 10, 31, tzinfo=UTC), 6),
    (datetime(2024, 11, 27, tzinfo=UTC), 5),
    (datetime(2024, 12, 20, tzinfo=UTC), 14),
)


def york_session(day):
    """Return the open and the close of New York's session of a day, or None."""
    if day.weekday() > 4 or day in CLOSED:
        return None
    close = time(13) if day in HALF_DAYS else time(16)
    return tuple(datetime.combine(day, at, YORK).astimezone(UTC) for at in (time(9, 30), close))


def fx_session(day):
    if day.weekday() > 4:
        return None
    opened = datetime.combine(day - timedelta(days=1), time(17), YORK)
    return opened.astimezone(UTC), datetime.combine(day, time(17), YORK).astimezone(UTC)


def day_session(day):
    opened = datetime.combine(day, time(0), UTC)
    return opened, opened + timedelta(days=1)


def york_day(moment):
    return moment.astimezone(YORK).date()


def fx_day(moment):
    # A bar that closes at 17:00 belongs to the session that ends with it.
    local = moment.astimezone(YORK) - timedelta(microseconds=1)
    found = local.date() + timedelta(days=local.time() >= time(17))
    return found if fx_session(found) else york_day(moment)


def whole_day(moment):
    return (moment - timedelta(microseconds=1)).date()


MARKETS = {
    "XNYS": (york_session, york_day, YORK),
    "FX": (fx_session, fx_day, YORK),
    "24/7": (day_session, whole_day, ZoneInfo("UTC")),
}


def minutes(later, earlier):
    return (later - earlier).total_seconds() / 60


def expected_of(moment, session_of, day_of, zone):
    """Return what each feature says of a bar that closes at a moment."""
    local = moment.astimezone(zone)
    angle = 2 * np.pi * (local.hour * 60 + local.minute + local.second / 60) / 1440
    day, session, york = day_of(moment), session_of(day_of(moment)), york_session(york_day(moment))
    found = dict.fromkeys(NAMES, 0.0) | {
        "time_of_day_sin": np.sin(angle),
        "time_of_day_cos": np.cos(angle),
        "session_progress": np.nan,
        "us_minutes_since_open": np.nan,
        "is_monday": day.weekday() == 0,
        "is_friday": day.weekday() == 4,
    }
    if session:
        opened, closed = session
        place = minutes(moment, opened) / minutes(closed, opened)
        inside = opened < moment <= closed
        found |= {
            "session_progress": min(max(place, 0.0), 1.0),
            "is_first_half_hour": inside and moment <= opened + timedelta(minutes=30),
            "is_last_half_hour": inside and moment > closed - timedelta(minutes=30),
        }
    if york:
        opened, closed = york
        local = moment.astimezone(YORK)
        early = datetime.combine(local.date(), time(4), YORK).astimezone(UTC)
        found |= {
            "us_minutes_since_open": minutes(moment, opened),
            "us_premarket": early < moment <= opened,
            "us_regular": opened < moment <= closed,
            "us_afterhours": closed < moment <= closed + timedelta(hours=4),
        }
    return found


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("seconds", [60, 300, 45])
def test_equals_plain_datetime(name, seconds):
    session_of, day_of, zone = MARKETS[name]
    step = timedelta(seconds=seconds * (7 if seconds == 45 else 1))
    moments = [
        begin + place * step
        for begin, days in STRETCHES
        for place in range(days * 86400 // step.seconds)
    ]
    if seconds == 60:  # the hours in which anything changes
        changing = (9, 12, 15, 16, 17, 19, 20)
        moments = [moment for moment in moments if moment.astimezone(YORK).hour in changing]
    stamps = np.array([moment.replace(tzinfo=None) for moment in moments], "datetime64[us]")
    days = np.array([day_of(moment) for moment in moments], "datetime64[D]")
    columns = clock_columns(stamps, days, get_calendar(name))
    for place in range(0, len(stamps), 97):  # one bar alone is the same to the bit
        alone = clock_at(stamps[place], days[place], get_calendar(name))
        together = {name: column[place] for name, column in columns.items()}
        np.testing.assert_equal(alone, together)
    columns["session"] = days.astype(np.int64).astype(np.float64)
    features = [resolve(feature, {}, None, "") for feature in NAMES]
    ours = compute_columns(features, columns, np.float64)
    theirs = [expected_of(moment, session_of, day_of, zone) for moment in moments]
    for place, feature in enumerate(NAMES):
        wanted = np.array([float(row[feature]) for row in theirs])
        np.testing.assert_allclose(ours[:, place], wanted, atol=1e-12, err_msg=feature)
        assert len(set(wanted[~np.isnan(wanted)].tolist())) > 1, feature


def bars_of(moments):
    """Return bars of minutes that close at these moments of XNYS."""
    stamps = pl.Series(moments).dt.cast_time_unit("us")
    ones = np.ones(len(moments))
    return BarHistory(
        pl.DataFrame(
            {
                "session": pl.Series([york_day(moment) for moment in moments]),
                "event_time": stamps,
                "known_at": stamps,
                "version": np.zeros(len(moments), np.int32),
                **dict.fromkeys(("open", "high", "low", "close", "volume"), ones),
            }
        )
    )


def test_decisions_get_their_hours_on_a_half_day():
    """Christmas Eve closes at 13:00: seen through the whole path, batch and newest bar alone."""
    opened = datetime(2024, 12, 24, 14, 30, tzinfo=UTC)
    moments = [opened + timedelta(minutes=minute) for minute in range(1, 211)]
    names = ("session_progress", "is_first_half_hour", "is_last_half_hour", "us_regular")
    plan = FeaturePlan(tuple(resolve(name, {}, None, "") for name in names))
    market = Market("SPY", bars_of(moments), calendar=get_calendar("XNYS"))
    decisions = market.decisions()
    values = compute_at(plan, market, decisions, np.float64)
    minute = np.arange(1, 211)
    np.testing.assert_allclose(values[:, 0], minute / 210)
    np.testing.assert_array_equal(values[:, 1], minute <= 30)
    np.testing.assert_array_equal(values[:, 2], minute > 180)
    np.testing.assert_array_equal(values[:, 3], 1.0)
    for row in (0, 29, 30, 180, 209):
        np.testing.assert_array_equal(
            compute_at(plan, market, decisions[row], np.float64)[0], values[row]
        )


def test_the_set_says_where_a_bar_lies_in_new_york():
    names = [feature.name for feature in members("us_hours")]
    assert names == ["us_regular", "us_premarket", "us_afterhours", "us_minutes_since_open"]
    # Bars that close at 04:00, 04:01, 09:30, 09:31, 16:00, 16:01, 20:00 and 20:01.
    since = np.array([-330.0, -329, 0, 1, 390, 391, 630, 631])
    columns = {"us_since_open": since, "us_until_close": 390 - since}
    found = compute_columns(members("us_hours"), columns, np.float64).T
    np.testing.assert_array_equal(found[0], [0, 0, 0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(found[1], [0, 1, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(found[2], [0, 0, 0, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(found[3], since)


def test_every_family_is_registered():
    assert set(NAMES) <= set(FAMILIES)
    assert len(NAMES) == 11
