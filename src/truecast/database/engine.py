"""Open the database, and bring it up to date."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from truecast.core.errors import SettingsError
from truecast.database.errors import DatabaseError
from truecast.database.tables import REVISION

#: How long a process waits for another one that writes.
PATIENCE_SECONDS = 60
_READING = {"truecast_reading": True}


class Database:
    """One database, up to date.

    Parameters
    ----------
    engine : Engine
        Made by :func:`open_database`.

    Attributes
    ----------
    listeners : list of callable
        Whom rooms above tell, in this process, that they have written something.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.listeners: list[Callable[[], object]] = []

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database and waits for no writer.

        Raises
        ------
        DatabaseError
            If the database refuses.
        """
        with _told(self._engine), self._engine.connect() as plain:
            connection = plain.execution_options(**_READING)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are all kept when the block ends, or none if it fails.

        On SQLite no other process writes meanwhile. What the block has written is on disk when
        it ends.

        Raises
        ------
        DatabaseError
            If the database refuses, or another process writes for over a minute.
        """
        with _told(self._engine), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@cache
def open_database(url: str) -> Database:
    """Open a database, and bring its tables up to date.

    Parameters
    ----------
    url : str
        Such as ``sqlite:////data/truecast.db``; the file is made if it is not there.

    Returns
    -------
    Database
        The same one for the same URL, in one process.

    Raises
    ------
    SettingsError
        If the URL names no database that can be had.
    DatabaseError
        If it cannot be opened, or was written by a newer version.
    """
    engine = _engine(url)
    with _told(engine):
        _bring_up_to_date(engine)
    return Database(engine)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        if not parsed.database or parsed.database == ":memory:":
            raise SettingsError(
                f"TRUECAST_DATABASE_URL {url}: a database in memory is gone with its process; "
                "name a file: sqlite:////folder/truecast.db"
            )
        Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": PATIENCE_SECONDS})
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SettingsError(
            f"TRUECAST_DATABASE_URL: expected sqlite:////folder/truecast.db or "
            f"postgresql+psycopg://user@host/name ({error})"
        ) from error
    except OSError as error:
        raise DatabaseError(f"{parsed.database}: its folder cannot be made: {error}") from error
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # transactions begin where we say, not where the driver does
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {PATIENCE_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("truecast_reading")
    # A writer takes its turn at once: one that starts by reading may find its view too old.
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """Say which database refused, and never its password."""
    try:
        yield
    except DBAPIError as error:
        place = engine.url.render_as_string(hide_password=True)
        raise DatabaseError(f"{place}: {error.orig}") from error


def _bring_up_to_date(engine: Engine) -> None:
    with engine.connect() as connection:
        if _revision(connection.execution_options(**_READING)) == REVISION:
            return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('truecast'))"))
        if _revision(connection) != REVISION:
            _migrate(connection)


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _migrate(connection: Connection) -> None:
    # Alembic takes half a second to import, which an up-to-date database should not pay.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "truecast.database:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, REVISION)
    except CommandError as error:
        place = connection.engine.url.render_as_string(hide_password=True)
        raise DatabaseError(
            f"{place}: its tables are of another version of Truecast ({error}): "
            "install that version or a newer one"
        ) from error
