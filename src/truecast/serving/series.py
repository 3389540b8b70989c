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
from truecast.datasets.assembly import Dataset
from truecast.features.compute import Decisions, Market, compute_at
from truecast.features.plan import FeaturePlan
from truecast.lake.history import BarHistory
from truecast.serving.errors import ServingError

#: Stretches of rows that are kept: the models of a series look back differently far.
_KEPT = 8


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
    shared : int
        How many rows before the last of ``newest`` are the last of ``past``: the newest bar may
        say what came of them.
    """

    newest: Dataset
    past: Dataset
    shared: int = 0

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
        The series in the lake, where the bars of this one are not: how past forecasts have fared
        is known from there.
    follows : bool
        Whether this one is ``stored`` up to some bar, and a bar after it.
    """

    market: Market
    plan: FeaturePlan
    calendar: Calendar
    interval: Interval
    crossing: frozenset[int] = frozenset()
    stored: "Series | None" = field(default=None, repr=False)
    follows: bool = False

    @cached_property
    def decisions(self) -> Decisions:
        """Every decision, in order."""
        return self.market.decisions()

    @cached_property
    def _kept(self) -> OrderedDict[tuple[int, int, bool], Dataset]:
        return OrderedDict()

    def with_bar(self, bar: pl.DataFrame, horizon: int) -> "Series":
        """Return the series as it would be with one more bar, which is not in the lake.

        Parameters
        ----------
        bar : pl.DataFrame, one row
            Columns of ``silver/bars``, at least ``session``, ``event_time``, ``known_at`` and
            ``close``; what is left out is missing. Stored bars that closed then or later are not
            read.
        horizon : int
            Bars, of the longest forecast that will be asked for.

        Returns
        -------
        Series
            Of the last bars alone, as many as a row depends on.
        """
        versions = self.market.bars.versions
        stop = int(np.searchsorted(versions["event_time"].to_numpy(), _moment(bar)))
        # As far as features look for bars that are not in order; a few revisions are among them.
        reach = 2 * self.plan.lookback(None) + 64 + 2 * horizon
        kept = versions.slice(max(0, stop - reach), min(stop, reach))
        return self._of(pl.concat([kept, _as_stored(bar, versions)]), follows=True)

    def with_history(self, bars: pl.DataFrame) -> "Series":
        """Return a series of other bars, none of which is in the lake.

        Parameters
        ----------
        bars : pl.DataFrame
            As :meth:`with_bar` takes one, sorted by ``event_time``.
        """
        return self._of(_as_stored(bars, self.market.bars.versions), follows=False)

    def _of(self, bars: pl.DataFrame, *, follows: bool) -> "Series":
        market = self.market.with_bars(BarHistory(bars))
        return replace(self, market=market, stored=self.stored or self, follows=follows)

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
            rows = Dataset.of(
                self.market,
                self.plan,
                inputs=self.plan.names,
                calendar=self.calendar,
                interval=self.interval,
                decisions=self.decisions[first:count],
            )
            self._kept[key] = replace(rows, ranged=ranged, crossing=self.crossing)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]

    def rows(
        self, as_of: datetime, since: np.datetime64, before: int, horizon: int, *, ranged: bool
    ) -> Rows:
        """Return what a forecast of the last decision up to a moment is made from.

        Parameters
        ----------
        as_of, since, before, ranged
            As :meth:`tail` takes them.
        horizon : int
            Bars: the newest one may say what came of so many rows before it.
        """
        if self.stored is None:
            return Rows.of(self.tail(as_of, since, before, ranged=ranged))
        decided = self.decisions[-1]
        known = self.stored.decisions
        row = int(np.searchsorted(known.event_time, decided.event_time[0])) - 1
        past = self.stored.tail(to_utc(known.as_of[max(row, 0)]), since, before, ranged=ranged)
        if not self.follows:
            return Rows(self.tail(as_of, decided.event_time[0], before, ranged=ranged), past)
        shared = past.last(max(before, horizon))
        X = compute_at(self.plan, self.market, decided)
        newest = replace(
            shared,
            market=self.market,
            decisions=shared.decisions.joined(decided),
            X=np.concatenate([shared.X, X]),
        )
        return Rows(newest, past, len(shared))


def _moment(bar: pl.DataFrame) -> np.datetime64:
    moment: np.datetime64 = bar["event_time"].to_numpy()[0]
    return moment


def _as_stored(bars: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """Return bars with the columns of stored ones, each in its first version."""
    standing = {"version": 0, "scale": 1.0, "withdrawn": False}
    return bars.select(
        (pl.col(name) if name in bars.columns else pl.lit(standing.get(name)))
        .cast(kind)
        .alias(name)
        for name, kind in versions.schema.items()
    )
