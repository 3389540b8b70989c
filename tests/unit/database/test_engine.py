"""The database: opened once, brought up to date, refused in words."""

from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, select, text

from truecast.core.errors import SettingsError
from truecast.database.engine import Database, open_database
from truecast.database.errors import DatabaseError
from truecast.database.tables import REVISION, metadata, promotions

ROW = {
    "slot": "s",
    "version": "v",
    "kind": "promote",
    "reason": "",
    "promoted_at": datetime(2018, 12, 31, 21, 30, 0, 123456, tzinfo=UTC),
    "written_at": datetime(2018, 12, 31, 21, 30, tzinfo=UTC),
}


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'new' / 'truecast.db'}"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(url_of(tmp_path))


def test_the_migrations_make_what_the_code_expects(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_the_newest_migration_is_the_one_that_is_named() -> None:
    config = Config()
    config.set_main_option("script_location", "truecast.database:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_every_commit_is_on_disk_before_it_is_acknowledged(database: Database) -> None:
    with database.reading() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.scalar(text(f"PRAGMA {name}")) for name in pragmas]
    assert found == ["wal", 2, 1, 60_000]


def test_moments_keep_their_zone_and_microseconds(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(promotions).values(ROW))
    with database.reading() as connection:
        assert connection.scalar(select(promotions.c.promoted_at)) == ROW["promoted_at"]


def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    naive = {**ROW, "promoted_at": datetime(2018, 12, 31)}  # noqa: DTZ001
    with pytest.raises(Exception, match="has no time zone"), database.writing() as connection:
        connection.execute(insert(promotions).values(naive))


def test_what_fails_half_way_leaves_nothing(database: Database) -> None:
    with pytest.raises(ValueError, match="half"), database.writing() as connection:  # noqa: PT012
        connection.execute(insert(promotions).values(ROW))
        raise ValueError("half")
    with database.reading() as connection:
        assert connection.execute(select(promotions)).all() == []


def _open(url: str) -> list[str]:
    with open_database(url).reading() as connection:
        return inspect(connection).get_table_names()


def test_four_processes_may_make_the_same_database(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_open, [url_of(tmp_path)] * 4))
    assert all(tables == sorted({*metadata.tables, "alembic_version"}) for tables in found)


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    first = open_database(url_of(tmp_path))
    with first.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    open_database.cache_clear()
    with pytest.raises(DatabaseError, match="of another version of Truecast"):
        open_database(url_of(tmp_path))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truecast.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseError, match=r"truecast\.db: file is not a database"):
        open_database(f"sqlite:///{tmp_path / 'truecast.db'}")


@pytest.mark.parametrize(
    "url", ["", "no url", "oracle+none://x", "sqlite://", "sqlite:///:memory:"]
)
def test_an_address_of_no_database_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="TRUECAST_DATABASE_URL"):
        open_database(url)
