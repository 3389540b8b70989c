"""What a recipe may say about OANDA."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.recipe_errors import describe

_ORDER = "MBA"


class OandaOptions(BaseModel):
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

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbols: tuple[str, ...] = ()
    price: str = _ORDER
    years: Annotated[float, Field(gt=0, le=30)] = 5
    start: date | None = None
    calendars: dict[str, str] = Field(default_factory=dict)
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

    @field_validator("calendars")
    @classmethod
    def _calendars_exist(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            return {symbol: get_calendar(name).name for symbol, name in value.items()}
        except UsageError as error:
            raise ValueError(str(error)) from error


def read_options(options: Mapping[str, Any]) -> OandaOptions:
    """Check the options of a recipe's ``source: oanda``.

    Raises
    ------
    UsageError
        If one is unknown or has no valid value.
    """
    try:
        return OandaOptions.model_validate(dict(options))
    except ValidationError as error:
        raise UsageError(f"source.oanda: {describe(error, OandaOptions)}") from error
