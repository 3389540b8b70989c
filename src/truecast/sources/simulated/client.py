"""Make the bytes: Parquet, as a vendor's file would be."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import PRICES, QUOTES
from truecast.core.clock import to_datetime64
from truecast.core.interval import Interval
from truecast.sources.simulated.draws import MARKET, Stream
from truecast.sources.simulated.options import SimulatedOptions
from truecast.sources.simulated.path import MINUTE, PricePath

Numbers = NDArray[np.float64]
Moments = NDArray[np.datetime64]

#: The columns of the file, after ``session`` and ``event_time``.
NUMBERS = (*PRICES, "volume", *QUOTES)


class Bars(NamedTuple):
    """Bars of some sessions: days, closes (datetime64[us], UTC), and 15 rows of numbers."""

    session: NDArray[np.datetime64]
    event_time: Moments
    numbers: Numbers


@dataclass(frozen=True)
class Maker:
    """Makes one instrument's bars of one length.

    Parameters
    ----------
    options : SimulatedOptions
        The market.
    symbol : str
        Whose bars.
    interval : Interval
        Their length.
    path : PricePath
        The instrument's sessions.
    """

    options: SimulatedOptions
    symbol: str
    interval: Interval
    path: PricePath

    def years(self, since: datetime | None, until: datetime) -> Iterator[Bars]:
        """Make the bars that have closed by a moment, a calendar year of sessions at a time.

        Parameters
        ----------
        since : datetime or None
            Begin with the session that is under way or last closed then.
        until : datetime
            No bar closes later.
        """
        path, begin = self.path, 0
        if since is not None:
            begin = int(np.searchsorted(path.closes, to_datetime64(since), side="left"))
        end = int(np.searchsorted(path.opens, to_datetime64(until), side="left"))
        years = path.days.astype("datetime64[Y]")
        while begin < end:
            after = min(end, int(np.searchsorted(years, years[begin], side="right")))
            bars = self._closed(self._make(begin, after), until)
            if len(bars.event_time):
                yield bars
            begin = after

    @staticmethod
    def _closed(bars: Bars, until: datetime) -> Bars:
        count = int(np.searchsorted(bars.event_time, to_datetime64(until), side="right"))
        return Bars(bars.session[:count], bars.event_time[:count], bars.numbers[:, :count])

    def _make(self, begin: int, end: int) -> Bars:
        """Make the bars of sessions number ``begin`` up to, not including, ``end``."""
        from truecast.sources.simulated import kernels  # importing numba takes a while

        path = self.path
        lengths = path.minutes[begin:end]
        step = int(lengths.max()) if self.interval.is_daily else self._step
        numbers = self._minutes(begin, end)
        counts = -(-lengths // step)
        which = np.repeat(np.arange(end - begin), counts)
        turn = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        minute = np.minimum((turn + 1) * step, lengths[which])
        event_time = path.opens[begin:end][which] + minute * MINUTE
        if step > 1:
            starts = (path.offsets[begin:end] - path.offsets[begin])[which] + turn * step
            edges = np.append(starts, lengths.sum())
            joined = np.empty((kernels.ROWS, len(which)))
            kernels.join_minutes(numbers, edges, joined)
            numbers = joined
        return Bars(path.days[begin:end][which], event_time, numbers)

    @property
    def _step(self) -> int:
        return int(self.interval.length.total_seconds()) // 60

    def _minutes(self, begin: int, end: int) -> Numbers:
        """Fill in the minutes of some sessions."""
        from truecast.sources.simulated import kernels

        options, path = self.options, self.path
        offsets = path.offsets[begin : end + 1] - path.offsets[begin]
        count = int(offsets[-1])
        shared = np.empty(count)
        normals = np.empty((count, kernels.NORMALS))
        exponentials = np.empty((count, 2))
        sides = np.empty(count, np.uint8)
        own = Stream(options.seed, "minutes", self.symbol)
        market = Stream(options.seed, "minutes", MARKET)
        for place, day in enumerate(path.days[begin:end].astype(np.int64)):
            rows = slice(offsets[place], offsets[place + 1])
            chance = own.at(_ordinal(day))
            chance.standard_normal(out=normals[rows])
            chance.standard_exponential(out=exponentials[rows])
            sides[rows] = chance.integers(0, 4, len(sides[rows]), np.uint8)
            market.at(_ordinal(day)).standard_normal(out=shared[rows])
        news = np.empty(count)
        kernels.add_news(path.first_moved, path.pull, path.weights, int(path.offsets[begin]), news)
        sigma = np.array(options.volatility)
        sessions = (
            offsets,
            path.opening[begin:end],
            path.sd[begin:end],
            path.total[begin:end],
            path.jump[begin:end],
            path.jump_minute[begin:end],
            sigma[path.regime[begin:end]] / sigma[0],
        )
        half_spread = options.spread_bps / 2e4
        shape = (
            *(options.seasonality, options.market_loading, half_spread),
            *(options.volume, options.depth),
        )
        out = np.empty((kernels.ROWS, count))
        kernels.fill_minutes(sessions, shape, shared, normals, exponentials, sides, news, out)
        return out


def write_bars(parts: list[Bars]) -> bytes:
    """Write bars as one Parquet file, not compressed: noise does not get smaller."""
    columns = {
        "session": pl.Series(np.concatenate([part.session for part in parts])),
        "event_time": pl.Series(
            np.concatenate([part.event_time for part in parts])
        ).dt.replace_time_zone("UTC"),
    }
    for place, name in enumerate(NUMBERS):
        columns[name] = pl.Series(np.concatenate([part.numbers[place] for part in parts]))
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer, compression="uncompressed")
    return buffer.getvalue()


def _ordinal(day: np.int64) -> int:
    """Return a day's number, counted from before every calendar: a counter is not negative."""
    return int(day) + 1_000_000
