"""Bars that are sent with a question: placed after those in the lake, read once, never kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from truecast.core.clock import now, to_datetime64
from truecast.core.hashing import hash_of
from truecast.features.compute import Decisions, Market
from truecast.features.market import Bars
from truecast.lake.history import BarHistory
from truecast.serving.answering.answers import Question
from truecast.serving.answering.champions import Seat, View
from truecast.serving.answering.opening import Opened
from truecast.serving.answering.placing import Grid, When
from truecast.serving.answering.series import Series
from truecast.serving.answering.units import LOOKED_AT, Usual
from truecast.serving.errors import AskedError, Choices
from truecast.serving.schemas import PostedBar

_PRICES = ("open", "high", "low", "close")
_VALUES = (*_PRICES, "volume")
#: Numbers of a bar that is stored and sent again agree within this, relative.
_AGREEMENT = 1e-6
_MOST_CHOICES = 50


@dataclass(frozen=True)
class Posted:
    """The newest bars of an instrument as somebody says they are.

    Parameters
    ----------
    times : tuple of When
        When each of them was, oldest first.
    bars : tuple of PostedBar
        What was sent. They take the place of the stored bars from the first of them on.
    delay : timedelta
        From the close of a bar to its decision, ``decide_after`` of the recipe.
    """

    times: tuple[When, ...]
    bars: tuple[PostedBar, ...]
    delay: timedelta

    @property
    def decided(self) -> datetime:
        """When the newest one is decided on."""
        return self.times[-1].closed + self.delay

    @property
    def hash(self) -> str:
        """What they say, as 64 hexadecimal digits."""
        said = zip(self.times, self.bars, strict=True)
        return hash_of([[when.closed.isoformat(), *_numbers(bar)] for when, bar in said])

    def series(self, opened: Opened) -> Series:
        """Return a series that ends with other bars than those in the lake.

        Parameters
        ----------
        opened : Opened
            The series in the lake, nothing of which was known later than now.

        Returns
        -------
        Series
            The stored bars that closed before the first of these, then these, each known when it
            is decided on. Context and news are as they are stored.
        """
        stored = opened.series.market.bars.versions
        return opened.series.with_bars(self._rows(stored))

    def _rows(self, stored: pl.DataFrame) -> pl.DataFrame:
        """Return the bars with the columns of stored ones; what was not sent is missing."""
        scaled = {"scale": stored["scale"][-1]} if "scale" in stored.columns else {}
        rows = [
            {
                "session": when.session,
                "event_time": when.closed,
                "known_at": when.closed + self.delay,
                **dict(zip(_VALUES, _numbers(bar), strict=True)),
                "version": 0,
                "withdrawn": False,
                **scaled,
            }
            for when, bar in zip(self.times, self.bars, strict=True)
        ]
        return pl.from_dicts(rows, schema=stored.schema)


def question_of(view: View, seat: Seat, sent: Sequence[PostedBar]) -> Question:
    """Find the decision that bars are sent for.

    Parameters
    ----------
    view : View
        Gives the stored series.
    seat : Seat
        Who is asked.
    sent : sequence of PostedBar
        Oldest first, at least one.

    Returns
    -------
    Question
        Of mode ``whatif``; where all the bars are stored already, the one about the stored bar.

    Raises
    ------
    AskedError
        If a bar cannot be where it says, contradicts the stored ones or is in other units.
    NoDataError
        If nothing is stored of the instrument.
    """
    opened = _known(view.bars.of(seat.recipe, seat.slot.instrument))
    series, symbol = opened.series, seat.slot.instrument
    grid = Grid(symbol, series.calendar, series.interval)
    recent = _standing(series.market, len(sent))
    if not len(recent):
        raise AskedError(f"no bars of {symbol} are stored yet", "ingest some first")
    stored = _times(recent.tail(len(sent)))
    times = grid.place(sent, stored, live=seat.live)
    delay = seat.recipe.decision_delay
    if times[-1].closed <= stored[-1].closed:
        _require_stored(series.market, times, sent)
        same = times[-1].closed == stored[-1].closed  # it may not be decided on yet
        return Question.of(view, seat, None if same else times[-1].closed + delay)
    posted = Posted(times, tuple(sent), delay)
    before, last = recent.tail(LOOKED_AT + 1), stored[-1:]
    if times[0].closed <= stored[-1].closed:
        before = _standing(series.market, 0, times[0].closed)
        last = _times(before.tail(1))
    grid.require_joined(times, last[0] if last else None, stored[-1])
    _require_usual(before if len(before) else recent, posted, _choices(view, seat))
    closed, as_of = to_datetime64(times[-1].closed), to_datetime64(posted.decided)
    day = np.array([times[-1].session], dtype="datetime64[D]")
    decided = Decisions(np.array([closed]), np.array([as_of]), day)
    made = Opened(posted.series(opened), decided)
    lake = tuple(view.bars.versions.items())
    return Question(seat, made, 0, "whatif", lake, posted=posted.hash)


def _times(bars: pl.DataFrame) -> list[When]:
    days, closes = (bars[name].to_list() for name in ("session", "event_time"))
    return [When(*one) for one in zip(days, closes, strict=True)]


def _numbers(bar: PostedBar) -> tuple[float | None, ...]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def _known(opened: Opened) -> Opened:
    """Return a series without what became known later than now.

    In a replay the lake holds it, and a bar that is sent may be decided on later than now.
    """
    market, moment = opened.series.market, to_datetime64(now())
    series = (None, *market.context)
    ahead = any((market.versions(of).times("known_at") > moment).any() for of in series)
    if not ahead and (market.news is None or not (market.news.known_at > moment).any()):
        return opened
    return replace(opened, series=replace(opened.series, market=market.known_by(moment)))


def _standing(market: Market, more: int, before: datetime | None = None) -> pl.DataFrame:
    """Return the newest stored bars, or those before a moment, as they are known now."""
    bars = market.bars if before is None else market.bars.before(to_datetime64(before))
    return BarHistory(bars.versions.tail(LOOKED_AT + 1 + more)).known()


def _require_stored(market: Market, times: Sequence[When], sent: Sequence[PostedBar]) -> None:
    """Refuse bars that are older than the newest stored one, but for those that are the same."""
    since = pl.col("event_time") >= times[0].closed
    stored = BarHistory(market.bars.versions.filter(since)).known()
    there = {row["event_time"]: row for row in stored.select("event_time", *_VALUES).to_dicts()}
    newest = stored.row(-1, named=True)
    for when, bar in zip(times, sent, strict=True):
        row = there.get(when.closed)
        if row is None or not _same(bar, row):
            held = "there is none" if row is None else f"close {row['close']:g} is stored"
            raise AskedError(
                f"the bar that closed {when.closed.isoformat()} is not newer than the newest "
                f"stored one, of {newest['event_time'].isoformat()}, and differs: {held}",
                "send a newer bar; POST /bars takes corrections",
            )


def _same(bar: PostedBar, row: dict[str, float | None]) -> bool:
    """Say whether what was sent of a bar is what is stored; what is not stored does not count."""
    pairs = zip(_numbers(bar), (row[name] for name in _VALUES), strict=True)
    return all(
        one is None or other is None or abs(one - other) <= _AGREEMENT * abs(other)
        for one, other in pairs
    )


def _require_usual(before: pl.DataFrame, posted: Posted, choices: Choices) -> None:
    numbers = Bars(before)
    usual = Usual.of(numbers.values("close"), numbers.values("volume"))
    close = usual.close
    for when, bar in zip(posted.times, posted.bars, strict=True):
        objection = usual.objection(bar, close)
        if objection is not None:
            raise AskedError(
                f"the bar of {when.session} does not fit the stored series: {objection}",
                "send it in the units of the stored bars, or say which instrument is meant",
                choices,
            )
        close = bar.close


def _choices(view: View, seat: Seat) -> Choices:
    """Return whose bars may be sent to models of the same target."""
    found = {
        (slot.recipe, slot.instrument): {"recipe": slot.recipe, "instrument": slot.instrument}
        for slot in view.slots
        if slot.target == seat.slot.target
    }
    return list(found.values())[:_MOST_CHOICES]
