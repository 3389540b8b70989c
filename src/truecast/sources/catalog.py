"""Open the source that a recipe names."""

from collections.abc import Callable, Mapping
from typing import Any

from truecast.core.names import Registry
from truecast.core.recipe import Choice
from truecast.sources.base import Source
from truecast.sources.files.source import open_files
from truecast.sources.sample.source import open_sample

SOURCES: Registry[Callable[[Mapping[str, Any]], Source]] = Registry(
    "source", {"files": open_files, "sample": open_sample}
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
