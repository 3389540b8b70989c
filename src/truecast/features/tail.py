"""One new bar: all features of an instrument, from the last bars that they look back on.

The kernels are those of the batch, on a block of one row. A tail goes forward only: after a
revision of an earlier bar make a new one.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from truecast.core.calendars import Calendar
from truecast.core.clock import to_datetime64
from truecast.features.blocks import complete
from truecast.features.clock import clock_at
from truecast.features.compute import CONTEXT_AGE
from truecast.features.declaration import CLOCK, FeatureError, Output
from truecast.features.groups import Group, kernel_of
from truecast.features.market import Bars, Market
from truecast.features.news import Stories, write_news
from truecast.features.plan import FeaturePlan
from truecast.features.user import call


class Tail:
    """The newest bars of an instrument and its context, ready for the next one.

    Parameters
    ----------
    plan : FeaturePlan
        What is computed.
    calendar : Calendar or None
        Of the instrument's market, for features of the time of day.
    dtype : float32 or float64
        Type of the rows.

    Examples
    --------
    >>> from truecast.core.recipe_parts import Choice
    >>> tail = Tail(FeaturePlan.from_choices([Choice(name="roc_1")]))
    >>> for day, close in enumerate([100.0, 101.0]):
    ...     tail.push({"event_time": np.datetime64(day, "D"), "close": close})
    >>> tail.row(np.datetime64(1, "D")).round(6).tolist()
    [1.0]
    """

    def __init__(
        self, plan: FeaturePlan, calendar: Calendar | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        self._plan = plan
        self._out = np.empty((len(plan.features), 1), dtype)
        self._series = {
            of: _SeriesTail(plan.groups(of), calendar if of is None else None)
            for of in (None, *plan.context)
        }

    @classmethod
    def of(
        cls,
        plan: FeaturePlan,
        market: Market,
        as_of: np.datetime64,
        dtype: DTypeLike = np.float32,
    ) -> Self:
        """Return the tail of what is known of a market at a moment.

        It ends with the newest bar known then: where decisions wait longer than a bar, that is a
        later one than the bar of a decision made then.
        """
        tail = cls(plan, market.calendar, dtype)
        known = market.known_by(as_of)
        for of, series in tail._series.items():
            frame = known.history(of).known().tail(series.length)
            series.fill(Bars(frame, market.calendar_of(of)))
        return tail

    def push(self, bar: Mapping[str, object], of: str | None = None) -> None:
        """Take in the next bar of the instrument, or of a context series.

        Parameters
        ----------
        bar : mapping
            Columns of a bar by name: ``event_time`` (aware, or a datetime64 that means UTC),
            ``session``, and the numbers that the features read; what is not there counts as
            missing.
        of : str or None
            A context symbol, or None for the instrument.

        Raises
        ------
        FeatureError
            If the bar is not later than the last one, or the plan reads no such series.
        """
        if of not in self._series:
            raise FeatureError(f"no feature of the plan reads {of}")
        self._series[of].push(bar)

    def row(self, as_of: np.datetime64, news: Stories | None = None) -> NDArray[np.floating]:
        """Compute all features of the newest bar.

        Parameters
        ----------
        as_of : datetime64[us], UTC
            The moment of the decision: what was pushed must have been known by then.
        news : Stories or None
            What was told; only what was known at the moment is read.

        Returns
        -------
        array of float32, shape (k,)
            In the order of the plan; equal to the row of the batch, to the bit for features
            over windows.
        """
        out = self._out
        own = self._series[None]
        for of in self._plan.context:
            beside = self._series[of]
            current = beside.newest is not None and bool(as_of - beside.newest <= CONTEXT_AGE)
            own.set_beside(of, beside, current)
            beside.write(out, current)
        own.write(out, own.newest is not None)
        if self._plan.of_news:
            write_news(self._plan.of_news, news, np.array([as_of]), out)
        return out[:, 0].copy()


class _SeriesTail:
    """The newest bars of one series as the kernels' input."""

    def __init__(self, groups: Sequence[Group], calendar: Calendar | None) -> None:
        self._calendar = calendar
        self._compiled = [group for group in groups if group.family.function is None]
        self._own = [group for group in groups if group.family.function is not None]
        self.length = 1 + max((group.halo for group in groups), default=0)
        names = groups[0].rows if groups else ()
        read = dict.fromkeys(name for group in groups for name in group.inputs)
        self._rows = {name: names.index(name) for name in read}
        self._beside = [name for name in read if ":" in name]
        self._numbers = [*({"close", *read} - {"session", *CLOCK, *self._beside})]
        self._timed = calendar is not None and not read.keys().isdisjoint(CLOCK)
        features = [member for group in groups for member in group.members]
        self._warm_ups = [(place, feature.warm_up) for place, feature in features]
        self._warm_up = max((bars for _, bars in self._warm_ups), default=0)
        self._last: dict[str, float] = {}
        self._x = np.full((len(names), self.length), np.nan)
        self._places = np.array([*self._rows.values()], np.int64)
        self._newest = np.empty(len(self._rows))
        self._bars = 0
        self.newest: np.datetime64 | None = None

    def fill(self, bars: Bars) -> None:
        """Take in the newest bars there are, at most as many as are looked back on."""
        self._bars = len(bars)
        if not self._bars:
            return
        for name, row in self._rows.items():
            if name not in self._beside:
                self._x[row, self.length - self._bars :] = bars.values(name)
        complete(self._x, self._rows)
        self.newest = bars.times("event_time")[-1]
        self._last = {"close": float(bars.values("close")[-1])}

    def push(self, bar: Mapping[str, object]) -> None:
        """Take in the next bar."""
        moment = _moment(bar["event_time"])
        if self.newest is not None and moment <= self.newest:
            raise FeatureError(
                f"a bar that closed {moment}Z is not later than the last one ({self.newest}Z): "
                "make a new tail after a revision"
            )
        values = self._values(bar, moment)
        if self._rows:
            for place, name in enumerate(self._rows):
                self._newest[place] = values.get(name, math.nan)
            kernel_of("price:push_bar")(self._x, self._places, self._newest)
        self.newest, self._last = moment, values
        self._bars += 1

    def _values(self, bar: Mapping[str, object], moment: np.datetime64) -> dict[str, float]:
        given = {name: bar.get(name) for name in self._numbers}
        values = {
            name: float(value)  # type: ignore[arg-type]
            for name, value in given.items()
            if value is not None
        }
        session = np.datetime64(bar.get("session", moment), "D")  # type: ignore[call-overload]
        values["session"] = float(session.astype(np.int64))
        if self._timed and self._calendar is not None:
            values |= clock_at(moment, session, self._calendar)
        return values

    def set_beside(self, of: str, other: "_SeriesTail", current: bool) -> None:
        """Write the newest values of a context series beside the newest bar."""
        for name in self._beside:
            if name.startswith(f"{of}:"):
                value = other._last.get(name.removeprefix(f"{of}:"), np.nan)
                self._x[self._rows[name], -1] = value if current else np.nan

    def write(self, out: Output, current: bool) -> None:
        """Write the features of the newest bar, NaN where there is none that counts."""
        if current:
            for group in self._compiled:
                group.run(self._x, self.length - 1 - group.halo, out, 0)
            for group in self._own:
                for place, feature in group.members:
                    out[place] = self._called(group, feature.lookback)
        if not current or self._bars < self._warm_up:
            for place, warm_up in self._warm_ups:
                if not current or self._bars < warm_up:
                    out[place] = np.nan

    def _called(self, group: Group, lookback: int) -> float:
        if self._bars < lookback:
            return np.nan  # of too few bars it need not know what to do
        begin = self.length - lookback
        inputs = {name: self._x[self._rows[name], begin:] for name in group.inputs}
        return float(call(group.family, inputs)[-1])


def _moment(given: object) -> np.datetime64:
    if isinstance(given, datetime):
        return to_datetime64(given)
    return np.datetime64(given, "us")  # type: ignore[call-overload,no-any-return]
