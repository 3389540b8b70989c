"""What a source is, and what it hands over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import polars as pl

from truecast.core.bars import PARSED_ACTIONS, PARSED_REPAIRS
from truecast.core.errors import TruecastError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval

#: Spans of time, UTC: from the first moment up to, not including, the second.
Windows = Sequence[tuple[datetime, datetime]]


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
    covers : tuple of two datetimes, or None
        From when up to, not including, when, UTC, the source said all that it has: a bar that
        closes in between and is absent did not trade. None where that cannot be known, as of a
        file.
    """

    source: str
    symbol: str
    interval: str
    request: Mapping[str, str]
    content: bytes
    media_type: str
    received_at: datetime
    covers: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class Parsed:
    """What a payload says.

    Parameters
    ----------
    bars : pl.DataFrame
        Columns of :data:`truecast.core.bars.PARSED_BARS`, in the payload's order, repaired.
    actions : pl.DataFrame
        Splits and dividends, columns of :data:`truecast.core.bars.PARSED_ACTIONS`.
    repairs : pl.DataFrame
        Every number that was changed or taken out, columns of
        :data:`truecast.core.bars.PARSED_REPAIRS`.
    notes : tuple of str
        What a person should know of how it was read: a dialect that was detected, say.
    """

    bars: pl.DataFrame
    actions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PARSED_ACTIONS))
    repairs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PARSED_REPAIRS))
    notes: tuple[str, ...] = ()


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

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Get the bytes that hold a symbol's bars, the oldest payload first.

        What comes first can be kept before the next is asked for, so a long backfill goes on
        where it was interrupted.

        Parameters
        ----------
        symbol, interval : str, Interval
            What to get.
        since : datetime or None
            Close of the last bar that is there already; None for all that the source has. A
            source asks for some bars before it too, since they may have been corrected, and may
            hand over everything.

        Raises
        ------
        SourceError
            If they cannot be had.
        UsageError
            If the source has no such symbol or interval.
        """
        ...

    def parse(self, payload: Payload) -> Parsed:
        """Say what a payload holds, row by row, as the vendor gave it.

        Raises
        ------
        SourceError
            If the payload cannot be understood; the message says where.
        """
        ...


class NewsSource(Protocol):
    """One place that articles come from."""

    @property
    def name(self) -> str:
        """Effective name, part of silver's key: ``[a-z0-9._-]+``."""
        ...

    @property
    def live(self) -> bool:
        """Whether new articles still arrive; False for a source that has ended."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether its articles are made up; then every row says so."""
        ...

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Get the bytes that hold articles, the oldest payload first.

        Parameters
        ----------
        done : sequence of two datetimes each
            Spans, UTC, that were taken in before and need not be asked for again.

        Raises
        ------
        SourceError
            If they cannot be had.
        """
        ...

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Return a payload's articles, columns of :data:`truecast.core.news.PARSED_NEWS`.

        Raises
        ------
        SourceError
            If the payload cannot be understood; the message says where.
        """
        ...
