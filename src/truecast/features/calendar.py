"""When it is: from the bar's own session, so nothing about later sessions is used."""

import math

import numpy as np

from truecast.features import kernels
from truecast.features.block import Block
from truecast.features.declaration import Column, Family

WEEKDAYS, MONTHS = 7, 12


def _cycle(length: int, wave: str) -> Column:
    function = math.sin if wave == "sin" else math.cos
    return np.array([function(2 * math.pi * place / length) for place in range(length)])


_WEEKDAY = {f"day_of_week_{wave}": _cycle(WEEKDAYS, wave) for wave in ("sin", "cos")}
_MONTH = {f"month_{wave}": _cycle(MONTHS, wave) for wave in ("sin", "cos")}


def compute_calendar(block: Block) -> None:
    """Compute the weekday and the month as points on a circle, and the days between sessions."""
    session = block.input("session")
    now = block.now(session)
    for name, table in _WEEKDAY.items():
        for _, out in block.wanted(name):
            kernels.weekdays_of(now, table, out)
    for name, table in _MONTH.items():
        for _, out in block.wanted(name):
            kernels.months_of(now, table, out)
    for _, out in block.wanted("days_since_session"):
        kernels.difference(now, block.before(session, 1), out)


_WEEKENDS = "French (1980), Stock Returns and the Weekend Effect"
_SEASONS = "Rozeff, Kinney (1976), Capital Market Seasonality"

FAMILIES = (
    *(
        Family(
            name=name,
            inputs=("session",),
            lookback=lambda _: 1,
            unit="−1 to 1",
            formula=f"{name[-3:]}(2π·weekday/7) of the bar's session, Monday is 0",
            reference=_WEEKENDS,
            compute=compute_calendar,
        )
        for name in _WEEKDAY
    ),
    *(
        Family(
            name=name,
            inputs=("session",),
            lookback=lambda _: 1,
            unit="−1 to 1",
            formula=f"{name[-3:]}(2π·month/12) of the bar's session, January is 0",
            reference=_SEASONS,
            compute=compute_calendar,
        )
        for name in _MONTH
    ),
    Family(
        name="days_since_session",
        inputs=("session",),
        lookback=lambda _: 2,
        unit="calendar days",
        formula="session of the bar − session of the bar before; 0 within a session",
        reference=_WEEKENDS,
        compute=compute_calendar,
    ),
)
