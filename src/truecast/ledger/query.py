"""Which forecasts are asked for, and what comes back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from truecast.core.forecast import Forecast, Mode, Outcome


@dataclass(frozen=True)
class Query:
    """Which forecasts of the ledger are wanted: those that agree with all that is given.

    Parameters
    ----------
    slot, recipe, source, instrument, target : str or None
        As in the forecast.
    mode : str or None
        As in the forecast; None for all modes.
    recipe_hash : str or None
        Forecasts by one version of a recipe only.
    since, until : datetime or None
        First and last ``as_of``, both included; with their time zone.
    limit : int or None
        So many at most, the newest of them.
    """

    slot: str | None = None
    recipe: str | None = None
    source: str | None = None
    instrument: str | None = None
    target: str | None = None
    mode: Mode | None = None
    recipe_hash: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Entry:
    """A forecast as it stands in the ledger.

    Parameters
    ----------
    seq : int
        Its place in the order of writing.
    forecast : Forecast
        As issued.
    supersedes : UUID or None
        The scored forecast of the same thing, if this is a later one.
    outcome : Outcome or None
        What came of it, if it has settled.
    """

    seq: int
    forecast: Forecast
    supersedes: UUID | None
    outcome: Outcome | None

    @property
    def edition(self) -> str:
        """Which record the forecast belongs to; see :func:`edition_of`."""
        return edition_of(self.forecast)


@dataclass(frozen=True)
class Page:
    """Some forecasts in the order of writing.

    Parameters
    ----------
    forecasts : tuple of (int, Forecast)
        Each with its place in that order.
    until : int
        The place up to which there is no other.
    """

    forecasts: tuple[tuple[int, Forecast], ...]
    until: int


def edition_of(forecast: Forecast) -> str:
    """Name the record of its slot and mode that a forecast belongs to.

    Returns
    -------
    str
        The recipe's hash for ``replay`` and ``historical``: an edited recipe's replay is another
        record. Empty for other modes: what was said live stands, whatever is edited later.

    Notes
    -----
    In each record one forecast of a slot and ``due_at`` is scored: the first.
    """
    return forecast.recipe_hash if forecast.mode in {"replay", "historical"} else ""
