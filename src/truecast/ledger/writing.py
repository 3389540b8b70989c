"""Forecasts into the database: a few statements, however many there are."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, insert, select, text

from truecast.core.forecast import Forecast
from truecast.database.tables import forecasts
from truecast.ledger.errors import LedgerError
from truecast.ledger.query import edition_of
from truecast.ledger.rows import to_forecast, to_row

T = TypeVar("T")
#: Slot, mode, edition and due moment: of each, one forecast is scored.
_Record = tuple[str, str, str, datetime]

#: Values that one statement names at most.
_AT_ONCE = 500
_ONE_WRITER = text("SELECT pg_advisory_xact_lock(hashtext('truecast forecasts'))")
# Made once: to put a statement together takes longer than to carry it out.
_STORED = select(forecasts).where(forecasts.c.id.in_(bindparam("ids", expanding=True)))
_INSERT = insert(forecasts)


def insert_or_read(connection: Connection, said: Sequence[Forecast]) -> list[Forecast]:
    """Insert forecasts that are not there, and return each as it stands.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    said : sequence of Forecast
        In the order in which they are to count.

    Raises
    ------
    LedgerError
        If one that is not there may not be written down.
    """
    # PostgreSQL hands out places before it commits: another writer's lower one could appear after
    # a reader went past it. One writer at a time, as on SQLite, keeps the order of writing.
    if connection.dialect.name == "postgresql":
        connection.execute(_ONE_WRITER)
    rows: dict[str, dict[str, object]] = {}
    for one in said:
        rows.setdefault(str(one.id), to_row(one))  # of two that are the same, the first stands
    standing = dict(_stored(connection, rows))
    new: list[Forecast] = []
    for one in said:
        if str(one.id) not in standing:
            standing[str(one.id)] = one
            new.append(one)
    for one in new:
        _check(one)
    if new:
        _insert(connection, [(one, rows[str(one.id)]) for one in new])
    return [standing[str(one.id)] for one in said]


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Cut values into parts that one statement can name."""
    every = list(values)
    return (every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE))


def _stored(connection: Connection, ids: Iterable[str]) -> Iterator[tuple[str, Forecast]]:
    for some in chunks(ids):
        for row in connection.execute(_STORED, {"ids": some}).mappings():
            yield row["id"], to_forecast(row)


def _check(forecast: Forecast) -> None:
    if forecast.mode == "live" and forecast.due_at <= forecast.issued_at:
        raise LedgerError(
            f"{forecast.slot}: a live forecast is issued before its outcome is due; this one was "
            f"issued at {forecast.issued_at.isoformat()} and due at {forecast.due_at.isoformat()}: "
            "ingest newer bars and forecast from them"
        )
    if forecast.trained_through > forecast.as_of:
        raise LedgerError(
            f"{forecast.slot}: version {forecast.model_version} was trained through "
            f"{forecast.trained_through.isoformat()}, after the decision of "
            f"{forecast.as_of.isoformat()}: a forecast of the past needs a model of then"
        )


def _insert(connection: Connection, new: Sequence[tuple[Forecast, dict[str, object]]]) -> None:
    scored = dict(_scored(connection, [one for one, _ in new if one.mode != "whatif"]))
    written_at = datetime.now(UTC)
    for forecast, row in new:
        first = None
        if forecast.mode != "whatif":
            first = scored.setdefault(_record(forecast), str(row["id"]))
        row |= {
            "edition": edition_of(forecast),
            "supersedes": None if first == row["id"] else first,
            "written_at": written_at,
        }
    connection.execute(_INSERT, [row for _, row in new])


def _record(forecast: Forecast) -> _Record:
    return forecast.slot, forecast.mode, edition_of(forecast), forecast.due_at


def _scored(connection: Connection, said: Sequence[Forecast]) -> Iterator[tuple[_Record, str]]:
    """Find the scored forecast of each record that has one, of some others too."""
    table = forecasts.c
    of = [table[name] for name in ("slot", "mode", "edition", "due_at", "id")]
    for mode, edition in {(one.mode, edition_of(one)) for one in said}:
        mine = [one for one in said if (one.mode, edition_of(one)) == (mode, edition)]
        for slots in chunks({one.slot for one in mine}):
            for moments in chunks({one.due_at for one in mine}):
                statement = select(*of).where(
                    table.slot.in_(slots),
                    table.mode == mode,
                    table.edition == edition,
                    table.due_at.in_(moments),
                    table.supersedes.is_(None),
                )
                for slot, _, _, due_at, name in connection.execute(statement):
                    yield (slot, mode, edition, due_at), name
