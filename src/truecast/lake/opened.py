"""A series as a recipe reads it: looked over, in the units of each moment, and ready to go on.

What has been opened once need not be opened again for each new bar: a bar that is plain, and
newer than all before, is put behind what is there. Of anything else nothing is assumed here.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.adjust import Adjust, adjust_bars
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.checks.review import are_usual, review
from truecast.lake.history import BarHistory

#: From so many pieces on, a frame is put together: each newer bar is one.
_PIECES = 64


@dataclass(frozen=True)
class OpenedBars:
    """The bars of one series, as they are read.

    Parameters
    ----------
    history : BarHistory
        Every version, reviewed and adjusted.
    instrument : Instrument
        Whose they are.
    checks : ChecksOptions
        How they were looked over.
    level : float
        Of their :class:`truecast.lake.checks.review.Review`.
    last : pl.DataFrame
        One row: the last ``event_time``, ``known_at`` and ``session`` of what is stored, and
        ``acted``, the last ex-date; null if there is none.
    """

    history: BarHistory
    instrument: Instrument
    checks: ChecksOptions
    level: float
    last: pl.DataFrame

    @classmethod
    def of(
        cls,
        versions: pl.DataFrame,
        actions: pl.DataFrame,
        instrument: Instrument,
        interval: Interval,
        checks: ChecksOptions,
        adjust: Adjust,
    ) -> Self:
        """Look stored versions over and adjust them.

        Parameters
        ----------
        versions, actions : pl.DataFrame
            Rows of ``silver/bars`` and ``silver/actions``, all of the series.
        instrument, interval : Instrument, Interval
            The series.
        checks, adjust
            As the recipe says.
        """
        found = review(versions, instrument, interval, checks, actions)
        adjusted = adjust_bars(found.versions, actions, adjust)
        last = _last(versions).with_columns(acted=pl.lit(actions["session"].max(), pl.Date))
        return cls(BarHistory(adjusted), instrument, checks, found.level, last)

    def longer(self, rows: pl.DataFrame) -> "OpenedBars | None":
        """Return the series with rows that have been stored since, as opening it anew gives it.

        Parameters
        ----------
        rows : pl.DataFrame
            Rows of ``silver/bars`` that came after those that were opened; no action came.

        Returns
        -------
        OpenedBars or None
            None where the rows are not plainly newer bars: then it must be opened anew. Revised,
            late and flagged bars are not, nor those that a check may find something in, or that
            follow no session since the last ex-date.
        """
        rows = rows.sort("event_time", "version")
        if not self._are_newer(rows):
            return None
        level = are_usual(rows, self.level, self.instrument, self.checks)
        if level is None:
            return None
        versions = self.history.versions
        read = rows.with_columns(withdrawn=pl.lit(value=False), scale=pl.lit(1.0))
        joined = versions.vstack(read.select(versions.columns))
        if joined.n_chunks() > _PIECES:
            joined = joined.rechunk()
        last = _last(rows).with_columns(self.last["acted"])
        return replace(self, history=BarHistory(joined), level=level, last=last)

    def _are_newer(self, rows: pl.DataFrame) -> bool:
        """Say whether each row is a bar of its own, later and known later than all before."""
        if (rows["version"] > 0).any():
            return False
        both = pl.concat([self.last.drop("acted"), rows.select(self.last.columns[:-1])])
        closed, known, session = (both[name].to_numpy() for name in both.columns)
        acted = self.last["acted"][0]
        return bool(
            (closed[1:] > closed[:-1]).all()
            and (known[1:] >= known[:-1]).all()
            and (session[1:] >= session[:-1]).all()
            and (acted is None or session[0] > np.datetime64(acted))
        )


def _last(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col("event_time", "known_at", "session").max())
