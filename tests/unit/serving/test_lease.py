"""Who does alone what several processes could do."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from truecast.core.clock import frozen_at
from truecast.database.engine import Database, open_database
from truecast.database.tables import leases
from truecast.serving.feed.lease import FencedError, Lease

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        found = open_database(f"sqlite:///{tmp_path / 'leases.db'}")
        yield found
        found.close()
        return
    found = open_database(request.getfixturevalue("postgres"))
    with found.writing() as connection:
        connection.execute(delete(leases))
    yield found


def standing(database: Database) -> tuple[str, int, datetime]:
    with database.reading() as connection:
        row = connection.execute(select(leases)).one()
    return row.holder, row.token, row.until


def write(database: Database, lease: Lease) -> None:
    with database.writing() as connection:
        lease.guard(connection)


def test_one_holds_it_until_it_runs_out(database: Database) -> None:
    one, other = Lease(database, "feed"), Lease(database, "feed")
    with frozen_at(NOON):
        assert one.keep()
        assert not other.keep()
        assert standing(database) == (one.holder, 1, NOON + timedelta(seconds=15))
    with frozen_at(NOON + timedelta(seconds=10)):
        assert one.keep()
        assert standing(database) == (one.holder, 1, NOON + timedelta(seconds=25))
    with frozen_at(NOON + timedelta(seconds=24.9)):
        assert not other.keep()
    with frozen_at(NOON + timedelta(seconds=25)):
        assert other.keep()
        assert standing(database) == (other.holder, 2, NOON + timedelta(seconds=40))
        assert not one.keep()


def test_a_holder_that_was_away_writes_nothing(database: Database) -> None:
    one, other = Lease(database, "feed"), Lease(database, "feed")
    with frozen_at(NOON):
        assert one.keep()
        write(database, one)
    with frozen_at(NOON + timedelta(seconds=20)):
        assert other.keep()
        assert one.held  # it does not know yet
        with pytest.raises(FencedError, match=f"the lease feed was lost: {other.holder} holds it"):
            write(database, one)
        assert not one.held
        write(database, other)


def test_who_comes_back_before_anyone_else_goes_on(database: Database) -> None:
    one = Lease(database, "feed")
    with frozen_at(NOON):
        assert one.keep()
    with frozen_at(NOON + timedelta(hours=1)):
        write(database, one)  # nobody has written in between
        assert one.keep()
        assert standing(database)[1] == 1


def test_what_is_released_is_free_at_once(database: Database) -> None:
    one, other = Lease(database, "feed"), Lease(database, "feed")
    with frozen_at(NOON):
        assert one.keep()
        one.release()
        assert not one.held
        assert other.keep()
        one.release()  # of another it releases nothing
        assert standing(database) == (other.holder, 2, NOON + timedelta(seconds=15))
    with pytest.raises(FencedError, match="the lease feed was lost"):
        write(database, one)


def test_it_is_not_believed_in_for_longer_than_it_holds(database: Database) -> None:
    one = Lease(database, "feed", seconds=0.05)
    assert one.keep()
    threading.Event().wait(0.1)
    assert not one.held


def test_of_many_that_begin_at_once_one_takes_it(database: Database) -> None:
    begin, found = threading.Barrier(8), []

    def take() -> None:
        lease = Lease(database, "feed")
        begin.wait()
        found.append(lease.keep())

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 7 + [True]
    assert standing(database)[1] == 1


def test_of_many_that_take_over_at_once_one_does(database: Database) -> None:
    """The token grows by one each time, whoever takes it."""
    with frozen_at(NOON):
        assert Lease(database, "feed").keep()
    for turn in range(1, 4):
        begin, contenders = threading.Barrier(6), [Lease(database, "feed") for _ in range(6)]

        def take(lease: Lease, turn: int = turn, begin: threading.Barrier = begin) -> bool:
            begin.wait()
            with frozen_at(NOON + turn * timedelta(seconds=15)):
                return lease.keep()

        with ThreadPoolExecutor(6) as pool:
            kept = list(pool.map(take, contenders))
        (winner,) = (lease for lease, is_kept in zip(contenders, kept, strict=True) if is_kept)
        assert standing(database)[:2] == (winner.holder, 1 + turn)


def test_nobody_takes_it_before_a_write_is_done(database: Database) -> None:
    one, other = Lease(database, "feed"), Lease(database, "feed")
    with frozen_at(NOON):
        assert one.keep()

    def take() -> bool:
        with frozen_at(NOON + timedelta(seconds=15)):
            return other.keep()

    with ThreadPoolExecutor(1) as pool:
        with database.writing() as connection:
            one.guard(connection)
            taking = pool.submit(take)
            threading.Event().wait(0.2)
            assert not taking.done()
        assert taking.result(20)
    assert standing(database)[:2] == (other.holder, 2)
