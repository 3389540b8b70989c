"""The time of the session; see ``features/hours.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import scaled, weekdays_of
from truecast.features.kernels.inputs import (
    LOCAL_MINUTE,
    SESSION,
    SINCE_OPEN,
    UNTIL_CLOSE,
    US_SINCE_OPEN,
    US_UNTIL_CLOSE,
)

DAY = 1440
HALF_HOUR = 30.0
#: Minutes of trading before New York's open and after its close.
PREMARKET, AFTERHOURS = 330.0, 240.0
_TURN = 2.0 * math.pi / DAY
_SIN = np.array([math.sin(_TURN * minute) for minute in range(DAY)])
_COS = np.array([math.cos(_TURN * minute) for minute in range(DAY)])
_SLOPE_OF_COS = -_SIN
_MONDAY, _FRIDAY = np.eye(7)[0], np.eye(7)[4]


@helper
def _on_the_day(minute: Column, wave: Column, slope: Column, out: Output) -> None:
    """Write the wave of the minute of the day, given it and its slope at whole minutes.

    What is left of a minute turns them by an angle so small that what the series below leave out
    is less than 10⁻¹⁷. NaN where it is not a minute of the day.
    """
    for i in range(out.size):
        value = math.nan
        if 0.0 <= minute[i] < DAY:
            whole = int(minute[i])
            rest = _TURN * (minute[i] - whole)
            square = rest * rest
            sine = rest * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0)))
            cosine = 1.0 - square * (0.5 - square * (1.0 / 24.0))
            value = wave[whole] * cosine + slope[whole] * sine
        out[i] = value


@helper
def _progress(since: Column, until: Column, out: Output) -> None:
    """Write ``since/(since + until)``, not below 0 and not above 1."""
    for i in range(out.size):
        share = since[i] / (since[i] + until[i])
        share = 0.0 if share < 0.0 else share
        out[i] = 1.0 if share > 1.0 else share


@helper
def _inside(
    since: Column, until: Column, after: float, up_to: float, most: float, least: float, out: Output
) -> None:
    """Write 1 where ``after < since <= up_to`` and ``most > until >= least``, and 0 elsewhere."""
    for i in range(out.size):
        begun = (since[i] > after) & (since[i] <= up_to)
        out[i] = 1.0 if begun & (until[i] < most) & (until[i] >= least) else 0.0


@kernel
def session_hours(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    time_of_day_sin: Asked,
    time_of_day_cos: Asked,
    session_progress: Asked,
    is_first_half_hour: Asked,
    is_last_half_hour: Asked,
) -> None:
    """Write the time of day as a point on a circle, and the place in the session."""
    first = begin + halo
    minute, since, until = x[LOCAL_MINUTE, first:], x[SINCE_OPEN, first:], x[UNTIL_CLOSE, first:]
    stop = start + minute.size
    for asked in time_of_day_sin:
        _on_the_day(minute, _SIN, _COS, out[asked[0], start:stop])
    for asked in time_of_day_cos:
        _on_the_day(minute, _COS, _SLOPE_OF_COS, out[asked[0], start:stop])
    for asked in session_progress:
        _progress(since, until, out[asked[0], start:stop])
    for asked in is_first_half_hour:
        _inside(since, until, 0.0, HALF_HOUR, math.inf, 0.0, out[asked[0], start:stop])
    for asked in is_last_half_hour:
        _inside(since, until, 0.0, math.inf, HALF_HOUR, 0.0, out[asked[0], start:stop])


@kernel
def new_york_hours(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    us_regular: Asked,
    us_premarket: Asked,
    us_afterhours: Asked,
    us_minutes_since_open: Asked,
) -> None:
    """Write where a bar lies in the day of the New York Stock Exchange."""
    since, until = x[US_SINCE_OPEN, begin + halo :], x[US_UNTIL_CLOSE, begin + halo :]
    stop = start + since.size
    ever = math.inf
    for asked in us_regular:
        _inside(since, until, 0.0, ever, ever, 0.0, out[asked[0], start:stop])
    for asked in us_premarket:
        _inside(since, until, -PREMARKET, 0.0, ever, 0.0, out[asked[0], start:stop])
    for asked in us_afterhours:
        _inside(since, until, 0.0, ever, 0.0, -AFTERHOURS, out[asked[0], start:stop])
    for asked in us_minutes_since_open:
        scaled(since, 1.0, out[asked[0], start:stop])


@kernel
def weekdays(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, is_monday: Asked, is_friday: Asked
) -> None:
    """Write whether a bar's session is the first or the last of a usual week."""
    now = x[SESSION, begin + halo :]
    stop = start + now.size
    for asked in is_monday:
        weekdays_of(now, _MONDAY, out[asked[0], start:stop])
    for asked in is_friday:
        weekdays_of(now, _FRIDAY, out[asked[0], start:stop])
