"""Backfill a source of news in windows of time: what is missing, cut to size, split where full."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from truecast.sources.base import Payload, Windows
from truecast.sources.http import QuotaError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Window = tuple[datetime, datetime]


@dataclass(frozen=True)
class Grid:
    """How windows are cut.

    Parameters
    ----------
    usual : timedelta
        Length of a window that is asked for at first, cut on a fixed grid.
    finest : timedelta
        Windows begin and end on multiples of this, and none is shorter.
    settles : timedelta
        How long after a moment the vendor may still find articles of it: what is younger is
        asked for again the next time.
    """

    usual: timedelta
    finest: timedelta
    settles: timedelta


def gaps(start: datetime, stop: datetime, done: Windows) -> list[Window]:
    """Return what of a span is not covered by any of those that are done.

    Examples
    --------
    >>> day = [datetime(2024, 1, number, tzinfo=UTC) for number in range(1, 6)]
    >>> [(a.day, b.day) for a, b in gaps(day[0], day[4], [(day[1], day[2])])]
    [(1, 2), (3, 5)]
    """
    found = []
    for begin, end in sorted(done):
        if start < begin:
            found.append((start, min(begin, stop)))
        start = max(start, end)
        if start >= stop:
            return found
    return [*found, (start, stop)] if start < stop else found


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the last multiple of a step, counted from 1970 in UTC, up to a moment."""
    return moment - (moment - _EPOCH) % step


def first_moment(start: date | None, now: datetime, reach: timedelta) -> datetime:
    """Return where a backfill begins: the first day that is asked for, or a reach before now."""
    if start is None:
        return floor(now - reach, timedelta(days=1))
    return datetime(start.year, start.month, start.day, tzinfo=UTC)


def walk(
    span: Window,
    done: Windows,
    grid: Grid,
    keys: Sequence[str],
    ask: Callable[[Window, str], tuple[Payload, bool]],
) -> Iterator[Payload]:
    """Ask for all that is missing of a span, the oldest window first.

    A window that comes full is asked for again in halves, down to the finest. A payload of the
    last key ``covers`` its window if it is complete or cannot be cut any finer; by then the
    window is complete for all other keys.

    Parameters
    ----------
    span : tuple of two datetimes
        From when to when.
    done : sequence of spans
        What was taken in before.
    grid : Grid
        How windows are cut.
    keys : sequence of str
        What is asked for in each window, such as symbols.
    ask : callable
        Asks the vendor for a window of a key; returns the answer and whether it is full: as many
        articles as the vendor ever gives, so that there may be more.

    Raises
    ------
    QuotaError
        If the vendor's limit is reached: it says how far it got and when to go on.
    """
    start, stop = floor(span[0], grid.finest), span[1]
    for gap in gaps(start, stop, done):
        for window in _cut(*gap, grid.usual):
            for key in keys:
                pending = [window]
                while pending:
                    part = pending.pop()
                    reached = part[0] if key == keys[-1] else window[0]
                    try:
                        payload, full = ask(part, key)
                    except QuotaError as error:
                        raise _with_advice(error, reached, stop) from error
                    halves = _halves(part, grid.finest) if full else []
                    complete = key == keys[-1] and not halves
                    covers = _settled(part, payload, grid) if complete else None
                    yield replace(payload, covers=covers)
                    pending.extend(reversed(halves))


def _cut(start: datetime, stop: datetime, step: timedelta) -> Iterator[Window]:
    while start < stop:
        end = min(floor(start, step) + step, stop)
        yield start, end
        start = end


def _halves(window: Window, finest: timedelta) -> list[Window]:
    middle = floor(window[0] + (window[1] - window[0]) / 2, finest)
    return [(window[0], middle), (middle, window[1])] if middle > window[0] else []


def _settled(window: Window, payload: Payload, grid: Grid) -> Window | None:
    """Return the part of a window of which no more articles are to come."""
    end = min(window[1], floor(payload.received_at - grid.settles, grid.finest))
    return (window[0], end) if end > window[0] else None


def _with_advice(error: QuotaError, reached: datetime, stop: datetime) -> QuotaError:
    wait = error.retry_after
    when = f"in {_words(wait)}" if wait else "later"
    return QuotaError(
        f"{error}; all before {reached:%Y-%m-%d %H:%M} UTC is taken in; run the same command "
        f"again {when}, it goes on from there to {stop:%Y-%m-%d %H:%M}",
        status=error.status,
        said=error.said,
        retry_after=wait,
    )


def _words(wait: timedelta) -> str:
    minutes = max(1, -(-int(wait.total_seconds()) // 60))
    if minutes >= 120:
        return f"{-(-minutes // 60)} hours"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
