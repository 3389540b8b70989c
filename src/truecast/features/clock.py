"""When a bar closed, by the hours of its market: nothing about later sessions is used."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from truecast.core.calendars import Calendar, Days, Moments, get_calendar
from truecast.features.declaration import CLOCK, Column

#: The numbers of :data:`truecast.features.declaration.CLOCK` of one bar.
Clock: TypeAlias = dict[str, float]

_MINUTE = np.timedelta64(1, "m")
_START = np.datetime64(0, "us")
#: Clocks are only put forward and back at a full or half hour of UTC.
_HALF_HOUR = 30


def clock_columns(event_time: Moments, sessions: Days, calendar: Calendar) -> dict[str, Column]:
    """Return the columns of :data:`truecast.features.declaration.CLOCK`.

    Parameters
    ----------
    event_time : array of datetime64[us], shape (n,), UTC
        Closes of bars.
    sessions : array of datetime64[D], shape (n,)
        The session of each.
    calendar : Calendar
        Of their market.

    Returns
    -------
    dict of str to float64 array, shape (n,)
        Minutes. Daylight saving and half-days are followed: what counts is when the session
        really opens and closes. NaN where the calendar has no such session.

    Notes
    -----
    *Knowable when*: long before the bar, since an exchange publishes its hours ahead.
    """
    if len(event_time) == 0:
        return dict.fromkeys(CLOCK, np.empty(0))
    minutes = (event_time - _START) / _MINUTE
    local = minutes + _offsets(minutes, calendar.zone)
    york = _new_york()
    there = minutes + _offsets(minutes, york.zone)
    since, until = _since_and_until(minutes, sessions.astype("datetime64[D]"), calendar)
    us_days = np.floor(there / 1440).astype("datetime64[D]")
    us_since, us_until = _since_and_until(minutes, us_days, york)
    return {
        "local_minute": local % 1440,
        "since_open": since,
        "until_close": until,
        "us_since_open": us_since,
        "us_until_close": us_until,
    }


def clock_at(moment: np.datetime64, session: np.datetime64, calendar: Calendar) -> Clock:
    """Return what :func:`clock_columns` gives of one bar: for one, arrays cost more than the rest.

    Parameters
    ----------
    moment : datetime64[us], UTC
        The close of the bar.
    session : datetime64[D]
        Its session.
    calendar : Calendar
        Of its market.
    """
    minute = int(moment.astype(np.int64)) / 60_000_000
    half_hour = int(minute // _HALF_HOUR)
    york = _new_york()
    opens, closes = _hours(calendar, int(session.astype(np.int64)))
    us_day = int((minute + _offset(york.zone, half_hour)) // 1440)
    us_opens, us_closes = _hours(york, us_day)
    return {
        "local_minute": (minute + _offset(calendar.zone, half_hour)) % 1440,
        "since_open": minute - opens,
        "until_close": closes - minute,
        "us_since_open": minute - us_opens,
        "us_until_close": us_closes - minute,
    }


@cache
def _new_york() -> Calendar:
    return get_calendar("XNYS")


def _offsets(minutes: Column, zone: str) -> Column:
    """Return by how many minutes local time is ahead of UTC, of minutes since 1970-01-01."""
    pieces = np.floor(minutes / _HALF_HOUR).astype(np.int64)
    return np.asarray(_looked_up(pieces, lambda piece: (_offset(zone, piece),))[0])


@lru_cache(maxsize=1 << 18)
def _offset(zone: str, half_hour: int) -> float:
    moment = datetime.fromtimestamp(half_hour * _HALF_HOUR * 60, UTC)
    ahead = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return 0.0 if ahead is None else ahead.total_seconds() / 60


def _since_and_until(minutes: Column, days: Days, calendar: Calendar) -> tuple[Column, Column]:
    """Return the minutes from the open of each day's session, and to its close."""
    numbers = days.astype(np.int64)
    opens, closes = _looked_up(numbers, lambda number: _hours(calendar, number))
    return minutes - opens, closes - minutes


@lru_cache(maxsize=1 << 16)
def _hours(calendar: Calendar, number: int) -> tuple[float, float]:
    """Return when the session of a day opens and closes, in minutes since 1970-01-01."""
    day: date = np.datetime64(number, "D").item()
    _, opens, closes = calendar.stretches(day, day)
    if len(opens) == 0:
        return np.nan, np.nan
    # A session with a lunch break opens with its first stretch and closes with its last.
    return float((opens[0] - _START) / _MINUTE), float((closes[-1] - _START) / _MINUTE)


def _looked_up(
    keys: NDArray[np.int64], find: Callable[[int], tuple[float, ...]]
) -> NDArray[np.float64]:
    """Find what belongs to each key, once a run of equal ones; a row for each number found."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    found = np.array([find(int(key)) for key in keys[starts]])
    return np.asarray(np.repeat(found, np.diff(np.r_[starts, len(keys)]), axis=0).T)
