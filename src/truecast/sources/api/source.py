"""What is pushed, as a source of bars and one of news."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from truecast.core import clock
from truecast.core.calendars import get_calendar
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.core.news import NEWS
from truecast.sources.api.options import NAME, ApiOptions
from truecast.sources.api.parse import parse_articles, parse_bars
from truecast.sources.base import Parsed, Payload, Windows
from truecast.sources.options import Options, read_options
from truecast.sources.windows import gaps

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_JSON = "application/json"


class ApiSource:
    """Bars that are posted.

    Knowability: a bar is known at its close and the publication delay of the options. One that
    came before the next one's close is ``observed``, an older one ``assumed``.

    Parameters
    ----------
    options : ApiOptions
        How they are meant.
    """

    live = True
    simulated = False

    def __init__(self, options: ApiOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: ``api``, and six digits of options that are not their defaults."""
        return self.options.name

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that the options name."""
        return tuple(sorted(set(self.options.instruments)))

    def instrument(self, symbol: str) -> Instrument:
        """Return what must be known of a symbol to read its bars."""
        options = self.options
        options.require_symbol(symbol)
        return Instrument(
            symbol=symbol,
            calendar=options.calendar,
            publication_delay=options.publication_delay,
            currency=options.currency,
            may_be_negative=options.may_be_negative,
            description=f"{symbol}, posted to the API",
        )

    def fetch(
        self, symbol: str, interval: Interval, since: datetime | None = None
    ) -> Iterator[Payload]:
        """Return nothing: this source is told, and cannot be asked."""
        del interval, since
        self.instrument(symbol)
        return iter(())

    def posted(self, symbol: str, interval: Interval, bars: Sequence[Mapping[str, Any]]) -> Payload:
        """Make a payload of posted bars.

        Parameters
        ----------
        symbol, interval : str, Interval
            The series.
        bars : sequence of mapping
            As :func:`truecast.sources.api.parse.parse_bars` reads them.
        """
        return Payload(
            source=self.name,
            symbol=symbol,
            interval=str(interval),
            request={"route": "POST /bars"},
            content=json.dumps({"bars": list(bars)}).encode(),
            media_type=_JSON,
            received_at=clock.now(),
        )

    def parse(self, payload: Payload) -> Parsed:
        """Turn a payload into rows; see :class:`truecast.sources.base.Source`."""
        calendar = get_calendar(self.options.calendar)
        return Parsed(parse_bars(payload.content, Interval(payload.interval), calendar))


class ApiNews:
    """Articles that are posted.

    Knowability: an article is known from its receipt on.

    Parameters
    ----------
    articles : sequence of mapping
        What was posted just now, as :func:`truecast.sources.api.parse.parse_articles` reads it.
    """

    name = NAME
    live = True
    simulated = False

    def __init__(self, articles: Sequence[Mapping[str, Any]] = ()) -> None:
        self._articles = articles

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Hand over what was posted; without any say that up to now all of it was taken in."""
        now = clock.now()
        posted = json.dumps({"articles": list(self._articles)}).encode()
        spans: Sequence[tuple[datetime, datetime] | None] = [None]
        if not self._articles:
            spans = gaps(_BEGINNING, now, done)
        for span in spans:
            yield Payload(
                source=self.name,
                symbol="posted",
                interval=NEWS,
                request={"route": "POST /news"},
                content=posted,
                media_type=_JSON,
                received_at=now,
                covers=span,
            )

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows; see :class:`truecast.sources.base.NewsSource`."""
        return parse_articles(payload.content)


def open_api(options: Mapping[str, Any]) -> ApiSource:
    """Open the bars that are posted.

    Parameters
    ----------
    options : mapping
        See :class:`truecast.sources.api.options.ApiOptions`.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value.
    """
    return ApiSource(read_options(ApiOptions, options, "source.api"))


def open_api_news(options: Mapping[str, Any]) -> ApiNews:
    """Open the articles that are posted, which have no options.

    Raises
    ------
    UsageError
        If any are given.
    """
    read_options(Options, options, "news.api")
    return ApiNews()
