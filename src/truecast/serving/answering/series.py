"""What a forecast is made from: rows of features of one instrument, computed once and kept."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from truecast.core.calendars import Calendar
from truecast.core.clock import to_datetime64, to_utc
from truecast.core.interval import Interval
from truecast.datasets.assembly import F32, Dataset
from truecast.features.compute import Decisions, Market, compute_at
from truecast.features.plan import FeaturePlan
from truecast.lake.history import BarHistory
from truecast.serving.errors import ServingError

#: Bars beyond those that features reach back for: outcomes reach back too.
_ROOM = 1_024
#: Stretches of rows that are kept: the models of a series look back differently far.
_KEPT = 8
#: Decisions whose features are computed at once. Which ones follows from the series alone, so a
#: row is the same to the bit whoever asks for it, and however many came with it.
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Rows:
    """What one forecast is made from.

    Parameters
    ----------
    newest : Dataset
        The last row is the decision's, those before it are what a model looks back on.
    past : Dataset
        Every row since the fit, from which follows how past forecasts have fared. The same as
        ``newest``, but where a bar is not in the lake: then the rows that are.
    open : int
        Of so many of the last rows of ``newest`` it is not known from the past ones what came:
        those of bars that are not in the lake, and those before on which these may tell.
    """

    newest: Dataset
    past: Dataset
    open: int = 0

    @classmethod
    def of(cls, rows: Dataset) -> Self:
        """Return rows that are all in the lake."""
        return cls(rows, rows)

    @cached_property
    def close(self) -> float:
        """Close of the decision's own bar."""
        return float(self.newest.last(1).last_close[-1])


@dataclass(frozen=True)
class Series:
    """What a forecaster reads: one instrument's bars, and how to turn them into features.

    Parameters
    ----------
    market : Market
        Bars of the instrument and of its context, every version.
    plan : FeaturePlan
        All features of the recipe.
    calendar : Calendar
        The instrument's sessions.
    interval : Interval
        Length of a bar.
    crossing : frozenset of int
        Horizons at which an outcome may lie in a later session; see ``Dataset``.
    stored : Series or None
        The series in the lake, where this one ends with bars that are not: how past forecasts
        have fared is known from there.
    newer : pl.DataFrame or None
        These bars.
    """

    market: Market
    plan: FeaturePlan
    calendar: Calendar
    interval: Interval
    crossing: frozenset[int] = frozenset()
    stored: "Series | None" = field(default=None, repr=False)
    newer: pl.DataFrame | None = field(default=None, repr=False)

    @cached_property
    def decisions(self) -> Decisions:
        """Every decision, in order."""
        return self.market.decisions()

    @cached_property
    def _kept(self) -> OrderedDict[tuple[int, int, bool], Dataset]:
        return OrderedDict()

    @cached_property
    def _blocks(self) -> dict[int, F32]:
        """Features of whole blocks of decisions, by the number of the block."""
        return {}

    def going_on(self, market: Market) -> "Series":
        """Return the series as it goes on.

        Parameters
        ----------
        market : Market
            Of the same instrument: what has been opened anew, or has newer bars at its end, is
            another object, and only that.

        Returns
        -------
        Series
            This one if nothing has changed. Where nothing but bars at the end of its own came,
            features are computed of these alone.
        """
        was = self.market
        beside = market.news is was.news and all(
            market.context[one] is history for one, history in was.context.items()
        )
        if beside and market.bars is was.bars:
            return self
        later = replace(self, market=market)
        if beside:
            later._blocks.update(self._blocks)
        return later

    def with_bars(self, bars: pl.DataFrame) -> "Series":
        """Return the series as it would be with newer bars, which are not in the lake.

        Parameters
        ----------
        bars : pl.DataFrame
            Rows with the columns of the stored ones, sorted by ``event_time``, the last known
            when it is decided on. Stored bars that closed when the first did, or later, are not
            read.

        Returns
        -------
        Series
            Of the last bars alone, as many as features and outcomes of the newer ones reach back.
        """
        # As far as features look where bars were revised; outcomes may lie a year ahead.
        reach = 2 * self.plan.lookback(None) + _ROOM
        kept = self.market.bars.before(_first(bars)).versions.tail(reach)
        market = self.market.with_bars(BarHistory(kept.vstack(bars)))
        return replace(self, market=market, stored=self, newer=bars)

    def tail(
        self, as_of: datetime, since: np.datetime64, before: int, *, ranged: bool = True
    ) -> Dataset:
        """Return the rows from one bar on, up to a moment.

        Parameters
        ----------
        as_of : datetime
            Moment of the last decision, at most.
        since : datetime64[us]
            Rows whose bar closed then or later are wanted; the last row always is.
        before : int
            Rows wanted before them.
        ranged : bool
            See ``Dataset``.

        Returns
        -------
        Dataset
            The same one for the same rows, if they were asked for lately.
        """
        count = int(np.searchsorted(self.decisions.as_of, to_datetime64(as_of), side="right"))
        if not count:
            raise ServingError(
                f"{self.market.symbol}: no bar was known at {as_of.isoformat()}; "
                "ask for a later moment or ingest more history"
            )
        first = int(np.searchsorted(self.decisions.event_time, since))
        first = max(0, min(first, count - 1) - before)
        key = (first, count, ranged)
        if key not in self._kept:
            rows = Dataset(
                market=self.market,
                plan=self.plan,
                inputs=self.plan.names,
                calendar=self.calendar,
                interval=self.interval,
                decisions=self.decisions[first:count],
                X=self._features(first, count),
                ranged=ranged,
                crossing=self.crossing,
            )
            self._kept[key] = rows
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]

    def _features(self, first: int, stop: int) -> F32:
        """Return the features of some decisions."""
        begin = first // _BLOCK
        blocks = [
            self._block(number, min(stop, (number + 1) * _BLOCK))
            for number in range(begin, -(-stop // _BLOCK))
        ]
        return np.concatenate(blocks)[first - begin * _BLOCK :]

    def _block(self, number: int, stop: int) -> F32:
        """Return the features of a block's decisions, as far as they are wanted."""
        start = number * _BLOCK
        if number in self._blocks:
            return self._blocks[number][: stop - start]
        found: F32 = compute_at(self.plan, self.market, self.decisions[start:stop])
        if stop == start + _BLOCK:
            self._blocks[number] = found
        return found

    def rows(
        self,
        as_of: datetime,
        since: np.datetime64,
        before: int,
        *,
        horizon: int,
        fitted: np.datetime64,
        ranged: bool,
    ) -> Rows:
        """Return what a forecast of the last decision up to a moment is made from.

        Parameters
        ----------
        as_of, since, before, ranged
            As :meth:`tail` takes them.
        horizon : int
            Bars: a newer one may say what came of so many rows before it.
        fitted : datetime64[us]
            Close of the last row of the fit.
        """
        if self.stored is None or self.newer is None or _first(self.newer) <= fitted:
            return Rows.of(self.tail(as_of, since, before, ranged=ranged))
        newer = replace(self.market, bars=BarHistory(self.newer)).decisions()
        known = self.stored.decisions
        row = max(0, int(np.searchsorted(known.event_time, _first(self.newer))) - 1)
        past = self.stored.tail(to_utc(known.as_of[row]), since, before, ranged=ranged)
        settled = min(horizon, _ROOM)
        shared = past.last(max(before, settled))
        newest = replace(
            shared,
            market=self.market,
            decisions=shared.decisions.joined(newer),
            X=np.concatenate([shared.X, compute_at(self.plan, self.market, newer)]),
        )
        return Rows(newest, past, len(newer) + min(settled, len(shared)))


def _first(bars: pl.DataFrame) -> np.datetime64:
    moment: np.datetime64 = bars["event_time"].to_numpy()[0]
    return moment
