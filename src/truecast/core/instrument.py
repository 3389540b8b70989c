"""What is traded, and what must be known of it to read its bars."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Adjustment = Literal["raw", "split", "total"]


@dataclass(frozen=True)
class Instrument:
    """One series of bars as one source publishes it.

    Parameters
    ----------
    symbol : str
        The name that recipes use, such as ``^GSPC``.
    calendar : str
        Name of the calendar whose sessions the bars belong to.
    publication_delay : timedelta
        Time from a bar's close to the first moment that the source lets anyone use it.
    currency : str
        ISO 4217 code of the prices, or a unit in words for an index.
    adjustment : {"raw", "split", "total"}
        What the prices in the source are adjusted for.
    may_be_negative : bool
        Whether a price of zero or below is legal (WTI closed at −37.63 on 2020-04-20).
    description : str
        What it is, in words.
    """

    symbol: str
    calendar: str
    publication_delay: timedelta
    currency: str = "USD"
    adjustment: Adjustment = "raw"
    may_be_negative: bool = False
    description: str = ""
