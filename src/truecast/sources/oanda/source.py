"""OANDA as a source."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Any

from truecast.core import clock
from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.settings import load_settings
from truecast.sources.base import Parsed, Payload
from truecast.sources.http import AnswerError, EmptyError
from truecast.sources.http.reading import parse_json
from truecast.sources.oanda.client import LIVE, MOST_CANDLES, PRACTICE, OandaClient
from truecast.sources.oanda.options import OandaOptions
from truecast.sources.oanda.parse import moment_of, parse_candles
from truecast.sources.options import read_options

#: Length of a candle to what OANDA calls it.
GRANULARITIES = {
    **{timedelta(minutes=n): f"M{n}" for n in (1, 2, 4, 5, 10, 15, 30)},
    **{timedelta(hours=n): f"H{n}" for n in (1, 2, 3, 4, 6, 8, 12)},
    timedelta(days=1): "D",
}
_SYMBOL = re.compile(r"[A-Z0-9]{1,12}_[A-Z0-9]{1,6}")
# Asked for again before the last bar that is there: corrections, and always some candle.
_OVERLAP = timedelta(days=4)
_DAILY_OVERLAP = timedelta(days=14)


class OandaSource:
    """Candles of OANDA.

    Knowability: a candle is known at its end, when OANDA calls it complete.

    Parameters
    ----------
    options : OandaOptions
        What to ask for.
    """

    live = True
    simulated = False

    def __init__(self, options: OandaOptions) -> None:
        self.options = options

    @cached_property
    def name(self) -> str:
        """``oanda``; the live environment's prices and other sides are series of their own."""
        live = "-live" if load_settings().oanda_live else ""
        sides = "" if self.options.price == "MBA" else f"-{self.options.price.lower()}"
        return f"oanda{live}{sides}"

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that the options name."""
        return tuple(sorted(set(self.options.symbols)))

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars."""
        known = self.symbols()
        if (known and symbol not in known) or not _SYMBOL.fullmatch(symbol):
            where = "source.oanda.symbols" if known else "source oanda, which writes EUR_USD"
            raise UnknownNameError("instrument", symbol, known or ("EUR_USD",), where)
        return Instrument(
            symbol=symbol,
            calendar=self.options.calendars.get(symbol, "FX"),
            publication_delay=timedelta(),
            currency=symbol.rpartition("_")[2],
            description=f"{symbol} at OANDA; volume is the number of price updates",
        )

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Get candles window by window; see :class:`truecast.sources.base.Source`.

        A window without candles is an answer too: nothing traded. That all windows are without
        any is an :class:`~truecast.sources.http.EmptyError`.
        """
        granularity = GRANULARITIES.get(interval.length)
        if granularity is None:
            raise UsageError(
                f"source oanda has no candles of {interval}: expected one of "
                f"{', '.join(sorted(GRANULARITIES.values()))}"
            )
        self.instrument(symbol)
        settings = load_settings()
        base_url = self.options.base_url or (LIVE if settings.oanda_live else PRACTICE)
        client = OandaClient(base_url, settings)
        now = clock.now()
        first = start = self._begin(interval, since, now)
        found = 0
        is_last = False
        while not is_last:
            end = min(start + MOST_CANDLES * interval.length, now)
            is_last = end == now
            answer, document, end = client.candles(
                symbol, granularity, self.options.price, start, end
            )
            candles = document["candles"]
            found += len(candles)
            yield answer.as_payload(
                source=self.name,
                symbol=symbol,
                interval=str(interval),
                request={"url": answer.url},
                # Of the bars that close in it: candles are asked for by where they start.
                covers=(
                    min(start + interval.length, now),
                    min(_settled(candles, end) + interval.length, now),
                ),
            )
            start = end
        if not found:
            raise EmptyError(
                f"OANDA has no candles of {symbol} ({interval}) between {first:%Y-%m-%d} and "
                f"{now:%Y-%m-%d}: expected some; is it traded, or has it moved to another name?"
            )

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        try:
            candles = list(parse_json(payload.content)["candles"])
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError(
                f"OANDA candles of {payload.symbol}: expected a list of candles "
                f"({type(error).__name__}: {error})"
            ) from None
        calendar = get_calendar(self.instrument(payload.symbol).calendar)
        return parse_candles(candles, Interval(payload.interval), calendar)

    def _begin(self, interval: Interval, since: datetime | None, now: datetime) -> datetime:
        """Return from when to ask, on a whole UTC day."""
        if since is not None:
            begin = since - (_DAILY_OVERLAP if interval.is_daily else _OVERLAP)
        elif self.options.start is not None:
            begin = datetime.combine(self.options.start, time(), UTC)
        else:
            begin = now - timedelta(days=365.25) * self.options.years
        if begin >= now:
            raise UsageError(f"source.oanda: start {begin:%Y-%m-%d} lies in the future")
        return begin.replace(hour=0, minute=0, second=0, microsecond=0)


def _settled(candles: Sequence[Any], end: datetime) -> datetime:
    """Return until when all is said: where the first candle starts that is not complete."""
    try:
        unfinished = [
            moment_of(candle["time"])
            for candle in candles
            if isinstance(candle, dict) and candle.get("complete") is False and "time" in candle
        ]
    except ValueError as error:
        raise AnswerError(f"OANDA candle that is not complete: {error}") from None
    return min([end, *unfinished])


def open_oanda(options: Mapping[str, Any]) -> OandaSource:
    """Open OANDA.

    Parameters
    ----------
    options : mapping
        See :class:`truecast.sources.oanda.options.OandaOptions`.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value.
    """
    return OandaSource(read_options(OandaOptions, options, "source.oanda"))
