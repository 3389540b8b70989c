"""What a series of bars looked like at any moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

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
        ``event_time`` and ``version``.
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
        if as_of is not None:
            rows = rows.filter(pl.col("known_at") <= require_utc(as_of, "as_of"))
        return rows.unique("event_time", keep="last", maintain_order=True)

    def epochs(self, moments: Moments) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Group moments between which no earlier bar was revised, so one frame serves them all.

        A row computed for moment ``m`` from the frame of its epoch uses the bars up to ``m``
        only, and these are the same versions that were known at ``m``: a frame of an epoch holds
        a bar's first version from the moment it was known, and no revision that came later than
        the epoch's first moment.

        Parameters
        ----------
        moments : array of datetime64[us], shape (n,), UTC, not decreasing
            The moments to be served.

        Yields
        ------
        slice, pl.DataFrame
            Places in ``moments``, and the bars: revisions as known at the epoch's start, first
            versions as known at its end.
        """
        first = pl.col("version") == 0
        revised = self.versions.filter(~first)["known_at"].unique().sort().to_numpy()
        marks = np.unique(np.searchsorted(moments, revised.astype("datetime64[us]"), side="left"))
        edges = [0, *(int(mark) for mark in marks if 0 < mark < len(moments)), len(moments)]
        for start, stop in zip(edges, edges[1:], strict=False):
            if start == stop:
                continue
            begin, end = (
                pl.lit(moments[place]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
                for place in (start, stop - 1)
            )
            kept = pl.when(first).then(pl.col("known_at") <= end).otherwise(pl.col("known_at") <= begin)
            rows = self.versions.filter(kept)
            yield slice(start, stop), rows.unique("event_time", keep="last", maintain_order=True)
