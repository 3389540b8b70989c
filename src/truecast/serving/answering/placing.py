"""When bars were that are sent with a question: as they say, else as those beside them do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from truecast.core.calendars import Calendar
from truecast.core.clock import now
from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.serving.errors import AskedError, Choices
from truecast.serving.feed.polls import next_close
from truecast.serving.schemas import PostedBar


@dataclass(frozen=True)
class When:
    """When a bar was.

    Parameters
    ----------
    session : date
        Its trading day.
    closed : datetime
        When it closed, UTC.
    """

    session: date
    closed: datetime


@dataclass(frozen=True)
class Grid:
    """Where an instrument's bars may be.

    Parameters
    ----------
    symbol : str
        The instrument.
    calendar : Calendar
        Its sessions.
    interval : Interval
        Length of a bar.
    """

    symbol: str
    calendar: Calendar
    interval: Interval

    def after(self, one: When) -> When:
        """Return when the bar is due after another one."""
        closed = next_close(self.calendar, self.interval, one.closed)
        return When(self.calendar.session_of(closed) or one.session, closed)

    def place(
        self, sent: Sequence[PostedBar], stored: Sequence[When], *, live: bool
    ) -> tuple[When, ...]:
        """Say when each bar was that was sent.

        Parameters
        ----------
        sent : sequence of PostedBar
            Oldest first. Either all but the last say when they were, or none: then they are the
            last ones that are stored. A last one that does not say it is the next one due.
        stored : sequence of When
            The newest bars that are stored, as many as are sent, oldest first.
        live : bool
            Whether newer ones may come to be stored.

        Returns
        -------
        tuple of When
            In the same order.

        Raises
        ------
        AskedError
            If a bar cannot be when it says, two are out of order, or a session lies between them
            or between them and the stored ones.
        """
        said = [self._said(one, stored[-1]) for one in sent]
        last = said.pop()
        history = [one for one in said if one is not None]
        if history and len(history) < len(said):
            raise AskedError(
                "some bars of the history say when they were, others do not",
                "give all of them a date or a timestamp, or none",
            )
        if said and not history:
            history = list(stored[-len(said) :])
            if len(history) < len(said):
                raise AskedError(
                    f"the history has {len(said)} bars without a date, and of {self.symbol} only "
                    f"{len(stored)} are stored",
                    "say the date of each",
                )
        if last is None:
            last = self._due(history[-1] if history else stored[-1], live=live)
        placed = (*history, last)
        self._require_order(placed)
        return placed

    def require_joined(self, placed: Sequence[When], before: When | None, newest: When) -> None:
        """Refuse bars between which a session lies, and those of the future.

        Parameters
        ----------
        placed : sequence of When
            Of the bars that were sent, oldest first.
        before : When or None
            The last stored one before them.
        newest : When
            The last stored one.
        """
        for one, other in pairwise([*([before] if before else []), *placed]):
            following = self.after(one)
            if self.interval.is_daily:
                joined = other.session == following.session
            else:
                joined = other.session in {one.session, self.calendar.offset(one.session, 1)}
            if not joined:
                shown, next_shown = self._shown(one), self._shown(following)
                raise AskedError(
                    f"bars of {self.symbol} are missing between {shown} and {self._shown(other)}",
                    f"the one after {shown} is that of {next_shown}: send those between in "
                    "history, or ingest them",
                    self._choices(following),
                )
        if self.interval.is_daily or placed[-1].closed <= now() + self.interval.length:
            return
        due = self.after(newest)
        if placed[-1].closed > due.closed:
            raise AskedError(
                f"a bar of {self.symbol} that closes {placed[-1].closed.isoformat()} lies in the "
                "future",
                "send the next one due, or leave the timestamp out",
                self._choices(due),
            )

    def _said(self, bar: PostedBar, newest: When) -> When | None:
        """Return when a bar says that it was."""
        day, closed = bar.day, bar.timestamp
        if day is None and closed is None:
            return None
        if self.interval.is_daily:
            return self._of_session(day or self._session_of(closed))
        if closed is None:
            raise AskedError(
                f"a bar of {self.interval} is told by when it closed, not by its session",
                "send `timestamp` in place of `date`",
            )
        return self._on_grid(closed, newest)

    def _of_session(self, day: date) -> When:
        try:
            return When(day, self.calendar.close_of(day))
        except UsageError as error:
            raise AskedError(str(error), "send the date of a session") from error

    def _session_of(self, closed: datetime | None) -> date:
        day = None if closed is None else self.calendar.session_of(closed)
        if day is None:
            raise AskedError(
                f"no session of {self.symbol} is open or closes at "
                f"{'' if closed is None else closed.isoformat()}",
                "send the bar's `date`, or the moment when its session closed",
            )
        return day

    def _on_grid(self, closed: datetime, newest: When) -> When:
        day, length = self._session_of(closed), self.interval.length
        # Vendors cut hours at the open, or at the clock as the stored ones tell.
        over = (closed - self.calendar.open_of(day)) % length
        if over and (closed - newest.closed) % length and closed != self.calendar.close_of(day):
            begun = closed - over
            raise AskedError(
                f"no bar of {self.interval} closes at {closed.isoformat()}",
                "timestamp is when the bar closed",
                self._choices(When(day, begun), When(day, begun + length)),
            )
        return When(day, closed)

    def _due(self, one: When, *, live: bool) -> When:
        due = self.after(one)
        if live and self.after(due).closed <= now():
            raise AskedError(
                f"it is not said when the bar was, and since the newest stored one, of "
                f"{self._shown(one)}, several of {self.symbol} are due",
                "ingest them first, or say the bar's date and send those between in history",
                self._choices(due),
            )
        return due

    def _require_order(self, placed: Sequence[When]) -> None:
        for one, other in pairwise(placed):
            if other.closed <= one.closed:
                raise AskedError(
                    f"the bar of {self._shown(other)} comes after that of {self._shown(one)}",
                    "send the oldest first, each once",
                )

    def _choices(self, *times: When) -> Choices:
        if self.interval.is_daily:
            return [{"date": one.session.isoformat()} for one in times]
        return [{"timestamp": one.closed.isoformat()} for one in times]

    def _shown(self, one: When) -> str:
        return one.session.isoformat() if self.interval.is_daily else one.closed.isoformat()
