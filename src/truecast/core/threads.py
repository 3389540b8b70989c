"""On how many cores this process may work."""

import os


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
