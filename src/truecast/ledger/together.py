"""What several threads write at the same time goes to disk once, by one of them."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Given = TypeVar("Given")
Done = TypeVar("Done")


class _Waiting(Generic[Given, Done]):
    """One thread's part, and what came of it."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.outcome: tuple[Done] | Exception | None = None


class Together(Generic[Given, Done]):
    """Do at once what has been asked for while something was being done.

    A thread that asks waits until nobody is at work; then it does its own part and those of all
    who wait behind it, in the order in which they asked.

    Parameters
    ----------
    work : callable
        Takes parts, and returns what came of each, in order. All of it is done, or nothing.
    apart : type of exception
        Of an error that is one part's own: then each part is done by itself, so that each gets
        its own result or error. Any other error is everybody's.
    """

    def __init__(
        self, work: Callable[[Sequence[Given]], Sequence[Done]], apart: type[Exception]
    ) -> None:
        self._work, self._apart = work, apart
        self._queue: list[_Waiting[Given, Done]] = []
        self._queueing, self._working = threading.Lock(), threading.Lock()

    def do(self, given: Given) -> Done:
        """Have a part done; return when it is."""
        mine: _Waiting[Given, Done] = _Waiting(given)
        with self._queueing:
            self._queue.append(mine)
        with self._working:
            if mine.outcome is None:
                with self._queueing:
                    parts, self._queue = self._queue, []
                try:
                    self._all(parts)
                finally:
                    # Interrupted: the others' parts wait for whoever comes next.
                    left = [one for one in parts if one.outcome is None and one is not mine]
                    with self._queueing:
                        self._queue[:0] = left
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        assert mine.outcome is not None  # noqa: S101 (whoever took it has given it one)
        return mine.outcome[0]

    def _all(self, parts: Sequence[_Waiting[Given, Done]]) -> None:
        try:
            done = self._work([one.given for one in parts])
        except self._apart as error:
            if len(parts) == 1:
                parts[0].outcome = error
            else:
                for one in parts:
                    self._all([one])
        except Exception as error:  # noqa: BLE001 (it is raised in every thread)
            for one in parts:
                one.outcome = error
        else:
            for one, result in zip(parts, done, strict=True):
                one.outcome = (result,)
