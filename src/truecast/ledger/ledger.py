"""The ledger: forecasts are written before their outcome is known, outcomes once they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from truecast.core.forecast import Forecast, Outcome
from truecast.database.engine import Database
from truecast.database.errors import DatabaseError
from truecast.database.tables import forecasts, outcomes
from truecast.ledger.errors import LedgerError
from truecast.ledger.query import Entry, Page, Query
from truecast.ledger.rows import OUTCOME, to_entry, to_forecast, to_outcome_row
from truecast.ledger.together import Together
from truecast.ledger.writing import chunks, insert_or_read

T = TypeVar("T")
#: Looks at the database before anything is written, and raises where nothing may be.
Guard = Callable[[Connection], object]

#: How often a write that met another one is tried, on a database that lets both in at once.
ATTEMPTS = 10
#: Modes of forecasts that are issued for the record.
RECORDED = ("live", "replay", "historical")
_DEADLOCK = "40P01"
_NEWEST = select(func.max(forecasts.c.seq))


class Ledger:
    """Forecasts and their outcomes, in a database that any process may write to.

    Parameters
    ----------
    database : Database
        From :func:`truecast.database.engine.open_database`.

    Notes
    -----
    Nothing is ever updated or deleted. The first forecast of a slot, mode, edition (see
    :func:`truecast.ledger.query.edition_of`) and ``due_at`` is scored; a later one with another id
    is kept too and names the first in ``supersedes``. A unique index guards it. ``whatif``
    forecasts are kept, never scored and never settled.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._write_all, apart=LedgerError)

    def listen(self, told: Callable[[], object]) -> None:
        """Have something called, in the writer's thread, when this process wrote for the record.

        It is a hint: what other processes write is found by :meth:`after` alone.
        """
        self._database.listeners.append(told)

    def write(self, said: Sequence[Forecast], guard: Guard | None = None) -> list[Forecast]:
        """Write forecasts down, all or none; one that is there already is left as it is.

        Parameters
        ----------
        said : sequence of Forecast
            In the order in which they are to count.
        guard : callable or None
            Called in the same transaction, before anything is written; what it raises ends it.

        Returns
        -------
        list of Forecast
            As they stand in the ledger, in the order given: a repeat comes back with the
            ``issued_at``, ``latency_ms`` and ``skill`` of the first.

        Raises
        ------
        LedgerError
            If a new live forecast is issued when its outcome is due or later, its model saw more
            than was known at ``as_of``, or a number is not finite.
        DatabaseError
            If the database refuses.
        """
        if guard is None:
            written = self._together.do(said)
        else:
            (written,) = self._write_all([said], guard)
        if any(one.mode in RECORDED for one in said):
            for told in self._database.listeners:
                told()
        return written

    def _write_all(
        self, batches: Sequence[Sequence[Forecast]], guard: Guard | None = None
    ) -> list[list[Forecast]]:
        """Write what several threads said, in one transaction."""

        def work(connection: Connection) -> list[Forecast]:
            if guard is not None:
                guard(connection)
            return insert_or_read(connection, [one for batch in batches for one in batch])

        written = iter(self._write(work))
        return [list(islice(written, len(batch))) for batch in batches]

    def read(self, forecast_id: UUID) -> Entry | None:
        """Return the forecast of that id, or None if there is none."""
        with self._database.reading() as connection:
            row = connection.execute(
                _entries().where(forecasts.c.id == str(forecast_id))
            ).mappings()
            return next((to_entry(one) for one in row), None)

    def history(self, query: Query) -> list[Entry]:
        """Return forecasts of every mode and standing, the last one written first."""
        statement = _entries().where(*_conditions(query)).order_by(forecasts.c.seq.desc())
        return self._read(statement.limit(query.limit), to_entry)

    def newest_seq(self) -> int:
        """Return the place of the last forecast in the order of writing; 0 if there is none."""
        with self._database.reading() as connection:
            return connection.scalar(_NEWEST) or 0

    def after(self, seq: int, limit: int, until: int | None = None) -> Page:
        """Return what was written for the record behind a place, in the order of writing.

        Parameters
        ----------
        seq : int
            Of the forecast before the first.
        limit : int
            So many forecasts at most.
        until : int or None
            The last place that is looked at; None for all.

        Returns
        -------
        Page
            Forecasts of the modes :data:`RECORDED`. Nothing is ever written later at a place up
            to its ``until``, so that the next page begins there.
        """
        with self._database.reading() as connection:
            newest = connection.scalar(_NEWEST) or 0
            last = newest if until is None else min(until, newest)
            statement = select(forecasts).where(
                forecasts.c.seq > seq, forecasts.c.seq <= last, forecasts.c.mode.in_(RECORDED)
            )
            ordered = statement.order_by(forecasts.c.seq).limit(limit)
            rows = connection.execute(ordered).mappings().all()
        found = tuple((row["seq"], to_forecast(row)) for row in rows)
        return Page(found, found[-1][0] if len(found) == limit else max(seq, last))

    def scored(self, query: Query) -> list[Entry]:
        """Return the settled forecasts that count, in the order in which they were due.

        One for each slot, mode, edition and ``due_at``: the first that was issued. ``whatif``
        never counts.
        """
        statement = _entries().where(
            *_conditions(query),
            outcomes.c.forecast_id.is_not(None),
            forecasts.c.supersedes.is_(None),
            forecasts.c.mode != "whatif",
        )
        newest = statement.order_by(forecasts.c.due_at.desc(), forecasts.c.seq.desc())
        return self._read(newest.limit(query.limit), to_entry)[::-1]

    def unsettled(self, *, recipe: str, source: str, due_by: datetime) -> list[Forecast]:
        """Return the forecasts that wait for an outcome, in the order in which they are due.

        Parameters
        ----------
        recipe, source : str
            Whose forecasts; every edition of the recipe.
        due_by : datetime
            Only those due by then; with its time zone.

        Returns
        -------
        list of Forecast
            Of every mode but ``whatif``; those that are not scored too.
        """
        statement = (
            select(forecasts)
            .outerjoin(outcomes)
            .where(
                forecasts.c.recipe == recipe,
                forecasts.c.source == source,
                forecasts.c.mode != "whatif",
                forecasts.c.due_at <= due_by,
                outcomes.c.forecast_id.is_(None),
            )
            .order_by(forecasts.c.due_at, forecasts.c.seq)
        )
        return self._read(statement, to_forecast)

    def settle(self, found: Mapping[UUID, Outcome]) -> int:
        """Write outcomes down, all or none; a forecast that has one keeps it.

        Parameters
        ----------
        found : mapping of UUID to Outcome
            By the forecast's id.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        LedgerError
            If a forecast is not in the ledger or is ``whatif``, a number is not finite, or an
            outcome was settled before it was known.
        DatabaseError
            If the database refuses.
        """
        return self._write(lambda connection: _settle(connection, found))

    def _read(self, statement: Select[Any], to_value: Callable[[Any], T]) -> list[T]:
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings().all()
        return [to_value(row) for row in rows]

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, again if another writer came in between.

        SQLite lets one writer in at a time; PostgreSQL lets both in, and its index refuses one.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._database.writing() as connection:
                    return work(connection)
            except DatabaseError as error:
                if attempt == ATTEMPTS or not _met_another(error):
                    raise
        raise AssertionError("the last attempt returns or raises")


def _met_another(error: DatabaseError) -> bool:
    cause = error.__cause__
    if isinstance(cause, IntegrityError):
        return True
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) == _DEADLOCK


def _entries() -> Select[Any]:
    return select(forecasts, *OUTCOME).outerjoin(outcomes)


def _conditions(query: Query) -> Iterator[ColumnElement[bool]]:
    names = ("slot", "recipe", "source", "instrument", "target", "mode", "recipe_hash")
    for name in names:
        wanted = getattr(query, name)
        if wanted is not None:
            yield forecasts.c[name] == wanted
    if query.since is not None:
        yield forecasts.c.as_of >= query.since
    if query.until is not None:
        yield forecasts.c.as_of <= query.until


def _settle(connection: Connection, found: Mapping[UUID, Outcome]) -> int:
    rows = {str(name): to_outcome_row(name, outcome) for name, outcome in found.items()}
    standing: dict[str, tuple[str, bool]] = {}
    for ids in chunks(rows):
        statement = select(forecasts.c.id, forecasts.c.mode, outcomes.c.forecast_id)
        statement = statement.outerjoin(outcomes).where(forecasts.c.id.in_(ids))
        for name, mode, settled in connection.execute(statement):
            standing[name] = (mode, settled is not None)
    for name in rows:
        if name not in standing:
            raise LedgerError(f"forecast {name} is not in the ledger: it cannot be settled")
        if standing[name][0] == "whatif":
            raise LedgerError(f"forecast {name} is a what-if: it is never settled")
    written = {"written_at": datetime.now(UTC)}
    new = [row | written for name, row in rows.items() if not standing[name][1]]
    if new:
        connection.execute(insert(outcomes), new)
    return len(new)
