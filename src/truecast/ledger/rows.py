"""Between forecasts and the columns of the database."""

import math
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from truecast.core.forecast import Forecast, Outcome
from truecast.database.tables import outcomes
from truecast.ledger.errors import LedgerError
from truecast.ledger.query import Entry

#: Fields that are a number or a word: each has a column for either.
_WORDED = ("prediction", "baseline")
_PLAIN = tuple(name for name in Forecast.model_fields if name not in {"id", *_WORDED})
#: Columns of an outcome, as :func:`to_entry` reads them beside those of its forecast.
OUTCOME = tuple(outcomes.c[name].label(f"outcome_{name}") for name in Outcome.model_fields)


def to_row(forecast: Forecast) -> dict[str, Any]:
    """Return a forecast's columns.

    Raises
    ------
    LedgerError
        If a number is not finite: it could not be read back, and could not be scored.
    """
    values = {name: getattr(forecast, name) for name in (*_PLAIN, *_WORDED)}
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise LedgerError(
                f"{forecast.slot}, forecast {forecast.id}: {name} is {value}; a forecast that is "
                "written down has finite numbers, or none"
            )
    row = {name: values[name] for name in _PLAIN}
    for name in _WORDED:
        worded = isinstance(values[name], str)
        row[name] = None if worded else values[name]
        row[f"{name}_label"] = values[name] if worded else None
    return row | {"id": str(forecast.id)}


def to_forecast(row: RowMapping) -> Forecast:
    """Return the forecast of a row of ``forecasts``."""
    values = {name: row[name] for name in _PLAIN}
    for name in _WORDED:
        label = row[f"{name}_label"]
        values[name] = row[name] if label is None else label
    return Forecast(id=UUID(row["id"]), **values)


def to_entry(row: RowMapping) -> Entry:
    """Return the entry of a row of ``forecasts`` beside :data:`OUTCOME`."""
    outcome = {name: row[f"outcome_{name}"] for name in Outcome.model_fields}
    return Entry(
        seq=row["seq"],
        forecast=to_forecast(row),
        supersedes=None if row["supersedes"] is None else UUID(row["supersedes"]),
        outcome=None if outcome["known_at"] is None else Outcome(**outcome),
    )


def to_outcome_row(forecast_id: UUID, outcome: Outcome) -> dict[str, Any]:
    """Return an outcome's columns.

    Raises
    ------
    LedgerError
        If a number is not finite, or the outcome was settled before it was known.
    """
    for name in ("value", "squared_return"):
        value = getattr(outcome, name)
        if value is not None and not math.isfinite(value):
            raise LedgerError(f"outcome of forecast {forecast_id}: {name} is {value}")
    if outcome.settled_at < outcome.known_at:
        raise LedgerError(
            f"outcome of forecast {forecast_id}: settled at {outcome.settled_at.isoformat()}, "
            f"before it was known at {outcome.known_at.isoformat()}; settle it then or later"
        )
    return {"forecast_id": str(forecast_id)} | dict(outcome)
