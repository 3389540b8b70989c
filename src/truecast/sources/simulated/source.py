"""The simulation as a source of bars."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from truecast.core import clock
from truecast.core.calendars import get_calendar
from truecast.core.clock import to_utc
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.sources.base import Parsed, Payload
from truecast.sources.options import read_options
from truecast.sources.simulated.client import Maker, write_bars
from truecast.sources.simulated.options import SimulatedOptions
from truecast.sources.simulated.parse import parse_simulated
from truecast.sources.simulated.path import path_of

#: What there is to be asked for where the options name no instruments.
_EXAMPLE = ("SIM001",)
_INSTANT = timedelta(microseconds=1)


class SimulatedSource:
    """Bars made up from a seed: the same each time, of any symbol, as far as time has come.

    Knowability: a bar is known at its close. The package's docstring says how bars are made.

    Parameters
    ----------
    options : SimulatedOptions
        The market.
    """

    simulated = True

    def __init__(self, options: SimulatedOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: ``simulated``, and six digits of the options that make other bars."""
        return self.options.name

    @property
    def live(self) -> bool:
        """Whether the end, if there is one, lies ahead."""
        last = self.options.last_day
        if last is None:
            return True
        calendar = get_calendar(self.options.calendar)
        return clock.now() < calendar.close_of(calendar.offset(last + timedelta(days=1), -1))

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols of the options; where any may be asked for, an example."""
        return self.options.symbols or _EXAMPLE

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars."""
        self.options.require_symbol(symbol)
        return Instrument(
            symbol=symbol,
            calendar=self.options.calendar,
            publication_delay=timedelta(),
            description=f"{symbol}, simulated with seed {self.options.seed}: no real prices",
        )

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Make the bars that have closed by now, from the session of ``since`` on.

        Intraday bars come a year a payload; daily ones all at once, since they are few.

        Raises
        ------
        UsageError
            If the symbol is none of the options', or nothing has closed yet.
        """
        self.options.require_symbol(symbol)
        until = clock.now()
        path = path_of(self.options, symbol, until)
        if not len(path.opens) or to_utc(path.opens[0]) >= until:
            raise UsageError(
                f"source simulated: no session from {self.options.start} to "
                f"{self.options.last_day or until.date()} has begun by {until:%Y-%m-%d %H:%M} "
                "UTC: set an earlier start"
            )
        years = Maker(self.options, symbol, interval, path).years(since, until)
        parts = [list(years)] if interval.is_daily else ([year] for year in years)
        begin = None
        for part in filter(None, parts):
            begin = begin or to_utc(path.opens[path.days == part[0].session[0]][0]) + _INSTANT
            end = to_utc(part[-1].event_time[-1]) + _INSTANT
            yield Payload(
                source=self.name,
                symbol=symbol,
                interval=str(interval),
                request={
                    "process": "simulated",
                    "seed": str(self.options.seed),
                    "from": str(part[0].session[0]),
                    "to": str(part[-1].session[-1]),
                },
                content=write_bars(part),
                media_type="application/vnd.apache.parquet",
                received_at=until,
                covers=(begin, end),
            )
            begin = end

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        return Parsed(parse_simulated(payload.content))


def open_simulated(options: Mapping[str, Any]) -> SimulatedSource:
    """Open a simulated market.

    Parameters
    ----------
    options : mapping
        See :class:`truecast.sources.simulated.options.SimulatedOptions`.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value.
    """
    return SimulatedSource(read_options(SimulatedOptions, options, "source.simulated"))
