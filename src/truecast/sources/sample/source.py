"""The sample as a source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from truecast.core import clock
from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.names import Registry, suggestion
from truecast.sources.base import Parsed, Payload
from truecast.sources.sample.client import read_sample
from truecast.sources.sample.parse import parse_sample

_YAHOO = {name: name.lower() for name in ("Open", "High", "Low", "Close", "Volume")}
_SOON = timedelta(minutes=15)


@dataclass(frozen=True)
class _Series:
    file: str
    columns: Mapping[str, str]
    instrument: Instrument


def _series(file: str, columns: Mapping[str, str], instrument: Instrument) -> tuple[str, _Series]:
    return instrument.symbol, _Series(file, columns, instrument)


_SERIES = Registry(
    "instrument of the sample",
    dict(
        (
            _series("sp500", _YAHOO, Instrument(
                "^GSPC", "XNYS", _SOON, description="S&P 500 index, Yahoo, 1999-2018")),
            _series("nasdaq", _YAHOO, Instrument(
                "^IXIC", "XNYS", _SOON, description="NASDAQ Composite index, Yahoo, 1999-2018")),
            # Calculated until 16:15 New York, fifteen minutes after the regular close.
            _series("vix", {"vix": "close"}, Instrument(
                "^VIX", "XNYS", _SOON, currency="percent",
                description="CBOE volatility index, close only, 2014-2019")),
            # The EIA releases the daily spot prices of a week the week after.
            _series("wti", {"DCOILWTICO": "close"}, Instrument(
                "DCOILWTICO", "XNYS", timedelta(days=7), may_be_negative=True,
                description="WTI crude oil spot at Cushing, EIA by FRED, close only, 1986-2019")),
        )
    ),
)  # fmt: skip


class SampleSource:
    """Real daily prices that ship inside a dependency, ended in 2018 and 2019.

    Knowability: an index is known fifteen minutes after its session's close, oil a week after.
    """

    name: ClassVar[str] = "sample"
    live: ClassVar[bool] = False
    simulated: ClassVar[bool] = False

    def symbols(self) -> tuple[str, ...]:
        """Return the four symbols."""
        return tuple(sorted(_SERIES))

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars."""
        return _SERIES.find(symbol, "source sample").instrument

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Read the file of a symbol, whole.

        Raises
        ------
        UsageError
            If the interval is not ``1d``.
        """
        del since  # the file is one
        if not interval.is_daily:
            raise UsageError(
                f"source sample has daily bars only (interval 1d); asked for {interval} of "
                f"{symbol}: set interval: 1d, or read your own bars with source files"
            )
        file = _SERIES.find(symbol, "source sample").file
        yield Payload(
            source=self.name,
            symbol=symbol,
            interval=str(interval),
            request={"package": "arch", "file": f"data/{file}/{file}.csv.gz"},
            content=read_sample(file),
            media_type="application/gzip",
            received_at=clock.now(),
        )

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        series = _SERIES.find(payload.symbol, "source sample")
        calendar = get_calendar(series.instrument.calendar)
        return Parsed(parse_sample(payload.content, series.columns, calendar))


def open_sample(options: Mapping[str, Any]) -> SampleSource:
    """Open the sample, which has no options.

    Raises
    ------
    UsageError
        If any are given.
    """
    if options:
        first = next(iter(options))
        raise UsageError(f"unknown key {first!r} in source.sample: {suggestion(first, ())}")
    return SampleSource()
