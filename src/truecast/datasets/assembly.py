"""A dataset: the decisions of one instrument, the features known at each, and what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from truecast.core.calendars import Calendar
from truecast.core.clock import to_datetime64, to_utc
from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.datasets.splits import Parts, parts_of
from truecast.datasets.targets import F64, Outcomes, outcomes_of
from truecast.features.compute import Decisions, Market, compute_at
from truecast.features.plan import FeaturePlan, as_run

F32 = NDArray[np.float32]
Rows = NDArray[np.intp]

#: The feature that turns open-to-close into close-to-close variance.
RATIO = "gk_ratio_1000"
#: The feature whose multiples part the regimes: how far bars moved over the last 500. Over a year
#: the edge follows the market so closely that no regime can be told beforehand.
DEVIATION = "return_sd_500"


@dataclass(frozen=True)
class Dataset:
    """One row a decision of one instrument.

    Parameters
    ----------
    market : Market
        The bars, every version, and those of the context.
    plan : FeaturePlan
        The features, in the order of the columns.
    calendar : Calendar
        The instrument's sessions.
    interval : Interval
        Length of a bar.
    decisions : Decisions
        The moments of decision, one a bar.
    inputs : tuple of str
        The features that the recipe names; the plan may hold more, which single models require.
    X : array of float32, shape (n, k)
        Features as known at each decision.
    ranged : bool
        Whether bars have open, high and low, so that variances come from ranges.
    crossing : frozenset of int
        Horizons at which an intraday outcome may lie in a later session than its decision.
    """

    market: Market
    plan: FeaturePlan
    inputs: tuple[str, ...]
    calendar: Calendar
    interval: Interval
    decisions: Decisions
    X: F32
    ranged: bool = True
    crossing: frozenset[int] = frozenset()

    @classmethod
    def build(
        cls,
        market: Market,
        plan: FeaturePlan,
        *,
        inputs: tuple[str, ...],
        calendar: Calendar,
        interval: Interval,
        as_of: datetime | None = None,
    ) -> "Dataset":
        """Compute the features of all decisions up to a moment.

        Parameters
        ----------
        market, plan, inputs, calendar, interval
            See the class.
        as_of : datetime or None
            The last decision's moment at most; None for all.
        """
        return cls.of(
            market,
            plan,
            inputs=inputs,
            calendar=calendar,
            interval=interval,
            decisions=market.decisions(as_of),
        )

    @classmethod
    def of(
        cls,
        market: Market,
        plan: FeaturePlan,
        *,
        inputs: tuple[str, ...],
        calendar: Calendar,
        interval: Interval,
        decisions: Decisions,
    ) -> "Dataset":
        """Compute the features of the given decisions: all of them, or the last few."""
        X = compute_at(plan, market, decisions)
        return cls(market, plan, inputs, calendar, interval, decisions, X)

    def known_by(self, moment: np.datetime64) -> "Dataset":
        """Build the dataset again from what was known at a moment, and no more."""
        again = Dataset.build(
            self.market.known_by(moment),
            self.plan,
            inputs=self.inputs,
            calendar=self.calendar,
            interval=self.interval,
            as_of=to_utc(moment),
        )
        return replace(again, ranged=self.ranged, crossing=self.crossing)

    def renewed(self, moment: datetime) -> "Dataset":
        """Take the last decision again at a later moment, by what has become known since.

        Parameters
        ----------
        moment : datetime
            A time-zone-aware moment, after the decision.
        """
        as_of = self.decisions.as_of.copy()
        as_of[-1] = to_datetime64(moment)
        decisions, X = replace(self.decisions, as_of=as_of), self.X.copy()
        X[-1] = compute_at(self.plan, self.market, decisions[-1])[0]
        return replace(self, decisions=decisions, X=X)

    def __len__(self) -> int:
        return len(self.decisions)

    @cached_property
    def members(self) -> Mapping[str, "Dataset"]:
        """The instruments whose rows these are, by symbol: one, but for a pool."""
        return {self.market.symbol: self}

    @cached_property
    def rows_of(self) -> Mapping[str, Rows]:
        """Where the rows of each instrument are, in their order."""
        return {self.market.symbol: np.arange(len(self))}

    def parts(self, recipe: Recipe) -> Parts:
        """Cut the rows as a recipe says; see :func:`truecast.datasets.splits.parts_of`."""
        return parts_of(recipe, self.decisions.session, self.calendar)

    def first(self, count: int) -> "Dataset":
        """Return the first so many rows, all there are if there are fewer."""
        if count >= len(self):
            return self
        return replace(self, decisions=self.decisions[:count], X=self.X[:count])

    def last(self, count: int) -> "Dataset":
        """Return the last so many rows, all there are if there are fewer."""
        if count >= len(self):
            return self
        first = len(self) - count
        return replace(self, decisions=self.decisions[first:], X=self.X[first:])

    def feature(self, name: str) -> F64:
        """Return one feature of every row, float64, shape (n,)."""
        return self.X[:, self.plan.places[name]].astype(np.float64)

    def windows(self, features: tuple[str, ...], window: int, rows: Rows | None = None) -> F32:
        """Return rows, each with the rows before it.

        Parameters
        ----------
        features : tuple of str
            Which features, in order.
        window : int
            Rows a prediction needs, the last being its own.
        rows : array of intp, shape (m,), increasing, or None
            Which rows; None for all.

        Returns
        -------
        array of float32, shape (n or m, window, len(features))
            Oldest first; rows before the data are NaN. A view where it can be one, so not to be
            written to: a copy of a million rows takes half a gigabyte.
        """
        columns = self.X[:, self.plan.columns(features)]
        if window > 1:
            padded = np.full((window - 1 + len(columns), len(features)), np.nan, dtype=np.float32)
            padded[window - 1 :] = columns
            windows = np.moveaxis(sliding_window_view(padded, window, axis=0), 2, 1)
        else:
            windows = columns[:, None, :]
        return windows if rows is None else windows[as_run(rows)]

    def outcomes(self, horizon: int, as_of: datetime | None = None) -> Outcomes:
        """Say what came of each decision.

        Parameters
        ----------
        horizon : int
            Bars.
        as_of : datetime or None
            Only outcomes known by then; None for all.

        Returns
        -------
        Outcomes
            Shapes (n,).
        """
        if horizon not in self._outcomes:
            self._outcomes[horizon] = self._outcomes_at(horizon)
        outcomes = self._outcomes[horizon]
        return outcomes if as_of is None else outcomes.known_by(to_datetime64(as_of))

    def _outcomes_at(self, horizon: int) -> Outcomes:
        return outcomes_of(
            self.decisions.event_time,
            self.market.bars,
            horizon=horizon,
            calendar=self.calendar,
            interval=self.interval,
            crossing=horizon in self.crossing,
        )

    @cached_property
    def _outcomes(self) -> dict[int, Outcomes]:
        return {}

    def response(self, target: str, outcomes: Outcomes) -> F64:
        """Return what a model of a target learns to predict.

        Parameters
        ----------
        target : str
            ``direction``, ``price``, ``regime``, ``return`` or ``volatility``.
        outcomes : Outcomes
            What came of each decision, shapes (n,).

        Returns
        -------
        array of float64, shape (n,)
            direction: 1 for up, else 0; price and return: log return over the horizon in
            percent; regime: 0 bear, 1 neutral, 2 bull, see
            :meth:`truecast.datasets.targets.Outcomes.regime`; volatility: variance a bar in
            percent², close to close, from Garman–Klass where the dataset is ``ranged``, else from
            squared returns. NaN where not known.
        """
        if target == "direction":
            return outcomes.up
        if target == "regime":
            return outcomes.regime(self.feature(DEVIATION))
        if target in {"price", "return"}:
            return outcomes.log_return
        return (
            outcomes.garman_klass * self.feature(RATIO) if self.ranged else outcomes.squared_return
        )

    @cached_property
    def last_close(self) -> F64:
        """Close of each decision's own bar as known at the decision, shape (n,)."""
        closes = np.full(len(self), np.nan)
        if not len(self):
            return closes
        history = self.market.bars.since(self.decisions.event_time[0])
        for rows, bars in history.epochs(self.decisions.as_of):
            times = bars["event_time"].to_numpy()
            place = np.searchsorted(times, self.decisions.event_time[rows])
            closes[rows] = bars["close"].to_numpy()[place]
        return closes
