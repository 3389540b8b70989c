"""Where anything sleeps, and how long."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

from truecast.core import clock


def pause(seconds: float) -> None:
    """Wait. The only place that sleeps; call it as ``waiting.pause``, so that tests replace it."""
    time.sleep(seconds)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long a vendor asks us to wait: ``Retry-After`` in seconds or as a date.

    Returns
    -------
    timedelta or None
        At least 0; None if it does not say, or not in words that can be read.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(until - clock.now(), timedelta())


class Pace:
    """The times at which one host may be asked, evenly apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def keep(self, per_second: float) -> None:
        """Wait for the next free time and take it."""
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + 1 / per_second
        if mine > now:
            pause(mine - now)
