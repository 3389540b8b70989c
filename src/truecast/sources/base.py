"""What a source is, and what it hands over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from truecast.core.errors import TruecastError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval


class SourceError(TruecastError):
    """A source could not be read, or what it sent cannot be understood."""


@dataclass(frozen=True)
class Payload:
    """Bytes as a source sent them, and how they were asked for.

    Parameters
    ----------
    source : str
        Effective name of the source.
    symbol, interval : str
        What was asked for, such as ``^GSPC`` and ``1d``.
    request : mapping of str to str
        How it was asked for: a file, or a URL with its parameters. Never a secret.
    content : bytes
        What came back, unchanged.
    media_type : str
        What the bytes are, such as ``text/csv``.
    received_at : datetime
        When they arrived, UTC.
    """

    source: str
    symbol: str
    interval: str
    request: Mapping[str, str]
    content: bytes
    media_type: str
    received_at: datetime


class Source(Protocol):
    """One place that bars come from."""

    @property
    def name(self) -> str:
        """Effective name, part of every slot and of silver's key: ``[a-z0-9._-]+``."""
        ...

    @property
    def live(self) -> bool:
        """Whether new bars still arrive; False for a source that has ended."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether its bars are made up; then every row and forecast says so."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that can be fetched, sorted."""
        ...

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars.

        Raises
        ------
        UnknownNameError
            If the source does not have it; the message gives the nearest one.
        """
        ...

    def fetch(self, symbol: str, interval: Interval) -> Payload:
        """Get the bytes that hold a symbol's bars.

        Raises
        ------
        SourceError
            If they cannot be had.
        UsageError
            If the source has no such symbol or interval.
        """
        ...

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows, as they are.

        Returns
        -------
        pl.DataFrame
            Columns of :data:`truecast.core.bars.PARSED_BARS`, in the payload's order.

        Raises
        ------
        SourceError
            If the payload cannot be understood; the message says where.
        """
        ...
