"""What a recipe may say about OANDA."""

from datetime import date
from typing import Annotated

from pydantic import Field, field_validator

from truecast.core.strict import Number
from truecast.sources.options import CalendarName, Options

_ORDER = "MBA"


class OandaOptions(Options):
    """What to ask OANDA for.

    Parameters
    ----------
    symbols : tuple of str
        Instruments such as ``EUR_USD``; if any are given, no others are asked for.
    price : str
        Any of M (mid), B (bid) and A (ask). Without M the mid is half of bid plus ask.
    years : float
        How far back a backfill begins.
    start : date or None
        On which day it begins instead.
    calendars : dict of str to str
        Symbol to the calendar of its sessions where that is not ``FX``, as of an index CFD.
    base_url : str or None
        Where to ask instead of OANDA's practice or live environment.
    """

    symbols: tuple[str, ...] = ()
    price: str = _ORDER
    years: Annotated[Number, Field(gt=0, le=30)] = 5
    start: date | None = None
    calendars: dict[str, CalendarName] = Field(default_factory=dict)
    base_url: Annotated[str | None, Field(pattern=r"^https?://[^/]+$")] = None

    @field_validator("price")
    @classmethod
    def _sides(cls, value: str) -> str:
        sides = set(value)
        if not sides or sides - set(_ORDER) or len(value) != len(sides):
            raise ValueError(f"write any of M, B and A, each once, such as {_ORDER} or M")
        if "M" not in sides and sides != {"B", "A"}:
            raise ValueError("a bar needs M, or both B and A")
        return "".join(side for side in _ORDER if side in sides)
