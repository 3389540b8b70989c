"""When it is, by the bar's own session; see ``features/calendar.py``."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Outputs
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.elementwise import difference, months_of, scaled, weekdays_of
from truecast.features.kernels.inputs import SESSION

WEEKDAYS, MONTHS = 7, 12


def _cycle(length: int, function: str) -> Column:
    wave = getattr(math, function)
    return np.array([wave(2 * math.pi * place / length) for place in range(length)])


_WEEKDAY_SIN, _WEEKDAY_COS = _cycle(WEEKDAYS, "sin"), _cycle(WEEKDAYS, "cos")
_MONTH_SIN, _MONTH_COS = _cycle(MONTHS, "sin"), _cycle(MONTHS, "cos")


@kernel
def days(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    day_of_week_sin: Asked,
    day_of_week_cos: Asked,
    month_sin: Asked,
    month_cos: Asked,
    days_since_session: Asked,
    epoch_day: Asked,
) -> None:
    """Write weekday and month as points on a circle, the days between sessions, and the day."""
    first = begin + halo
    now = x[SESSION, first:]
    stop = start + now.size
    for asked in day_of_week_sin:
        weekdays_of(now, _WEEKDAY_SIN, out[asked[0], start:stop])
    for asked in day_of_week_cos:
        weekdays_of(now, _WEEKDAY_COS, out[asked[0], start:stop])
    for asked in month_sin:
        months_of(now, _MONTH_SIN, out[asked[0], start:stop])
    for asked in month_cos:
        months_of(now, _MONTH_COS, out[asked[0], start:stop])
    for asked in days_since_session:
        before = x[SESSION, first - 1 : x.shape[1] - 1]
        difference(now, before, out[asked[0], start:stop])
    for asked in epoch_day:
        scaled(now, 1.0, out[asked[0], start:stop])
