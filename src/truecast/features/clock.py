"""When a bar closed, by the hours of its market: nothing about later sessions is used."""

from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.calendars import Calendar, Days, Moments, get_calendar
from truecast.features.declaration import Column

_MINUTE = np.timedelta64(1, "m")


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
    *Knowable when*: long before the bar; an exchange publishes its hours a year ahead. A close
    that was moved at short notice is used as it came to be.
    """
    york = _new_york()
    since, until = _since_and_until(event_time, sessions, calendar)
    us_since, us_until = _since_and_until(event_time, york.local_days(event_time), york)
    return {
        "local_minute": _minute_of_day(event_time, calendar.zone),
        "since_open": since,
        "until_close": until,
        "us_since_open": us_since,
        "us_until_close": us_until,
    }


@cache
def _new_york() -> Calendar:
    return get_calendar("XNYS")


def _minute_of_day(moments: Moments, zone: str) -> Column:
    local = pl.Series(moments).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    stamps = local.dt.replace_time_zone(None).to_numpy()
    return np.asarray((stamps - stamps.astype("datetime64[D]")) / _MINUTE)


def _since_and_until(moments: Moments, days: Days, calendar: Calendar) -> tuple[Column, Column]:
    """Return the minutes from the open of each day's session, and to its close."""
    nothing: NDArray[np.float64] = np.full(len(moments), np.nan)
    if len(moments) == 0:
        return nothing, nothing
    known, opens, closes = calendar.stretches(days.min().item(), days.max().item())
    if len(known) == 0:
        return nothing, nothing
    # A session with a lunch break has two stretches: it opens with the first, closes with the last.
    first = np.searchsorted(known, days, side="left")
    last = np.searchsorted(known, days, side="right") - 1
    is_session = last >= first
    opened, closed = opens[np.minimum(first, len(known) - 1)], closes[last]
    since = np.where(is_session, (moments - opened) / _MINUTE, np.nan)
    until = np.where(is_session, (closed - moments) / _MINUTE, np.nan)
    return since, until
