"""What several threads write at once: done together, and each gets its own result or error."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from time import monotonic, sleep

import pytest

from truecast.core.forecast import Forecast
from truecast.ledger.errors import LedgerError
from truecast.ledger.ledger import Ledger
from truecast.ledger.query import Query
from truecast.ledger.together import Together, _Waiting

Make = Callable[..., Forecast]
WAIT = 10


class _OddError(Exception):
    """Only even numbers are doubled."""


class _Doubling:
    """Doubles numbers, once it is let: so that others queue up behind the first."""

    def __init__(self) -> None:
        self.parts: list[list[int]] = []
        self.let = threading.Event()

    def __call__(self, given: Sequence[int]) -> list[int]:
        self.parts.append(list(given))
        assert self.let.wait(WAIT)
        for one in given:
            if one % 2:
                raise _OddError(one)
        return [2 * one for one in given]


def _asked(together: "Together[int, int]", first: int, others: Sequence[int]) -> list[object]:
    """Ask for one number, then for others while it is at work; return all results or errors."""
    work = together._work
    assert isinstance(work, _Doubling)

    def ask(number: int) -> object:
        try:
            return together.do(number)
        except (_OddError, OSError) as error:
            return repr(error)

    with ThreadPoolExecutor(len(others) + 1) as threads:
        results = [threads.submit(ask, first)]
        _until(lambda: len(work.parts) == 1)
        for place, number in enumerate(others, 1):
            results.append(threads.submit(ask, number))
            _until(partial(_queued, together, place))
        work.let.set()
        return [one.result(WAIT) for one in results]


def _queued(together: "Together[int, int]", count: int) -> bool:
    return len(together._queue) == count


def _until(true: Callable[[], bool]) -> None:
    end = monotonic() + WAIT
    while not true():
        assert monotonic() < end
        sleep(0.001)


def test_what_queues_up_is_done_at_once_and_in_order() -> None:
    work = _Doubling()
    assert _asked(Together(work, _OddError), 2, [4, 6, 8]) == [4, 8, 12, 16]
    assert work.parts == [[2], [4, 6, 8]]


def test_an_error_of_ones_own_is_no_one_elses() -> None:
    work = _Doubling()
    assert _asked(Together(work, _OddError), 2, [4, 5, 8]) == [4, 8, "_OddError(5)", 16]
    assert work.parts == [[2], [4, 5, 8], [4], [5], [8]]


def test_another_error_is_everybodys() -> None:
    work = _Doubling()
    assert _asked(Together(work, OSError), 2, [4, 5, 8]) == [4, *["_OddError(5)"] * 3]


def test_what_waits_behind_an_interruption_is_done_by_who_comes_next() -> None:
    parts: list[list[int]] = []

    def work(given: Sequence[int]) -> list[int]:
        parts.append(list(given))
        if given[-1] == 1:
            raise KeyboardInterrupt
        return [2 * one for one in given]

    together = Together(work, _OddError)
    waiting: _Waiting[int, int] = _Waiting(3)
    together._queue.append(waiting)
    with pytest.raises(KeyboardInterrupt):
        together.do(1)
    assert together._queue == [waiting]
    assert together.do(5) == 10
    assert waiting.outcome == (6,)
    assert parts == [[3, 1], [3, 5]]


def test_many_threads_write_at_once(ledger: Ledger, forecast: Make) -> None:
    """Repeats, rivals for one moment and what may not be written, among each other."""
    due = forecast().due_at

    def said(number: int) -> Forecast:
        moment = due + (number % 10) * timedelta(days=1)
        if number % 7 == 3:  # trained on what came later
            late = forecast().as_of + timedelta(days=1)
            return forecast(due_at=moment, trained_through=late, input_hash=f"{number:064}")
        return forecast(due_at=moment, input_hash=f"{number // 20:064}")

    def write(number: int) -> object:
        try:
            (written,) = ledger.write([said(number)])
        except LedgerError as error:
            return str(error)
        return written.id

    numbers = range(200)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(write, numbers))
    for number, result in zip(numbers, results, strict=True):
        if number % 7 == 3:
            assert "was trained through" in str(result)
        else:
            assert result == said(number).id
    kept = ledger.history(Query())
    assert {one.forecast.id for one in kept} == {
        said(number).id for number in numbers if number % 7 != 3
    }
    assert len(kept) == len({one.forecast.id for one in kept}) == 100
    scored = {one.forecast.due_at: one for one in kept if one.supersedes is None}
    assert len(scored) == 10
    for one in kept:
        first = scored[one.forecast.due_at]
        assert first.seq <= one.seq
        assert one.supersedes in {None, first.forecast.id}
