"""What came of each decision: return, price, direction and volatility, and when it was known."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.calendars import Calendar
from truecast.core.errors import TruecastError
from truecast.core.interval import Interval
from truecast.core.units import VARIANCE_FLOOR

F64 = NDArray[np.float64]
Times = NDArray[np.datetime64]


class DatasetError(TruecastError):
    """Rows cannot be assembled, cut or checked."""


@dataclass(frozen=True)
class Outcomes:
    """What came of decisions at one horizon; NaN and NaT where it is not known.

    Attributes
    ----------
    log_return : array of float64, shape (n,)
        100·ln(C[due]/C[t]), percent.
    close : array of float64, shape (n,)
        C[due], in the instrument's currency.
    garman_klass : array of float64, shape (n,)
        Mean open-to-close Garman–Klass variance of the bars after t up to due, percent² a bar,
        at least one basis point squared. NaN where the source has no open, high and low.
    squared_return : array of float64, shape (n,)
        Mean squared close-to-close return of the same bars, percent² a bar.
    due : array of datetime64[us], shape (n,)
        Close of the bar that values the outcome, UTC.
    due_session : array of datetime64[D], shape (n,)
        Session of that bar.
    known_at : array of datetime64[us], shape (n,)
        When the last bar of the outcome became known.
    """

    log_return: F64
    close: F64
    garman_klass: F64
    squared_return: F64
    due: Times
    due_session: Times
    known_at: Times

    def padded(self, n: int) -> "Outcomes":
        """Return these outcomes with rows that have none at the end, n rows in all."""
        missing = n - len(self.close)
        numbers = np.full(missing, np.nan)
        times = np.full(missing, np.datetime64("NaT", "us"))
        return Outcomes(
            *(np.r_[values, numbers] for values in (self.log_return, self.close)),
            *(np.r_[values, numbers] for values in (self.garman_klass, self.squared_return)),
            *(np.r_[values, times] for values in (self.due, self.due_session, self.known_at)),
        )

    @property
    def up(self) -> F64:
        """1 where the price rose, 0 where it fell or stayed, NaN where not known."""
        return np.where(np.isnan(self.log_return), np.nan, (self.log_return > 0).astype(float))


def outcomes_of(
    event_time: Times, bars: pl.DataFrame, *, horizon: int, calendar: Calendar, interval: Interval
) -> Outcomes:
    """Say what came of the decisions made at the close of the given bars.

    Parameters
    ----------
    event_time : array of datetime64[us], shape (n,)
        Closes of the bars that the decisions follow, UTC, increasing.
    bars : pl.DataFrame
        The instrument's bars as known at some moment, sorted by ``event_time``.
    horizon : int
        Bars of the interval, at least 1.
    calendar : Calendar
        Whose sessions count for daily bars.
    interval : Interval
        Length of a bar.

    Returns
    -------
    Outcomes
        Shapes (n,).

    Notes
    -----
    Daily: the outcome is valued by the bar of the h-th session after t; if that bar, or for the
    variances any bar on the way, is absent, there is no outcome: nothing is filled. Intraday: by
    the last bar in ((h−1)·i, h·i] after t within the same session. An outcome is known when the
    last of its bars is.

    References
    ----------
    Garman and Klass (1980), "On the estimation of security price volatilities from historical
    data": ½·ln²(H/L) − (2·ln 2 − 1)·ln²(C/O).
    """
    if horizon < 1:
        raise DatasetError(f"expected a horizon of at least 1 bar, got {horizon}")
    times = bars["event_time"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    sessions = bars["session"].to_numpy().astype("datetime64[D]")
    base = np.searchsorted(times, event_time)
    if len(event_time) and (base[-1] >= len(times) or not np.array_equal(times[base], event_time)):
        raise DatasetError("expected every decision to follow a known bar; some bars are not known")
    if interval.is_daily:
        due = _session_after(sessions, base, horizon, calendar)
    else:
        due = _bar_within(times, sessions, base, horizon, interval.length)
    return _valued(bars, times, sessions, base, due)


def _session_after(
    sessions: Times, base: NDArray[np.intp], horizon: int, calendar: Calendar
) -> NDArray[np.intp]:
    """Find the bar of the h-th session after each base bar, −1 where there is none."""
    ordinals = calendar.ordinals(sessions)
    wanted = ordinals[base] + horizon
    place = np.minimum(np.searchsorted(ordinals, wanted), len(ordinals) - 1)
    return np.where(ordinals[place] == wanted, place, -1)


def _bar_within(
    times: Times, sessions: Times, base: NDArray[np.intp], horizon: int, length: timedelta
) -> NDArray[np.intp]:
    """Find the last bar in ((h−1)·i, h·i] after each base bar in its session, −1 where none is."""
    step = np.timedelta64(length)
    start = times[base]
    place = np.searchsorted(times, start + horizon * step, side="right") - 1
    late = times[place] > start + (horizon - 1) * step
    return np.where(late & (sessions[place] == sessions[base]), place, -1)


def _valued(
    bars: pl.DataFrame,
    times: Times,
    sessions: Times,
    base: NDArray[np.intp],
    due: NDArray[np.intp],
) -> Outcomes:
    close = bars["close"].to_numpy()
    known = bars["known_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    there = due >= 0
    last = np.where(there, due, 0)
    returns = np.full(len(close), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns[1:] = 100 * np.diff(np.log(close))
        log_return = np.where(there, 100 * np.log(close[last] / close[base]), np.nan)
        garman_klass = np.maximum(garman_klass_variance(bars), VARIANCE_FLOOR)
    return Outcomes(
        log_return=log_return,
        close=np.where(there, close[last], np.nan),
        garman_klass=_mean_between(garman_klass, base, due),
        squared_return=_mean_between(returns**2, base, due),
        due=np.where(there, times[last], np.datetime64("NaT")),
        due_session=np.where(there, sessions[last], np.datetime64("NaT")),
        known_at=np.where(there, np.maximum.accumulate(known)[last], np.datetime64("NaT")),
    )


def garman_klass_variance(bars: pl.DataFrame) -> F64:
    """Return each bar's open-to-close Garman–Klass variance in percent², NaN without O, H, L."""
    open_, high, low, close = (
        bars[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in ("open", "high", "low", "close")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        spread, body = np.log(high / low), np.log(close / open_)
    return np.asarray(1e4 * (0.5 * spread**2 - (2 * np.log(2) - 1) * body**2))


def _mean_between(values: F64, base: NDArray[np.intp], due: NDArray[np.intp]) -> F64:
    """Average ``values`` over the bars after ``base`` up to ``due``; NaN if any is missing."""
    there = due >= 0
    first, length = base[there], (due - base)[there]
    total = np.zeros(len(first))
    for step in range(1, int(length.max(initial=0)) + 1):
        total += np.where(step <= length, values[np.minimum(first + step, due[there])], 0.0)
    result = np.full(len(base), np.nan)
    result[there] = total / length
    return result
