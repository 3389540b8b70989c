"""Alpha Vantage as a source of news."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from truecast.core import clock
from truecast.core.news import NEWS
from truecast.sources.alphavantage.client import MOST, AlphaVantageClient
from truecast.sources.alphavantage.options import AlphaVantageOptions
from truecast.sources.alphavantage.parse import parse_articles
from truecast.sources.base import Payload, Windows
from truecast.sources.options import fingerprint, read_options
from truecast.sources.windows import Grid, Window, first_moment, floor, walk

_HOUR = timedelta(hours=1)
# A month a request: there are 25 a day.
_GRID = Grid(usual=timedelta(days=30), finest=_HOUR, settles=_HOUR)
_DEFAULT_REACH = timedelta(days=30)


class AlphaVantageSource:
    """Articles with the vendor's scores.

    Knowability: an article, and its score, is known from its receipt on.

    Parameters
    ----------
    options : AlphaVantageOptions
        What to ask for.
    """

    live = True
    simulated = False

    def __init__(self, options: AlphaVantageOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: other symbols or topics are another source."""
        return f"alphavantage-{fingerprint(self.options, 'symbols', 'topics')}"

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Get the articles of what is missing; see :class:`truecast.sources.base.NewsSource`.

        Months are asked for, the oldest first, and halved down to an hour where they come full.
        """
        client = AlphaVantageClient(self.options)

        def ask(window: Window, symbol: str) -> tuple[Payload, bool]:
            request = client.request(symbol, *window)
            answer, count = client.ask(request)
            payload = answer.as_payload(
                source=self.name,
                symbol=symbol or ",".join(self.options.topics),
                interval=NEWS,
                request={"url": self.options.base_url, **request},
            )
            return payload, count >= MOST

        now = floor(clock.now(), timedelta(minutes=1))
        span = (first_moment(self.options.start, now, _DEFAULT_REACH), now)
        yield from walk(span, done, _GRID, self.options.symbols or ("",), ask)

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows; see :class:`truecast.sources.base.NewsSource`."""
        return parse_articles(payload)


def open_alphavantage(options: Mapping[str, Any]) -> AlphaVantageSource:
    """Open Alpha Vantage's news; its key is read when it is asked.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value.
    """
    return AlphaVantageSource(read_options(AlphaVantageOptions, options, "news.alphavantage"))
