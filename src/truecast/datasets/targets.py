"""What came of each decision, of every target, and when it was known."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.calendars import Calendar
from truecast.core.errors import TruecastError
from truecast.core.interval import Interval
from truecast.core.units import VARIANCE_FLOOR
from truecast.lake.history import BarHistory

F64 = NDArray[np.float64]
Times = NDArray[np.datetime64]


#: A move beyond so many trailing standard deviations is a regime: thirds of a Gaussian walk.
REGIME_EDGE = 0.4307


class DatasetError(TruecastError):
    """Rows cannot be assembled, cut or checked."""


_NUMBERS = ("log_return", "close", "garman_klass", "squared_return")
_TIMES = ("due", "due_session", "known_at")


@dataclass(frozen=True)
class Outcomes:
    """What came of decisions at one horizon; NaN and NaT where it is not known.

    Attributes
    ----------
    log_return : array of float64, shape (n,)
        100·ln(C[due]/C[t]), percent.
    close : array of float64, shape (n,)
        C[due], in the instrument's currency, a share as it was at t: a split on the way does not
        change it.
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
        When the bars of t and of due were both known.
    horizon : int
        Bars.
    """

    log_return: F64
    close: F64
    garman_klass: F64
    squared_return: F64
    due: Times
    due_session: Times
    known_at: Times
    horizon: int

    def known_by(self, as_of: np.datetime64) -> "Outcomes":
        """Return these outcomes as far as they were known at a moment."""
        seen = self.known_at <= as_of
        never = np.datetime64("NaT")
        hidden: dict[str, Any] = {
            name: np.where(seen, getattr(self, name), nothing)
            for names, nothing in ((_NUMBERS, np.nan), (_TIMES, never))
            for name in names
        }
        return replace(self, **hidden)

    @property
    def up(self) -> F64:
        """1 where the price rose, 0 where it fell or stayed, NaN where not known."""
        return np.where(np.isnan(self.log_return), np.nan, (self.log_return > 0).astype(float))

    def regime(self, deviation: F64) -> F64:
        """Say which regime followed: 0 bear, 1 neutral, 2 bull, NaN where not known.

        Parameters
        ----------
        deviation : array of float64, shape (n,)
            Standard deviation of one-bar returns over a long window up to each decision, percent.

        Notes
        -----
        With r the log return over h bars: bull where ``r > 0.4307·deviation·√h``, bear where
        ``r < -0.4307·deviation·√h``, else neutral. Of a Gaussian walk that is a third each. The
        edge is known at the decision and moves slowly, so in wild times fewer moves stay inside
        it than in calm ones: that is what can be forecast, more than the sign. States that a
        model finds for itself would be no outcome: each model would be right by its own account,
        and a refit would change what has come of the past.
        """
        edge = REGIME_EDGE * deviation * np.sqrt(self.horizon)
        r = self.log_return
        code = 1.0 + (r > edge) - (r < -edge)
        return np.where(np.isnan(r) | np.isnan(edge), np.nan, code)


def outcomes_of(
    event_time: Times,
    history: BarHistory,
    *,
    horizon: int,
    calendar: Calendar,
    interval: Interval,
    crossing: bool = False,
) -> Outcomes:
    """Say what came of the decisions made at the close of the given bars.

    Parameters
    ----------
    event_time : array of datetime64[us], shape (n,)
        Closes of the bars that the decisions follow, UTC, increasing.
    history : BarHistory
        The instrument's bars, every version.
    horizon : int
        Bars of the interval, at least 1.
    calendar : Calendar
        Whose sessions count for daily bars.
    interval : Interval
        Length of a bar.
    crossing : bool
        Whether an intraday outcome may lie in a later session than its decision.

    Returns
    -------
    Outcomes
        Shapes (n,).

    Notes
    -----
    Daily: the outcome is valued by the bar of the h-th session after t; if that bar is absent
    there is no outcome, and without a bar on the way no variance: nothing is filled. Intraday: by
    the last bar in ((h−1)·i, h·i] after t, in clock time, within the same session; with
    ``crossing`` in whichever session that bar is. A bar that was withdrawn by the time its outcome
    settles is absent.

    An outcome is known when the bars of t and of due are, and is settled then, once: by the
    versions of the bars known at that moment. A later revision neither changes it nor makes it
    unknown again; and a bar on the way that comes later still, or was withdrawn, is absent, since
    nobody could wait for what nobody knew would come.

    References
    ----------
    Garman and Klass (1980), "On the estimation of security price volatilities from historical
    data": ½·ln²(H/L) − (2·ln 2 − 1)·ln²(C/O).
    """
    if horizon < 1:
        raise DatasetError(f"expected a horizon of at least 1 bar, got {horizon}")
    if len(event_time):
        history = history.since(event_time[0])  # what came before has no say in what came after
    first = history.versions
    if not history.undisturbed:
        first = first.filter(pl.col("version") == 0)
    times, known_at = (_moments(first, name) for name in ("event_time", "known_at"))
    sessions = first["session"].to_numpy().astype("datetime64[D]")
    base = np.searchsorted(times, event_time)
    if len(event_time) and (base[-1] >= len(times) or not np.array_equal(times[base], event_time)):
        raise DatasetError("expected every decision to follow a known bar; some bars are not known")
    if interval.is_daily:
        due = _session_after(sessions, base, horizon, calendar)
    else:
        due = _bar_within(times, base, horizon, interval.length)
        if not crossing:
            due = np.where(sessions[due] == sessions[base], due, -1)
    settled = np.where(due >= 0, np.maximum(known_at[base], known_at[due]), np.datetime64("NaT"))
    outcomes = _unknown(len(event_time), horizon)
    units = first["scale"].to_numpy() if "scale" in first.columns else np.ones(len(first))
    # Bars from t to due without which there is no variance.
    steps = horizon if interval.is_daily else None
    rows = np.flatnonzero(due >= 0)
    rows = rows[np.argsort(settled[rows], kind="stable")]
    for part, bars in history.epochs(settled[rows]):
        here = rows[part]
        _value(outcomes, here, bars, times[base[here]], times[due[here]], units[base[here]], steps)
    there = due >= 0
    outcomes.due[there] = times[due[there]]
    outcomes.due_session[there] = sessions[due[there]]
    outcomes.known_at[there] = settled[there]
    return outcomes


def _moments(bars: pl.DataFrame, name: str) -> Times:
    return bars[name].to_numpy().astype("datetime64[us]", copy=False)


def _unknown(n: int, horizon: int) -> Outcomes:
    never = np.datetime64("NaT")
    return Outcomes(
        log_return=np.full(n, np.nan),
        close=np.full(n, np.nan),
        garman_klass=np.full(n, np.nan),
        squared_return=np.full(n, np.nan),
        due=np.full(n, never, dtype="datetime64[us]"),
        due_session=np.full(n, never, dtype="datetime64[D]"),
        known_at=np.full(n, never, dtype="datetime64[us]"),
        horizon=horizon,
    )


def _value(
    outcomes: Outcomes,
    rows: NDArray[np.intp],
    bars: pl.DataFrame,
    start: Times,
    end: Times,
    units: F64,
    steps: int | None,
) -> None:
    """Write the values of some rows from the bars as they were known when the rows settled."""
    times, close = _moments(bars, "event_time"), bars["close"].to_numpy()
    base, due = (
        np.minimum(np.searchsorted(times, moments), len(times) - 1) for moments in (start, end)
    )
    standing = (times[base] == start) & (times[due] == end)
    rows, base, due, units = rows[standing], base[standing], due[standing], units[standing]
    returns = np.full(len(close), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns[1:] = 100 * np.diff(np.log(close))
        outcomes.log_return[rows] = 100 * np.log(close[due] / close[base])
        ranges = np.maximum(garman_klass_variance(bars), VARIANCE_FLOOR)
    if "scale" in bars.columns:
        units = units / bars["scale"].to_numpy()[base]
    outcomes.close[rows] = close[due] * units
    whole = np.ones(len(rows), bool) if steps is None else due - base == steps
    rows, base, due = rows[whole], base[whole], due[whole]
    outcomes.garman_klass[rows] = _mean_between(ranges, base, due)
    outcomes.squared_return[rows] = _mean_between(returns**2, base, due)


def _session_after(
    sessions: Times, base: NDArray[np.intp], horizon: int, calendar: Calendar
) -> NDArray[np.intp]:
    """Find the bar of the h-th session after each base bar, −1 where there is none."""
    ordinals = calendar.ordinals(sessions)
    wanted = ordinals[base] + horizon
    place = np.minimum(np.searchsorted(ordinals, wanted), len(ordinals) - 1)
    return np.where(ordinals[place] == wanted, place, -1)


def _bar_within(
    times: Times, base: NDArray[np.intp], horizon: int, length: timedelta
) -> NDArray[np.intp]:
    """Find the last bar in ((h−1)·i, h·i] after each base bar, −1 where none is."""
    step = np.timedelta64(length)
    start = times[base]
    place = np.searchsorted(times, start + horizon * step, side="right") - 1
    late = times[place] > start + (horizon - 1) * step
    return np.where(late, place, -1)


def garman_klass_variance(bars: pl.DataFrame) -> F64:
    """Return each bar's open-to-close Garman–Klass variance in percent², NaN without O, H, L."""
    open_, high, low, close = (
        bars[name].to_numpy().astype(np.float64, copy=False)
        for name in ("open", "high", "low", "close")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        spread, body = np.log(high / low), np.log(close / open_)
    return np.asarray(1e4 * (0.5 * spread**2 - (2 * np.log(2) - 1) * body**2))


def _mean_between(values: F64, base: NDArray[np.intp], due: NDArray[np.intp]) -> F64:
    """Average ``values`` over the bars after ``base`` up to ``due``."""
    length = due - base
    total = np.zeros(len(base))
    for step in range(1, int(length.max(initial=0)) + 1):
        total += np.where(step <= length, values[np.minimum(base + step, due)], 0.0)
    return np.asarray(total / length)
