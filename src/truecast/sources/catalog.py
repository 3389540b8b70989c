"""Open the sources that a recipe names: one of bars, and those of news."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from truecast.core.names import Registry
from truecast.core.recipe_parts import Choice
from truecast.sources.base import NewsSource, Source


def _opener(module: str, name: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return what opens a source, imported when it is called: HTTP clients take their time."""

    def open_by(options: Mapping[str, Any]) -> Any:
        return getattr(import_module(f"truecast.sources.{module}"), name)(options)

    return open_by


SOURCES: Registry[Callable[[Mapping[str, Any]], Source]] = Registry(
    "source",
    {
        "api": _opener("api.source", "open_api"),
        "files": _opener("files.source", "open_files"),
        "oanda": _opener("oanda.source", "open_oanda"),
        "sample": _opener("sample.source", "open_sample"),
        "simulated": _opener("simulated.source", "open_simulated"),
        "yahoo": _opener("yahoo.source", "open_yahoo"),
    },
)

NEWS_SOURCES: Registry[Callable[[Mapping[str, Any]], NewsSource]] = Registry(
    "news source",
    {
        "alphavantage": _opener("alphavantage.source", "open_alphavantage"),
        "api": _opener("api.source", "open_api_news"),
        "files": _opener("newsfiles.source", "open_news_files"),
        "finnhub": _opener("finnhub.source", "open_finnhub"),
        "gdelt": _opener("gdelt.source", "open_gdelt"),
        "rss": _opener("rss.source", "open_rss"),
        "simulated": _opener("simulated.news", "open_simulated_news"),
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
