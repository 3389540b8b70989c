"""Finnhub as a source of news."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from truecast.core import clock
from truecast.core.news import NEWS
from truecast.sources.base import Payload, Windows
from truecast.sources.finnhub.client import FinnhubClient
from truecast.sources.finnhub.options import FinnhubOptions
from truecast.sources.finnhub.parse import parse_articles
from truecast.sources.options import fingerprint, read_options
from truecast.sources.windows import Grid, Window, first_moment, floor, walk

_A_DAY = timedelta(days=1)
_GRID = Grid(usual=timedelta(days=7), finest=_A_DAY, settles=timedelta(hours=6))
_DEFAULT_REACH = timedelta(days=365)
# Finnhub cuts long answers, the oldest articles first, at a length that it does not state.
_MANY = 100


class FinnhubSource:
    """News of companies.

    Knowability: an article is known from its receipt on.

    Parameters
    ----------
    options : FinnhubOptions
        What to ask for.
    """

    live = True
    simulated = False

    def __init__(self, options: FinnhubOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: other companies are another source."""
        return f"finnhub-{fingerprint(self.options, 'symbols')}"

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Get the articles of what is missing; see :class:`truecast.sources.base.NewsSource`.

        Weeks are asked for, the oldest first, and halved down to a day where so many articles
        came that the answer may have been cut.
        """
        client = FinnhubClient(self.options)

        def ask(window: Window, symbol: str) -> tuple[Payload, bool]:
            request = client.request(symbol, *window)
            answer, count = client.ask(request)
            payload = answer.as_payload(
                source=self.name,
                symbol=symbol,
                interval=NEWS,
                request={"url": client.url, **request},
            )
            return payload, count >= _MANY

        now = clock.now()
        start = first_moment(self.options.start, now, _DEFAULT_REACH)
        # Days are whole: today is asked for to its end, and again tomorrow.
        yield from walk(
            (start, floor(now, _A_DAY) + _A_DAY), done, _GRID, self.options.symbols, ask
        )

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows; see :class:`truecast.sources.base.NewsSource`."""
        return parse_articles(payload)


def open_finnhub(options: Mapping[str, Any]) -> FinnhubSource:
    """Open Finnhub's news; its key is read when it is asked.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value.
    """
    return FinnhubSource(read_options(FinnhubOptions, options, "news.finnhub"))
