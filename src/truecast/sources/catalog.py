"""Open the sources that a recipe names: one of bars, and those of news."""

from collections.abc import Callable, Mapping
from typing import Any

from truecast.core.names import Registry
from truecast.core.recipe import Choice
from truecast.sources.alphavantage.source import open_alphavantage
from truecast.sources.base import NewsSource, Source
from truecast.sources.files.source import open_files
from truecast.sources.finnhub.source import open_finnhub
from truecast.sources.gdelt.source import open_gdelt
from truecast.sources.newsfiles.source import open_news_files
from truecast.sources.oanda.source import open_oanda
from truecast.sources.rss.source import open_rss
from truecast.sources.sample.source import open_sample
from truecast.sources.simulated.news import open_simulated_news
from truecast.sources.simulated.source import open_simulated
from truecast.sources.yahoo.source import open_yahoo

SOURCES: Registry[Callable[[Mapping[str, Any]], Source]] = Registry(
    "source",
    {
        "files": open_files,
        "oanda": open_oanda,
        "sample": open_sample,
        "simulated": open_simulated,
        "yahoo": open_yahoo,
    },
)

NEWS_SOURCES: Registry[Callable[[Mapping[str, Any]], NewsSource]] = Registry(
    "news source",
    {
        "alphavantage": open_alphavantage,
        "files": open_news_files,
        "finnhub": open_finnhub,
        "gdelt": open_gdelt,
        "rss": open_rss,
        "simulated": open_simulated_news,
    },
)


def open_source(choice: Choice) -> Source:
    """Open a source by its name and options.

    Parameters
    ----------
    choice : Choice
        The recipe's ``source``.

    Raises
    ------
    UnknownNameError
        If there is no such source; the message gives the nearest one.
    UsageError
        If an option is unknown or has no valid value.
    """
    return SOURCES.find(choice.name, "source")(choice.parameters)


def open_news_source(choice: Choice) -> NewsSource:
    """Open a source of news by its name and options.

    Parameters
    ----------
    choice : Choice
        One of the recipe's ``news``.

    Raises
    ------
    UnknownNameError
        If there is no such source; the message gives the nearest one.
    UsageError
        If an option is unknown or has no valid value.

    Notes
    -----
    A vendor's key is read from the settings when the vendor is asked, not here.
    """
    return NEWS_SOURCES.find(choice.name, "news")(choice.parameters)
