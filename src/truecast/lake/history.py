"""What a series of bars looked like at any moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.clock import require_utc

Moments = NDArray[np.datetime64]


@dataclass(frozen=True)
class BarHistory:
    """Every version of one instrument's bars, to be read as of any moment.

    Parameters
    ----------
    versions : pl.DataFrame
        Rows of ``silver/bars`` for one source, instrument and interval, sorted by
        ``event_time`` and ``version``. A version that is ``withdrawn`` (a column that need not be
        there) takes its bar out of what is read from then on.
    """

    versions: pl.DataFrame

    def known(self, as_of: datetime | None = None) -> pl.DataFrame:
        """Return the bars as they were known at a moment: the last version of each.

        Parameters
        ----------
        as_of : datetime or None
            A time-zone-aware moment; None for everything that is known.

        Returns
        -------
        pl.DataFrame
            One row a bar with ``known_at <= as_of``, sorted by ``event_time``.
        """
        rows = self.versions
        if as_of is None and self.undisturbed:
            return rows
        if as_of is not None:
            rows = rows.filter(pl.col("known_at") <= require_utc(as_of, "as_of"))
        return _standing(rows)

    def since(self, moment: np.datetime64) -> "BarHistory":
        """Return the bars that closed at a moment (UTC) or later, every version."""
        return BarHistory(self.versions.slice(self._place(moment)))

    def before(self, moment: np.datetime64) -> "BarHistory":
        """Return the bars that closed before a moment (UTC), every version."""
        return BarHistory(self.versions.slice(0, self._place(moment)))

    def _place(self, moment: np.datetime64) -> int:
        return int(np.searchsorted(self.versions["event_time"].to_numpy(), moment))

    def epochs(self, moments: Moments) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Group moments between which no earlier bar was revised, so one frame serves them all.

        In an epoch's frame the bars with ``known_at <= m`` come before all others, and are the
        versions that were known at ``m``, for every moment ``m`` of the epoch. So whatever is
        computed for ``m`` from the bars up to the last of them uses what was known and no more.
        A revision, and a bar that became known only after a later one, start a new epoch.

        Parameters
        ----------
        moments : array of datetime64[us], shape (n,), UTC, not decreasing
            The moments to be served.

        Yields
        ------
        slice, pl.DataFrame
            Places in ``moments``, and the bars sorted by ``event_time``.
        """
        if self.undisturbed:
            if len(moments):
                yield slice(0, len(moments)), self.versions
            return
        rows = self._marked()
        changed = rows.filter(~pl.col("in_order"))["known_at"].unique().sort().to_numpy()
        marks = np.unique(np.searchsorted(moments, changed.astype("datetime64[us]"), side="left"))
        edges = [0, *(int(mark) for mark in marks if 0 < mark < len(moments)), len(moments)]
        for start, stop in pairwise(edges):
            if start == stop:
                continue
            begin, end = (
                pl.lit(moments[place]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
                for place in (start, stop - 1)
            )
            limit = pl.when("in_order").then(end).otherwise(begin)
            frame = rows.filter(pl.col("known_at") <= limit).drop("in_order")
            yield slice(start, stop), _standing(frame)

    @cached_property
    def undisturbed(self) -> bool:
        """Whether no bar was revised or withdrawn, or became known after a later one."""
        known = self.versions["known_at"].to_numpy()
        return (
            not self.versions["version"].to_numpy().any()
            and bool((known[1:] >= known[:-1]).all())
            and not ("withdrawn" in self.versions.columns and self.versions["withdrawn"].any())
        )

    def _marked(self) -> pl.DataFrame:
        """Mark the first versions that became known before every later bar did."""
        first = self.versions.filter(pl.col("version") == 0)
        earliest_later = pl.col("known_at").cum_min(reverse=True).shift(-1)
        late = first.filter(pl.col("known_at") > earliest_later)["event_time"]
        in_order = (pl.col("version") == 0) & ~pl.col("event_time").is_in(late.implode())
        return self.versions.with_columns(in_order=in_order)


def _standing(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the last version of each bar, without the bars that were withdrawn."""
    last = rows.unique("event_time", keep="last", maintain_order=True)
    return last.filter(~pl.col("withdrawn")) if "withdrawn" in last.columns else last
