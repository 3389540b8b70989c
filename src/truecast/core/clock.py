"""The one clock.

Nothing else in Truecast asks the system for the time, so a replay or a test can set it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import numpy as np

_frozen: ContextVar[datetime | None] = ContextVar("truecast_frozen_time", default=None)


def require_utc(moment: datetime, what: str = "time") -> datetime:
    """Return the moment in UTC, refusing one without a time zone.

    Parameters
    ----------
    moment : datetime
        A time-zone-aware moment.
    what : str
        What the moment is, for the message.

    Raises
    ------
    ValueError
        If the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{what} {moment.isoformat()} has no time zone: give one, such as +00:00")
    return moment.astimezone(UTC)


def now() -> datetime:
    """Return the current moment in UTC, or the one that :func:`frozen_at` has set."""
    return _frozen.get() or datetime.now(UTC)


@contextmanager
def frozen_at(moment: datetime) -> Iterator[datetime]:
    """Let :func:`now` return ``moment`` inside the block.

    Parameters
    ----------
    moment : datetime
        A time-zone-aware moment.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> with frozen_at(datetime(2018, 12, 31, 21, 30, tzinfo=UTC)):
    ...     now().isoformat()
    '2018-12-31T21:30:00+00:00'
    """
    token = _frozen.set(require_utc(moment))
    try:
        yield require_utc(moment)
    finally:
        _frozen.reset(token)


def to_utc(moment: np.datetime64) -> datetime:
    """Return a ``datetime64`` that means UTC as a time-zone-aware datetime."""
    naive: datetime = moment.astype("datetime64[us]").item()
    return naive.replace(tzinfo=UTC)


def to_datetime64(moment: datetime) -> np.datetime64:
    """Return a time-zone-aware datetime as ``datetime64[us]`` in UTC."""
    return np.datetime64(require_utc(moment).replace(tzinfo=None), "us")
