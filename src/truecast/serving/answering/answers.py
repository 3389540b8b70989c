"""From a decision to an answer: said again from memory, or computed, written down, then said."""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from truecast.core.clock import now, to_datetime64, to_utc
from truecast.core.forecast import Forecast, Mode
from truecast.core.slot import Slot
from truecast.ledger.ledger import Guard, Ledger
from truecast.ledger.query import Query
from truecast.serving.answering.answered import Answered
from truecast.serving.answering.champions import Seat, View
from truecast.serving.answering.opening import Opened
from truecast.serving.errors import AskedError, BusyError, OverdueError, ServingError
from truecast.serving.feed.polls import next_close
from truecast.serving.workspace import decided_by, latest

#: Answers that are kept in memory.
_KEPT = 2_000
#: How long a question waits for another one about the same slot.
_PATIENCE_SECONDS = 5
#: How far another machine's clock may be ahead of this one's.
_CLOCKS_DIFFER = timedelta(minutes=1)

_Versions = tuple[tuple[str, int], ...]
_Key = tuple[Slot, str, datetime, Mode, str | None, _Versions, str | None]


@dataclass(frozen=True)
class Answer:
    """A forecast as it goes out.

    Parameters
    ----------
    forecast : Forecast
        As it stands in the ledger; ``degraded`` too if another model should have made it.
    until : datetime or None
        From when on it is no more the newest; None where nothing newer is in sight.
    """

    forecast: Forecast
    until: datetime | None

    @cached_property
    def body(self) -> bytes:
        """The forecast as JSON; see :class:`truecast.serving.answering.answered.Answered`."""
        return Answered.of(self.forecast).model_dump_json().encode()

    @property
    def holds(self) -> bool:
        """Whether it is still the newest that can be said."""
        return self.until is None or now() < self.until


@dataclass(frozen=True)
class Question:
    """One decision of one series, and who is asked about it.

    Parameters
    ----------
    seat : Seat
        Who is asked.
    opened : Opened
        The series.
    row : int
        Place of the decision.
    mode : str
        What the forecast counts as.
    lake : tuple
        Versions of the lake's tables: late bars may be inputs of a decision that is made.
    renewed : datetime or None
        When the decision is taken again, by the news since then.
    posted : str or None
        Hash of the bars that were sent with it, if any were.
    """

    seat: Seat
    opened: Opened
    row: int
    mode: Mode
    lake: _Versions
    renewed: datetime | None = None
    posted: str | None = None

    @classmethod
    def of(cls, view: View, seat: Seat, moment: datetime | None) -> "Question":
        """Find the decision that is asked about.

        Parameters
        ----------
        view : View
            Gives the series.
        seat : Seat
            Who is asked.
        moment : datetime or None
            The last decision made by then is meant; None for the newest.

        Raises
        ------
        AskedError
            If the moment lies in the future, or before the model was trained.
        ServingError
            If no decision has been made yet.
        """
        opened = view.bars.of(seat.recipe, seat.slot.instrument)
        lake = tuple(view.bars.versions.items())
        decisions = opened.decisions
        newest = decided_by(decisions, latest(decisions, seat.recipe))
        if newest < 0:
            raise ServingError(f"{seat.slot}: no decision has been made yet: ingest bars")
        if moment is not None and moment > now() + _CLOCKS_DIFFER:
            raise AskedError(
                f"timestamp {moment.isoformat()} is in the future",
                "leave it out for the newest forecast",
            )
        row = newest if moment is None else min(newest, decided_by(decisions, moment))
        if row == newest:
            by = now() if moment is None else min(moment, now())
            heard = opened.heard(newest, by) if seat.mode == "live" else None
            return cls(seat, opened, newest, seat.mode, lake, heard)
        trained_through, recipe = seat.forecaster.trained_through, seat.slot.recipe
        if moment is not None and (row < 0 or opened.decided(row) < trained_through):
            raise AskedError(
                f"version {seat.champion.version} of {seat.slot} was trained through "
                f"{trained_through.isoformat()}: it may not forecast as of {moment.isoformat()}",
                f"use `truecast replay {recipe} --from DATE --to DATE` or "
                f"`truecast predict {recipe} --as-of MOMENT`: they take models of then",
            )
        # Not scored: asked first, it would stand in the place of a replay by a model of then.
        return cls(seat, opened, row, "whatif", lake)

    @cached_property
    def key(self) -> _Key:
        """What an answer depends on."""
        champion = self.seat.champion
        given = (self.seat.slot, champion.version, self.as_of, self.mode)
        return *given, self.seat.refused, self.lake, self.posted

    @cached_property
    def as_of(self) -> datetime:
        """Moment of the decision."""
        return self.renewed or self.opened.decided(self.row)

    @property
    def until(self) -> datetime | None:
        """When the next decision is made from bars, or news, that are there; None if none is."""
        after, news = self.row + 1, self.opened.series.market.news
        ends = [self.opened.decided(after)] if after < len(self.opened.decisions) else []
        if self.mode == "live" and news is not None:
            later = np.searchsorted(news.known_at, to_datetime64(now()), side="right")
            ends += [to_utc(one) for one in news.known_at[later : later + 1]]
        return min(ends, default=None)

    def forecast(self) -> Forecast:
        """Compute the answer."""
        decided = self.opened.decided(self.row)
        return self.seat.forecast(self.opened.series, decided, self.mode, self.renewed)

    def answer(self, written: Forecast) -> Answer:
        """Shape the answer from what stands in the ledger."""
        forecast = self.seat.marked(written)
        ends = [self.until]
        if self.mode == "live":
            series = self.opened.series
            following = next_close(series.calendar, series.interval, forecast.event_time)
            ends += [forecast.due_at, following]
        return Answer(forecast, min(filter(None, ends), default=None))


class Answers:
    """What was said, and the way to say more.

    Parameters
    ----------
    ledger : Ledger
        Keeps what is said.
    computing : lock
        Held while anything is computed.
    """

    def __init__(self, ledger: Ledger, computing: threading.RLock) -> None:
        self._ledger, self._computing = ledger, computing
        # Apart from computing: who only looks something up waits for no forecast.
        self._said: OrderedDict[_Key, Answer] = OrderedDict()
        self._remembering = threading.Lock()
        self._turn: defaultdict[Slot, threading.Lock] = defaultdict(threading.Lock)

    def of(self, questions: Sequence[Question], guard: Guard | None = None) -> list[Answer]:
        """Answer from memory; compute the rest, write all of it down at once, then answer.

        Parameters
        ----------
        questions : sequence of Question
            What is asked.
        guard : callable or None
            May refuse the write; see :meth:`truecast.ledger.ledger.Ledger.write`.

        Raises
        ------
        ServingError
            If a forecast cannot be issued.
        DatabaseError, LedgerError
            If it cannot be written down: then it is not given out.
        """
        known = self._known(questions)
        if len(known) < len({one.key for one in questions}):
            # Bars that are sent differ: nobody's answer is another's.
            with self._turns({one.seat.slot for one in questions if one.posted is None}):
                known = self._answered(questions, guard)
        return [known[question.key] for question in questions]

    def last(self, seat: Seat, overdue: OverdueError) -> Answer:
        """Say the last live forecast again where a newer bar is due and cannot be had.

        It was said in time, and is marked as stale. One whose own outcome is due is past.

        Parameters
        ----------
        seat : Seat
            Who is asked.
        overdue : OverdueError
            Why there is no newer one; raised if there is none that is still ahead.
        """
        said = self._ledger.history(Query(slot=str(seat.slot), mode="live", limit=1))
        if not said or said[0].forecast.due_at <= now():
            raise overdue
        forecast = seat.marked(said[0].forecast)
        reasons = [*filter(None, [forecast.reason]), f"stale: {overdue}"]
        stale = forecast.model_copy(update={"degraded": True, "reason": "; ".join(reasons)})
        return Answer(stale, now())

    def _answered(self, questions: Sequence[Question], guard: Guard | None) -> dict[_Key, Answer]:
        known = self._known(questions)
        new = [question for question in questions if question.key not in known]
        with self._computing:
            said = [question.forecast() for question in new]
        # A ledger that is slow to take it holds up nobody who asks for something else.
        written = self._ledger.write(said, guard) if said else []
        found = zip(new, written, strict=True)
        made = {question.key: question.answer(forecast) for question, forecast in found}
        with self._remembering:
            self._said |= made
            while len(self._said) > _KEPT:
                self._said.popitem(last=False)
        return known | made

    @contextmanager
    def _turns(self, slots: Collection[Slot]) -> Iterator[None]:
        """Let one thread at a time answer for a slot: those behind find its answer."""
        with ExitStack() as held:
            for slot in sorted(slots, key=str):
                turn = self._turn[slot]
                if not turn.acquire(timeout=_PATIENCE_SECONDS):
                    raise BusyError(
                        f"{slot}: an answer has been on its way into the ledger for over "
                        f"{_PATIENCE_SECONDS} seconds: something keeps the database locked"
                    )
                held.callback(turn.release)
            yield

    def _known(self, questions: Sequence[Question]) -> dict[_Key, Answer]:
        with self._remembering:
            return {one.key: self._said[one.key] for one in questions if self._holds(one)}

    def _holds(self, question: Question) -> bool:
        answer = self._said.get(question.key)
        # What is overdue is computed again, which says so.
        return answer is not None and (question.mode != "live" or answer.holds)
