"""The time of the session: by the hours of the bar's own market, and of New York's.

Exchange calendars in local time: daylight saving, holidays and half-days are followed, and a bar
counts by its close. *Knowable when*: long before the bar; hours are published a year ahead.
"""

from truecast.features.declaration import Family
from truecast.features.lookbacks import one_bar

_INTRADAY = "Wood, McInish, Ord (1985), An Investigation of Transactions Data for NYSE Stocks"
_WEEKENDS = "French (1980), Stock Returns and the Weekend Effect"
_NYSE = "New York Stock Exchange, Holidays and Trading Hours"
_SESSION = "a = minutes since the open of the bar's session, b = minutes until its close"
_NEW_YORK = (
    "a = minutes since the open of the New York Stock Exchange's session of the day in New York, "
    "b = minutes until its close"
)
_OWN = ("since_open", "until_close")
_US = ("us_since_open", "us_until_close")

FAMILIES = (
    *(
        Family(
            name=f"time_of_day_{function}",
            inputs=("local_minute",),
            lookback=one_bar,
            unit="−1 to 1",
            formula=f"{function}(2π·m/1440), m = minutes from local midnight to the bar's close",
            reference=_INTRADAY,
            kernel="hours:session_hours",
        )
        for function in ("sin", "cos")
    ),
    *(
        Family(
            name=name,
            inputs=_OWN,
            lookback=one_bar,
            unit=unit,
            formula=f"{formula}; {_SESSION}",
            reference=_INTRADAY,
            kernel="hours:session_hours",
        )
        for name, unit, formula in (
            (
                "session_progress",
                "0 to 1",
                "a/(a + b), 0 before the open, 1 after the close, NaN on a day without a session",
            ),
            ("is_first_half_hour", "0 or 1", "1 where 0 < a <= 30 and b >= 0; 0 elsewhere"),
            ("is_last_half_hour", "0 or 1", "1 where a > 0 and 0 <= b < 30; 0 elsewhere"),
        )
    ),
    *(
        Family(
            name=f"is_{day}",
            inputs=("session",),
            lookback=one_bar,
            unit="0 or 1",
            formula=f"1 where the bar's session is a {day.capitalize()}; 0 elsewhere",
            reference=_WEEKENDS,
            kernel="hours:weekdays",
        )
        for day in ("monday", "friday")
    ),
    *(
        Family(
            name=name,
            inputs=_US,
            lookback=one_bar,
            unit=unit,
            formula=f"{formula}; {_NEW_YORK}",
            reference=_NYSE,
            kernel="hours:new_york_hours",
        )
        for name, unit, formula in (
            ("us_regular", "0 or 1", "1 where a > 0 and b >= 0; 0 elsewhere"),
            ("us_premarket", "0 or 1", "1 where −330 < a <= 0, from 04:00 on; 0 elsewhere"),
            ("us_afterhours", "0 or 1", "1 where −240 <= b < 0, up to 20:00; 0 elsewhere"),
            (
                "us_minutes_since_open",
                "minutes",
                "a, negative before the open; NaN on a day without a session",
            ),
        )
    ),
)
