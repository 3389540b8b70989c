"""The rows of several instruments as one dataset: in the order of their decisions.

What is one model over all instruments learns from, and is asked about, rows of each: a row's window
holds rows of its own instrument alone. Fits, folds and outcomes are those of any dataset, so that
nothing that becomes known of one instrument is seen before its moment by the model of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.core.recipe import Recipe
from truecast.datasets.assembly import F32, Dataset, Rows
from truecast.datasets.splits import Parts, parts_of
from truecast.datasets.targets import F64, DatasetError, Outcomes
from truecast.features.compute import Decisions


@dataclass(frozen=True)
class PooledDataset(Dataset):
    """One row a decision of any of several instruments.

    Its ``market`` is that of the first; what is of each is asked of ``members``.

    Parameters
    ----------
    of_each : mapping of str to Dataset
        The instruments' own datasets, in the recipe's order.
    place : array of intp, shape (n,)
        Which of them each row is of.
    """

    of_each: Mapping[str, Dataset] = field(default_factory=dict)
    place: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    @classmethod
    def over(cls, members: Mapping[str, Dataset]) -> "PooledDataset":
        """Put the rows of several instruments together.

        Parameters
        ----------
        members : mapping of str to Dataset
            By symbol; of one recipe.

        Raises
        ------
        DatasetError
            If they do not trade in the same sessions.
        """
        calendars = {symbol: one.calendar.name for symbol, one in members.items()}
        if len({*calendars.values()}) > 1:
            raise DatasetError(
                "a pool is cut by the sessions of one calendar, and these have several: "
                f"{', '.join(f'{symbol} {name}' for symbol, name in calendars.items())}"
            )
        each = [*members.values()]
        place = np.repeat(np.arange(len(each)), [len(one) for one in each])
        as_of = np.concatenate([one.decisions.as_of for one in each])
        order = np.lexsort((place, as_of))
        decisions = Decisions(
            *(
                np.concatenate([getattr(one.decisions, name) for one in each])[order]
                for name in ("event_time", "as_of", "session")
            )
        )
        first = each[0]
        return cls(
            market=first.market,
            plan=first.plan,
            inputs=first.inputs,
            calendar=first.calendar,
            interval=first.interval,
            decisions=decisions,
            X=np.concatenate([one.X for one in each])[order],
            ranged=all(one.ranged for one in each),
            crossing=first.crossing,
            of_each=dict(members),
            place=place[order],
        )

    @cached_property
    def members(self) -> Mapping[str, Dataset]:
        """The instruments' own datasets, by symbol; with ranges where all of them have any."""
        return {symbol: replace(one, ranged=self.ranged) for symbol, one in self.of_each.items()}

    @cached_property
    def rows_of(self) -> Mapping[str, Rows]:
        """Where the rows of each instrument are, in their order."""
        return {
            symbol: np.flatnonzero(self.place == place) for place, symbol in enumerate(self.of_each)
        }

    def known_by(self, moment: np.datetime64) -> "PooledDataset":
        """Build the dataset again from what was known at a moment, and no more."""
        cut = {symbol: one.known_by(moment) for symbol, one in self.of_each.items()}
        return replace(type(self).over(cut), ranged=self.ranged)

    def windows(self, features: tuple[str, ...], window: int, rows: Rows | None = None) -> F32:
        """Return rows, each with the rows of its instrument before it; see :class:`Dataset`."""
        if window == 1:
            return super().windows(features, window, rows)
        wanted = np.arange(len(self)) if rows is None else rows
        found = np.empty((len(wanted), window, len(features)), dtype=np.float32)
        for place, one in enumerate(self.members.values()):
            chosen = np.flatnonzero(self.place[wanted] == place)
            if len(chosen):
                own = self._own_row[wanted[chosen]]
                found[chosen] = one.windows(features, window, own)
        return found

    @cached_property
    def _own_row(self) -> Rows:
        """The place of each row among those of its instrument, shape (n,)."""
        own = np.empty(len(self), dtype=np.intp)
        for rows in self.rows_of.values():
            own[rows] = np.arange(len(rows))
        return own

    def _gathered(self, of_each: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Put values of the instruments' rows where these are in the pool."""
        every = [of_each[symbol] for symbol in self.members]
        values = np.empty(len(self), dtype=every[0].dtype)
        for rows, own in zip(self.rows_of.values(), every, strict=True):
            values[rows] = own
        return values

    def _outcomes_at(self, horizon: int) -> Outcomes:
        each = {symbol: one.outcomes(horizon) for symbol, one in self.members.items()}
        first = next(iter(each.values()))
        arrays: dict[str, Any] = {
            name: self._gathered({symbol: getattr(one, name) for symbol, one in each.items()})
            for name, values in vars(first).items()
            if isinstance(values, np.ndarray)
        }
        return replace(first, **arrays)

    @cached_property
    def last_close(self) -> F64:
        """Close of each decision's own bar as known at the decision, shape (n,)."""
        return self._gathered({name: one.last_close for name, one in self.members.items()})

    def parts(self, recipe: Recipe) -> Parts:
        """Cut the rows by date, as a recipe says: counts are of bars of the pool, not of rows.

        All rows of a moment are in one part, so that no instrument teaches what another one is
        tested on.
        """
        starts = np.unique(self.decisions.as_of, return_index=True)[1]
        parts = parts_of(recipe, self.decisions.session[starts], self.calendar)
        # The row with which each moment begins; behind the last one, where the rows end.
        edges = np.append(starts, len(self))

        def rows(part: slice) -> slice:
            return slice(int(edges[part.start]), int(edges[part.stop]))

        return Parts(**{name: rows(getattr(parts, name)) for name in Parts.__dataclass_fields__})
