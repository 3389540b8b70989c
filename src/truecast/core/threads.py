"""On how many cores this process may work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def available_cores() -> int:
    """Return how many cores this process may use, from 1.

    Notes
    -----
    Those that the system gives it, and no more than ``OMP_NUM_THREADS`` says where that is a
    number: so do the libraries that bring their own threads. A worker among several is given one.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    most = int(given) if given.isdigit() and int(given) else None
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return there if most is None else min(there, most)


@contextmanager
def one_thread(api: str | None = None) -> Iterator[None]:
    """Let libraries add up in one thread: in more of them, the last digit may differ.

    Parameters
    ----------
    api : str or None
        Such as ``blas``: only libraries of linear algebra. None for all.
    """
    from threadpoolctl import threadpool_limits

    if api is None:
        with threadpool_limits(1):
            yield
        return
    with _libraries().limit(limits=1, user_api=api):
        yield


@cache
def _libraries() -> "ThreadpoolController":
    """Look for the libraries once: that takes longer than a small fit."""
    import scipy.linalg  # noqa: F401 (brings a library of its own, which has to be there by now)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
