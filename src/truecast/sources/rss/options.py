"""What a recipe may say about feeds."""

from urllib.parse import urlencode

from pydantic import Field, model_validator

from truecast.core.strict import Number
from truecast.sources.options import Address, Options

#: Yahoo's headlines of a symbol.
YAHOO = "https://feeds.finance.yahoo.com/rss/2.0/headline"


class RssOptions(Options):
    """Which feeds to read.

    Parameters
    ----------
    urls : tuple of str
        Feeds. One that needs a key in its address is not for here: addresses are kept.
    symbols : tuple of str
        Symbols whose headlines Yahoo is asked for, such as ``GC=F``.
    yahoo_url : str
        Where Yahoo's headlines are asked for.
    seconds_between_requests : float
        Shortest time between two requests to one host.
    """

    urls: tuple[Address, ...] = ()
    symbols: tuple[str, ...] = ()
    yahoo_url: Address = YAHOO
    seconds_between_requests: Number = Field(default=2.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _something_is_asked(self) -> "RssOptions":
        if not self.urls and not self.symbols:
            raise ValueError("say what to read: urls of feeds, or symbols for Yahoo's headlines")
        return self

    @property
    def feeds(self) -> dict[str, str]:
        """What each feed is called, a symbol or its address, to its address."""
        regional = {"region": "US", "lang": "en-US"}
        headlines = {
            symbol: f"{self.yahoo_url}?{urlencode({'s': symbol, **regional})}"
            for symbol in self.symbols
        }
        return {**{url: url for url in self.urls}, **headlines}
