"""GDELT as a source of news."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from truecast.core import clock
from truecast.core.news import NEWS
from truecast.sources.base import Payload, Windows
from truecast.sources.gdelt.client import MOST, GdeltClient
from truecast.sources.gdelt.options import GdeltOptions
from truecast.sources.gdelt.parse import STEP, parse_articles
from truecast.sources.options import fingerprint, read_options
from truecast.sources.windows import Grid, Window, first_moment, floor, walk

_GRID = Grid(usual=timedelta(days=7), finest=STEP, settles=timedelta(hours=1))
_DEFAULT_REACH = timedelta(days=90)


class GdeltSource:
    """Headlines that GDELT found for a query.

    Knowability: an article is known when GDELT first saw it, by its own account.

    Parameters
    ----------
    options : GdeltOptions
        What to look for.
    """

    live = True
    simulated = False

    def __init__(self, options: GdeltOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: another query is another source."""
        return f"gdelt-{fingerprint(self.options, 'query', 'domains', 'language')}"

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Get the articles of what is missing; see :class:`truecast.sources.base.NewsSource`.

        Weeks are asked for, the oldest first, and halved down to a quarter of an hour where more
        than 250 articles were found.
        """
        client = GdeltClient(self.options)

        def ask(window: Window, query: str) -> tuple[Payload, bool]:
            request = client.request(*window)
            answer, count = client.ask(request)
            payload = answer.as_payload(
                source=self.name,
                symbol=query,
                interval=NEWS,
                request={"url": self.options.base_url, **request},
            )
            return payload, count >= MOST

        now = floor(clock.now(), STEP)
        yield from walk(
            (first_moment(self.options.start, now, _DEFAULT_REACH), now),
            done,
            _GRID,
            [self.options.asked],
            ask,
        )

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows; see :class:`truecast.sources.base.NewsSource`."""
        return parse_articles(payload)


def open_gdelt(options: Mapping[str, Any]) -> GdeltSource:
    """Open GDELT.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value, or GDELT would not take the query.
    """
    return GdeltSource(read_options(GdeltOptions, options, "news.gdelt"))
