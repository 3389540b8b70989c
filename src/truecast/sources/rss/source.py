"""Feeds as a source of news."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from truecast.core.news import NEWS
from truecast.sources.base import Payload, SourceError, Windows
from truecast.sources.options import fingerprint, read_options
from truecast.sources.rss.client import RssClient
from truecast.sources.rss.options import RssOptions
from truecast.sources.rss.parse import parse_feed


class RssSource:
    """What is newest in some feeds.

    Knowability: an article is known from its receipt on.

    Parameters
    ----------
    options : RssOptions
        Which feeds.
    """

    live = True
    simulated = False

    def __init__(self, options: RssOptions) -> None:
        self.options = options

    @property
    def name(self) -> str:
        """Effective name: other feeds are another source."""
        return f"rss-{fingerprint(self.options, 'urls', 'symbols')}"

    def fetch(self, done: Windows = ()) -> Iterator[Payload]:
        """Read each feed once; see :class:`truecast.sources.base.NewsSource`.

        A feed that cannot be read does not keep the others away: it is told when they are in.
        """
        del done  # a feed has no history
        client = RssClient(self.options)
        errors: list[SourceError] = []
        for symbol, url in self.options.feeds.items():
            try:
                answer = client.ask(url)
            except SourceError as error:
                errors.append(error)
                continue
            yield answer.as_payload(
                source=self.name,
                symbol=symbol,
                interval=NEWS,
                request={"url": answer.url},
            )
        if len(errors) == 1:
            raise errors[0]
        if errors:
            told = "; ".join(str(error) for error in errors)
            raise SourceError(f"{len(errors)} of {len(self.options.feeds)} feeds: {told}")

    def parse(self, payload: Payload) -> pl.DataFrame:
        """Turn a payload into rows; see :class:`truecast.sources.base.NewsSource`."""
        about = payload.symbol in self.options.symbols
        return parse_feed(payload, [payload.symbol] if about else [])


def open_rss(options: Mapping[str, Any]) -> RssSource:
    """Open some feeds.

    Raises
    ------
    UsageError
        If an option is unknown or has no valid value, or no feed is named.
    """
    return RssSource(read_options(RssOptions, options, "news.rss"))
