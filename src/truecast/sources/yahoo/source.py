"""Yahoo as a source."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from truecast.core import clock
from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.sources.base import Parsed, Payload, SourceError
from truecast.sources.http.reading import parse_json
from truecast.sources.options import read_options
from truecast.sources.yahoo.client import YahooClient
from truecast.sources.yahoo.options import (
    EXCHANGES,
    YahooOptions,
    habits_of,
    is_symbol,
)
from truecast.sources.yahoo.parse import parse_chart, read_chart

#: How far back Yahoo gives bars of a length, asked for at once; None: to their beginning.
REACH: dict[str, timedelta | None] = {
    "1m": timedelta(days=7),
    **{text: timedelta(days=60) for text in ("2m", "5m", "15m", "90m")},
    **{text: timedelta(days=730) for text in ("60m", "1h")},
    "1d": None,
}
_BEGINNING = datetime(1925, 1, 1, tzinfo=UTC)
_MARGIN = timedelta(minutes=5)
# Asked for again before the last bar that is there, since Yahoo corrects.
_OVERLAP = timedelta(days=3)
_DAILY_OVERLAP = timedelta(days=21)
_LONGEST_DAY = timedelta(days=2)


class YahooSource:
    """Bars of Yahoo Finance.

    Everything is asked for at once and up to now, so each document tells the splits of all that
    came after its bars, by which Yahoo adjusts them.

    Knowability: a bar is known its close plus the publication delay.

    Parameters
    ----------
    options : YahooOptions
        What to ask for.
    """

    name = "yahoo"
    live = True
    simulated = False

    def __init__(self, options: YahooOptions) -> None:
        self.options = options

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that the options name."""
        return tuple(sorted(set(self.options.symbols)))

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars; nobody is asked."""
        known = self.symbols()
        if (known and symbol not in known) or not is_symbol(symbol):
            where = "source.yahoo.symbols" if known else "source yahoo, which writes AAPL or ^GSPC"
            raise UnknownNameError("instrument", symbol, known or ("AAPL", "^GSPC"), where)
        habits = habits_of(symbol)
        calendar = self.options.calendars.get(symbol, habits[0] if habits else None)
        if calendar is None:
            raise UsageError(
                f"the exchange of {symbol} is not known: name its calendar in "
                f"source.yahoo.calendars, such as {{{symbol}: XNYS}}"
            )
        return Instrument(
            symbol=symbol,
            calendar=calendar,
            publication_delay=self.options.publication_delay,
            currency=habits[1] if habits else "USD",
            may_be_negative=symbol in self.options.may_be_negative,
            description=f"{symbol} from Yahoo",
        )

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Get the chart document of a symbol; see :class:`truecast.sources.base.Source`."""
        if str(interval) not in REACH:
            instead = "; its 30m bars are wrong, take 15m" if str(interval) == "30m" else ""
            raise UsageError(
                f"source yahoo has no bars of {interval}{instead}: expected one of "
                f"{', '.join(REACH)}"
            )
        calendar = get_calendar(self.instrument(symbol).calendar)
        now = clock.now()
        start, gap = self._begin(interval, since, now)
        client = YahooClient(self.options.base_url)
        chart = client.chart(symbol, interval, calendar.zone, start, now)
        yield chart.as_payload(
            source=self.name,
            symbol=symbol,
            interval=str(interval),
            request={"url": chart.url} | ({"gap": gap} if gap else {}),
            # A bar that began before the start is not in the document, though it ends after it.
            covers=(
                min(start + (_LONGEST_DAY if interval.is_daily else interval.length), now),
                now,
            ),
        )

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        try:
            chart = read_chart(parse_json(payload.content))
        except ValueError as error:
            raise SourceError(
                f"Yahoo chart of {payload.symbol}: expected JSON, got {error}"
            ) from None
        instrument = self.instrument(payload.symbol)
        notes = self._check_exchange(instrument, chart.meta)
        if gap := payload.request.get("gap"):
            notes.append(gap)
        parsed = parse_chart(chart, Interval(payload.interval), get_calendar(instrument.calendar))
        return Parsed(parsed.bars, parsed.actions, parsed.repairs, (*notes, *parsed.notes))

    def _begin(
        self, interval: Interval, since: datetime | None, now: datetime
    ) -> tuple[datetime, str]:
        """Return from when to ask, and what cannot be had, in words."""
        reach = REACH[str(interval)]
        earliest = _BEGINNING if reach is None else now - reach + _MARGIN
        if since is not None:
            start = since - (_DAILY_OVERLAP if interval.is_daily else _OVERLAP)
        elif self.options.start is not None and interval.is_daily:
            start = datetime.combine(self.options.start, time(), UTC)
        else:
            start = earliest
        if start >= now:
            raise UsageError(f"source.yahoo: start {start:%Y-%m-%d} lies in the future")
        lost = since is not None and since < earliest
        gap = f"Yahoo has no {interval} bars before {earliest:%Y-%m-%d %H:%M}: some are lost"
        return max(start, earliest), gap if lost else ""

    def _check_exchange(self, instrument: Instrument, meta: Mapping[str, Any]) -> list[str]:
        """Refuse a document of another exchange than the calendar's, unless the options say so."""
        exchange = str(meta.get("exchangeName"))
        theirs = EXCHANGES.get(exchange)
        if theirs == instrument.calendar or instrument.symbol in self.options.calendars:
            return []
        if theirs is None:
            return [f"Yahoo's exchange {exchange} is not known; read as {instrument.calendar}"]
        raise SourceError(
            f"Yahoo says that {instrument.symbol} trades at {exchange}, whose calendar is "
            f"{theirs}, but it was taken for {instrument.calendar}: set source.yahoo.calendars to "
            f"{{{instrument.symbol}: {theirs}}}"
        )


def open_yahoo(options: Mapping[str, Any]) -> YahooSource:
    """Open Yahoo.

    Parameters
    ----------
    options : mapping
        See :class:`truecast.sources.yahoo.options.YahooOptions`.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value.
    """
    return YahooSource(read_options(YahooOptions, options, "source.yahoo"))
