"""From sources to the lake: what they have is kept, read, and taken in."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import zip_longest

from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.bars import Receipt
from truecast.lake.bronze import Bronze
from truecast.lake.errors import LakeError
from truecast.lake.growth import SeriesKey
from truecast.lake.intake import Arrival, Intake
from truecast.lake.schemas import series_key
from truecast.lake.summary import IngestSummary
from truecast.lake.tables import Snapshot
from truecast.sources.base import Parsed, Payload, Source, SourceError

#: After how long nobody else is asked, and what has come is taken in. A request that is under way
#: then is not broken off: what came waits until it has ended, or has failed.
TOGETHER_SECONDS = 0.5


class Ingestion:
    """Bars on their way into the lake; :class:`truecast.lake.lake.Lake` says what each does.

    Parameters
    ----------
    bronze : Bronze
        Keeps payloads.
    intake : Intake
        Takes in what they say.
    """

    def __init__(self, bronze: Bronze, intake: Intake) -> None:
        self._bronze, self._intake = bronze, intake

    def last_close(self, series: Mapping[str, str]) -> datetime | None:
        """Return the close of the newest bar of a series; None if there is none."""
        last: datetime | None = self._intake.bars.last(series, "event_time")
        return last

    def last_closes(self) -> dict[SeriesKey, datetime]:
        """Return the close of the newest bar of each series that is there."""
        bars = self._intake.bars
        delta = bars.find()
        return {} if delta is None else Snapshot(bars, delta).lasts("event_time")  # type: ignore[return-value]

    def all_of(
        self,
        source: Source,
        symbol: str,
        interval: Interval,
        start: date | None,
        tell: Callable[[IngestSummary], None] = lambda _: None,
    ) -> IngestSummary:
        """Fetch a symbol's bars; see :meth:`truecast.lake.lake.Lake.ingest`."""
        instrument = source.instrument(symbol)
        series = series_key(source.name, symbol, interval)
        since = self.last_close(series)
        if since is None and start is not None:
            since = datetime(start.year, start.month, start.day, tzinfo=UTC)
        summary = IngestSummary()
        try:
            for payload in source.fetch(symbol, interval, since):
                name = self._bronze.keep(payload)
                receipt = _receipt(payload, name, instrument, source.simulated, source.live)
                known = self._intake.find(payload, receipt)
                summary += known or self._intake.take_in(source.parse(payload), receipt, payload)
                tell(summary)
        except SourceError as error:
            self._intake.incidents.note_failure(series, error, since)
            raise
        return summary

    def store(
        self, payload: Payload, parsed: Parsed, instrument: Instrument, simulated: bool, live: bool
    ) -> IngestSummary:
        """Take in what is fetched already; see :meth:`truecast.lake.lake.Lake.store`."""
        name = self._bronze.keep(payload)
        receipt = _receipt(payload, name, instrument, simulated, live)
        return self._intake.take_in(parsed, receipt, payload)

    def newest_of(
        self, source: Source, symbols: Sequence[str], interval: Interval, start: date | None
    ) -> dict[str, IngestSummary | Exception]:
        """Fetch what is new; see :meth:`truecast.lake.lake.Lake.ingest_newest`."""
        closes = self.last_closes()
        last = {one: closes.get((source.name, one, str(interval))) for one in symbols}
        found: dict[str, IngestSummary | Exception] = {}
        came: list[tuple[str, Payload]] = []
        begun = time.monotonic()
        for symbol, since in last.items():
            found[symbol] = IngestSummary()
            try:
                if since is None:
                    found[symbol] = self.all_of(source, symbol, interval, start)
                else:
                    for payload in source.fetch(symbol, interval, since):
                        came.append((symbol, payload))
            except Exception as error:  # noqa: BLE001 - whoever asked for it is told
                found[symbol] = error
            if time.monotonic() - begun > TOGETHER_SECONDS:
                break
        found |= self._take_in_newest(source, came, found)
        for symbol, outcome in found.items():
            # What a backfill did not do has been noted by it.
            if isinstance(outcome, SourceError) and (since := last[symbol]) is not None:
                series = series_key(source.name, symbol, interval)
                self._intake.incidents.note_failure(series, outcome, since)
        return found

    def _take_in_newest(
        self,
        source: Source,
        came: Sequence[tuple[str, Payload]],
        fetched: Mapping[str, IngestSummary | Exception],
    ) -> dict[str, IngestSummary | Exception]:
        """Keep payloads and take them in; of each symbol as far as its first that cannot be."""
        names = self._bronze.keep_all([payload for _, payload in came]) if came else []
        found, arrived = dict(fetched), list[tuple[str, Arrival]]()
        stopped: set[str] = set()
        for (symbol, payload), name in zip(came, names, strict=True):
            if symbol in stopped:
                continue
            try:
                instrument = source.instrument(symbol)
                receipt = _receipt(payload, name, instrument, source.simulated, source.live)
                arrived.append((symbol, Arrival(source.parse(payload), receipt, payload)))
            except Exception as error:  # noqa: BLE001 - whoever asked for it is told
                stopped.add(symbol)
                found[symbol] = error
        stopped.clear()
        for some in _rounds(arrived):
            going = [(symbol, one) for symbol, one in some if symbol not in stopped]
            taken = self._taken_in([one for _, one in going])
            for (symbol, _), outcome in zip(going, taken, strict=True):
                before = found[symbol]
                if isinstance(outcome, Exception):
                    stopped.add(symbol)
                    found[symbol] = outcome
                elif isinstance(before, IngestSummary):
                    found[symbol] = before + outcome
        return found

    def _taken_in(self, arrivals: Sequence[Arrival]) -> list[IngestSummary | Exception]:
        """Take payloads in together; one by one if anything in them was not foreseen."""
        if not arrivals:
            return []
        try:
            return [*self._intake.take_in_all(arrivals)]
        except LakeError:
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked for it is told
            if len(arrivals) == 1:
                return [error]
        return [outcome for one in arrivals for outcome in self._taken_in([one])]


def _rounds(came: Sequence[tuple[str, Arrival]]) -> Iterator[list[tuple[str, Arrival]]]:
    """Yield the first payload of each symbol, then the second of each, and so on."""
    of: defaultdict[str, list[tuple[str, Arrival]]] = defaultdict(list)
    for one in came:
        of[one[0]].append(one)
    for some in zip_longest(*of.values()):
        yield [one for one in some if one is not None]


def _receipt(
    payload: Payload, name: str, instrument: Instrument, simulated: bool, live: bool
) -> Receipt:
    return Receipt(
        source=payload.source,
        interval=Interval(payload.interval),
        instrument=instrument,
        payload=name,
        received_at=payload.received_at,
        simulated=simulated,
        live=live,
    )
