"""Open the scorer of texts that a recipe names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from truecast.core.names import Registry
from truecast.core.recipe_parts import Choice
from truecast.core.settings import load_settings
from truecast.sentiment.base import Scorer
from truecast.sentiment.lexicon import open_lexicon


def _lexicon(options: Mapping[str, Any], _: Path) -> Scorer:
    return open_lexicon(options)


def _finbert(options: Mapping[str, Any], models: Path) -> Scorer:
    # Here, since asking a hub needs what a lexicon does not.
    from truecast.sentiment.finbert import open_finbert

    return open_finbert(options, models)


SCORERS: Registry[Callable[[Mapping[str, Any], Path], Scorer]] = Registry(
    "scorer", {"finbert": _finbert, "lexicon": _lexicon}
)


def open_scorer(choice: Choice, home: Path | None = None) -> Scorer:
    """Open a scorer by its name and options; nothing is downloaded until it is used.

    Parameters
    ----------
    choice : Choice
        The recipe's ``sentiment``.
    home : Path or None
        The home whose folder ``models`` keeps what is downloaded; None for that of the settings.

    Raises
    ------
    UnknownNameError
        If there is no such scorer; the message gives the nearest one.
    UsageError
        If an option is unknown or has no valid value, or a folder lacks what it should hold.
    """
    kept_in = (home or load_settings().home) / "models"
    return SCORERS.find(choice.name, "sentiment")(choice.parameters, kept_in)
