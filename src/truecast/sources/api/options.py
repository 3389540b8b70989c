"""What a recipe may say about bars that are pushed."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, WithJsonSchema

from truecast.core.hashing import hash_of
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Duration
from truecast.sources.options import CalendarName, Options

NAME = "api"
#: A symbol that may be sent: printable, without a blank, and no way through folders.
Symbol = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^(\.?[A-Za-z0-9^$=:&!@*+,~_-])+\.?$")
]


class SeriesOptions(Options):
    """What must be known of bars to read them.

    Parameters
    ----------
    calendar : str
        Whose sessions they belong to.
    publication_delay : timedelta
        Time from a bar's close until it may be used.
    may_be_negative : bool
        Whether a price of zero or below is legal.
    currency : str
        ISO 4217 code of the prices.
    """

    calendar: CalendarName = "XNYS"
    publication_delay: Annotated[
        Duration, WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,5}[mh]$"})
    ] = timedelta()
    may_be_negative: bool = Field(default=False, strict=True)
    currency: str = Field(default="USD", min_length=1, max_length=20, pattern=r"^[ -~]+$")

    @property
    def name(self) -> str:
        """Effective name: ``api``, and six digits of what is not its default.

        The same numbers read with another meaning are other data: in silver they must not become
        versions of each other.
        """
        told = self.model_dump(mode="json", exclude_defaults=True, exclude={"instruments"})
        return f"{NAME}-{hash_of(told)[:6]}" if told else NAME


class ApiOptions(SeriesOptions):
    """What a recipe reads of what is pushed.

    Parameters
    ----------
    instruments : tuple of str
        Symbols that there are; any if none is named.
    """

    instruments: tuple[Symbol, ...] = ()

    def require_symbol(self, symbol: str) -> None:
        """Refuse a symbol that there is not.

        Raises
        ------
        UnknownNameError
            Names the nearest one.
        """
        if self.instruments and symbol not in self.instruments:
            raise UnknownNameError("instrument", symbol, self.instruments, "source api")
