"""On PostgreSQL too nothing is written at a place that a reader has gone past."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

from truecast.core.forecast import Forecast
from truecast.database.engine import Database, open_database
from truecast.ledger.ledger import Ledger

WRITERS, BATCHES = 6, 15


def test_a_reader_misses_nothing_that_many_write_at_once(
    postgres: str, forecast: Callable[..., Forecast]
) -> None:
    """Each writer has a ledger of its own, as processes have."""
    due, database, ended = forecast().due_at, open_database(postgres), threading.Event()

    def write(writer: int) -> None:
        ledger = Ledger(database)
        for batch in range(BATCHES):
            # Of moments of its own: else the index of what is scored lets one in at a time.
            days = [100 * writer + batch + number * 1_000 for number in range(3)]
            ledger.write([forecast(due_at=due + timedelta(days=day)) for day in days])

    def read() -> list[int]:
        ledger, found, at = Ledger(database), [], 0
        last = False
        while not last:
            last = ended.is_set()
            page = ledger.after(at, 7)
            while page.until > at:
                found += [seq for seq, _ in page.forecasts]
                at = page.until
                page = ledger.after(at, 7)
        return found

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reading = pool.submit(read)
        list(pool.map(write, range(WRITERS)))
        ended.set()
        found = reading.result()
    everything = [seq for seq, _ in Ledger(database).after(0, 10**6).forecasts]
    assert len(everything) == WRITERS * BATCHES * 3
    assert found == everything


def test_a_writer_waits_for_one_that_has_a_lower_place(
    postgres: str, forecast: Callable[..., Forecast]
) -> None:
    due, database = forecast().due_at + timedelta(days=9_000), open_database(postgres)
    before, held, go_on = Ledger(database).newest_seq(), threading.Event(), threading.Event()

    class Slow(Database):
        """Is long about its commit."""

        @contextmanager
        def writing(self):  # type: ignore[no-untyped-def]
            with database.writing() as connection:
                yield connection
                held.set()
                assert go_on.wait(20)

    slow = Slow(database._engine)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Ledger(slow).write, [forecast(due_at=due)])
        assert held.wait(20)
        later = forecast(due_at=due + timedelta(days=1))
        second = pool.submit(Ledger(database).write, [later])
        threading.Event().wait(0.3)
        assert Ledger(database).after(before, 10).until == before
        assert not second.done()
        go_on.set()
        written = [*first.result(20), *second.result(20)]
    page = Ledger(database).after(before, 10)
    assert [one for _, one in page.forecasts] == written
