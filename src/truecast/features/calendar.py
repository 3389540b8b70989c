"""When it is: from the bar's own session, so nothing about later sessions is used."""

from truecast.features.declaration import Family
from truecast.features.lookbacks import one_bar

_WEEKENDS = "French (1980), Stock Returns and the Weekend Effect"
_SEASONS = "Rozeff, Kinney (1976), Capital Market Seasonality"

FAMILIES = (
    *(
        Family(
            name=name,
            inputs=("session",),
            lookback=one_bar,
            unit="−1 to 1",
            formula=f"{name[-3:]}(2π·weekday/7) of the bar's session, Monday is 0",
            reference=_WEEKENDS,
            kernel="calendar:days",
        )
        for name in ("day_of_week_sin", "day_of_week_cos")
    ),
    *(
        Family(
            name=name,
            inputs=("session",),
            lookback=one_bar,
            unit="−1 to 1",
            formula=f"{name[-3:]}(2π·month/12) of the bar's session, January is 0",
            reference=_SEASONS,
            kernel="calendar:days",
        )
        for name in ("month_sin", "month_cos")
    ),
    Family(
        name="days_since_session",
        inputs=("session",),
        lookback=lambda _: 2,
        unit="calendar days",
        formula="session of the bar − session of the bar before; 0 within a session",
        reference=_WEEKENDS,
        kernel="calendar:days",
    ),
    # A level that only grows, for models that make seasons of it.
    Family(
        name="epoch_day",
        inputs=("session",),
        lookback=one_bar,
        unit="calendar days",
        formula="days from 1970-01-01 to the bar's session",
        reference="ISO 8601, calendar dates",
        kernel="calendar:days",
    ),
)
