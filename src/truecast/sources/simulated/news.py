"""The simulation as a source of news: the articles that move its bars."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from truecast.core import clock
from truecast.core.clock import require_utc, to_datetime64, to_utc
from truecast.core.errors import UsageError
from truecast.core.news import NEWS, PARSED_NEWS, parsed_news
from truecast.sources.base import Payload, SourceError, Windows
from truecast.sources.options import read_options
from truecast.sources.simulated.options import SimulatedOptions
from truecast.sources.simulated.schedule import Schedule, schedule_of
from truecast.sources.simulated.texts import ADDRESS, PUBLISHER, sentiment_of, write_text

#: Longest span of one payload.
_SPAN = timedelta(days=366)
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
#: A span reaches up to its end, not including it.
_INSTANT = timedelta(microseconds=1)


class SimulatedNews:
    """Articles of known sentiment about a simulated market's instruments.

    Knowability: an article is known the stated delay after its publication, and the bars of the
    market of the same options move only then.

    Parameters
    ----------
    options : SimulatedOptions
        The market, with its instruments.
    """

    simulated = True

    def __init__(self, options: SimulatedOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: ``simulated``, and six digits of the market and its instruments."""
        return self.options.news_name

    @property
    def live(self) -> bool:
        """Whether the last day lies ahead."""
        now = clock.now()
        return self._end(now) == now

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Write the articles that are known by now and were not taken in, a year at a time.

        An article belongs to the span in which it becomes known.
        """
        now = clock.now()
        begin, end = _midnight(self.options.start), self._end(now)
        schedules = {
            symbol: schedule_of(self.options, symbol, self.options.last_day or now.date())
            for symbol in self._symbols
        }
        for first, after in _left(begin, end, done):
            articles = sorted(
                (
                    article
                    for symbol, schedule in schedules.items()
                    for article in self._articles(symbol, schedule, first, after)
                ),
                key=lambda article: (article["known_at"], article["id"]),
            )
            yield Payload(
                source=self.name,
                symbol=",".join(self._symbols),
                interval=NEWS,
                request={
                    "process": "simulated",
                    "seed": str(self.options.seed),
                    "from": first.isoformat(),
                    "to": after.isoformat(),
                },
                content=json.dumps({"articles": articles}).encode(),
                media_type="application/json",
                received_at=now,
                covers=(first, after),
            )

    def next_known(self, since: datetime | None) -> datetime:
        """Return when the next article can be had, or when to look again.

        Parameters
        ----------
        since : datetime or None
            Up to when all articles were taken in; None for none of them.
        """
        begin = max(since or _midnight(self.options.start), _midnight(self.options.start))
        last = self.options.last_day or (begin + _WEEK).date()
        known = np.concatenate(
            [schedule_of(self.options, symbol, last).known for symbol in self._symbols]
        )
        ahead = known[known >= to_datetime64(begin)]
        return to_utc(ahead.min()) + _INSTANT if len(ahead) else begin + _WEEK

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Return a payload's articles; see :class:`truecast.sources.base.NewsSource`."""
        try:
            articles = json.loads(payload.content)["articles"]
            return parsed_news([_row(article) for article in articles])
        except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise SourceError(
                f"a payload of the simulation is not JSON with articles that have "
                f"{', '.join(PARSED_NEWS)}: {error!r}; ingest it again"
            ) from error

    @property
    def _symbols(self) -> tuple[str, ...]:
        return self.options.symbols or ()

    def _end(self, now: datetime) -> datetime:
        last = self.options.last_day
        return now if last is None else min(now, _midnight(last + _DAY) + self.options.news_delay)

    def _articles(
        self, symbol: str, schedule: Schedule, first: datetime, after: datetime
    ) -> Iterator[dict[str, Any]]:
        """Yield the articles about a symbol that become known in a span."""
        begin, end = (to_datetime64(moment) for moment in (first, after))
        places = np.flatnonzero((schedule.known >= begin) & (schedule.known < end))
        for place in places.tolist():
            sentiment = float(schedule.sentiment[place])
            text = write_text(sentiment_of(sentiment), symbol, place)
            # Counted from the first one about the symbol: none shares its number.
            id_ = f"{self.options.name}-{symbol}-{place}"
            yield {
                "id": id_,
                "url": f"{ADDRESS}/{self.options.name}/{symbol.encode().hex()}/{place}",
                "title": text.title,
                "summary": text.body,
                "symbol": symbol,
                "score": sentiment,
                "published_at": to_utc(schedule.published[place]).isoformat(),
                "known_at": to_utc(schedule.known[place]).isoformat(),
            }


def _row(article: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "published_at": datetime.fromisoformat(article["published_at"]),
        "known_at": datetime.fromisoformat(article["known_at"]),
        "title": article["title"],
        "summary": article["summary"],
        "url": article["url"],
        "publisher": PUBLISHER,
        "language": "en",
        "symbols": [article["symbol"]],
        "vendor_id": article["id"],
        "vendor_score": article["score"],
        "vendor_label": sentiment_of(article["score"]),
    }


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _left(begin: datetime, end: datetime, done: Windows) -> Iterator[tuple[datetime, datetime]]:
    """Yield what is left of a span without those that are done, in pieces of a year at most."""
    for first, after in [*sorted((require_utc(a), require_utc(b)) for a, b in done), (end, end)]:
        stop = min(first, end)
        while begin < stop:
            until = min(begin + _SPAN, stop)
            yield begin, until
            begin = until
        begin = max(begin, after)


def open_simulated_news(options: Mapping[str, Any]) -> SimulatedNews:
    """Open the news of a simulated market.

    Parameters
    ----------
    options : mapping
        Those of the bars, with ``instruments``.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value, or no instruments are given.
    """
    checked = read_options(SimulatedOptions, options, "news.simulated")
    if checked.symbols is None:
        raise UsageError(
            "news.simulated: say whose news it is, such as instruments: [^GSPC]; the other "
            "options are those of source.simulated, so that these bars move by it"
        )
    return SimulatedNews(checked)
