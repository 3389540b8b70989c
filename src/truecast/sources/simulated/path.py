"""The log price at each session's open, from which its minutes can be made alone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from truecast.core.calendars import get_calendar
from truecast.sources.simulated.draws import MARKET, Stream
from truecast.sources.simulated.options import SimulatedOptions
from truecast.sources.simulated.schedule import Schedule, schedule_of

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

MINUTE = np.timedelta64(60, "s")
# A session may be named by a day that is after the moment it opens, weekends between.
_AHEAD = timedelta(days=4)
_YEAR = 366
_GAP, _SESSION, _JUMP = range(3)


@dataclass(frozen=True)
class PricePath:
    """One instrument's sessions; the package's docstring says how each number is drawn.

    Parameters
    ----------
    days, opens, closes : arrays of datetime64, shape (s,)
        The sessions, in time order.
    offsets : array of int64, shape (s + 1,)
        Number of the first minute of each session, counted from the first session's.
    regime : array of int64, shape (s,)
        The chain's state.
    sd : array of float64, shape (s,)
        Standard deviation of the diffusion from open to close, √(1−w)·σ.
    total : array of float64, shape (s,)
        The session's diffusion in units of ``sd``: what its minutes sum to.
    jump : array of float64, shape (s,)
        Log return of the jump, 0 where there is none.
    jump_minute : array of int64, shape (s,)
        The minute at whose start it comes.
    opening : array of float64, shape (s,)
        Mid log price at the open.
    closing : array of float64, shape (s,)
        Mid log price at the close.
    first_moved : array of int64, shape (a,)
        Number of the first minute that each article moves.
    pull : array of float64, shape (a,)
        What it moves the log price in all.
    weights : array of float64, shape (n,)
        Part of it that comes in each minute from then on.
    """

    days: NDArray[np.datetime64]
    opens: NDArray[np.datetime64]
    closes: NDArray[np.datetime64]
    offsets: Places
    regime: Places
    sd: Numbers
    total: Numbers
    jump: Numbers
    jump_minute: Places
    opening: Numbers
    closing: Numbers
    first_moved: Places
    pull: Numbers
    weights: Numbers

    @property
    def minutes(self) -> Places:
        """Length of each session in minutes."""
        return np.diff(self.offsets)


def path_of(options: SimulatedOptions, symbol: str, until: datetime) -> PricePath:
    """Lay out an instrument's sessions up to the one that a moment lies in, or somewhat later.

    Parameters
    ----------
    options : SimulatedOptions
        The market.
    symbol : str
        Whose path.
    until : datetime
        A moment; what comes after the options' end is left out.
    """
    last = until.date() + _AHEAD
    if options.last_day is not None:
        last = min(last, options.last_day)
    days, opens, closes = _sessions(options, last)
    offsets = np.concatenate([[0], np.cumsum((closes - opens) // MINUTE)]).astype(np.int64)
    minutes = np.diff(offsets)
    own = _Draws(options, symbol, days)
    shared = _Draws(options, MARKET, days)
    load, rest = options.market_loading, np.sqrt(1 - options.market_loading**2)
    regime = _regimes(options, own.regime)
    sigma = np.array(options.volatility)[regime] / 100
    closed = np.concatenate([[False], opens[1:] > closes[:-1]])
    night = np.where(closed, options.overnight, 0.0)
    gap = np.sqrt(night) * sigma * (load * shared.normal[:, _GAP] + rest * own.normal[:, _GAP])
    sd = np.sqrt(1 - night) * sigma
    total = load * shared.normal[:, _SESSION] + rest * own.normal[:, _SESSION]
    jumps = own.jump < options.jump_rate
    jump = np.where(jumps, options.jump / 100 * own.normal[:, _JUMP], 0.0)
    weights = decay(options.effect_minutes)
    articles = schedule_of(options, symbol, last)
    first_moved = _first_minutes(articles, opens, closes, offsets)
    pull = articles.sentiment * options.effect_bps / 1e4
    moved = _sums_by_session(first_moved, pull, weights, offsets)
    # Added up one by one from the first session on: a later end changes no bit of what is before.
    steps = np.stack([gap, sd * total + jump + moved], axis=1).ravel()
    level = np.log(options.price) + np.cumsum(steps)
    return PricePath(
        days=days,
        opens=opens,
        closes=closes,
        offsets=offsets,
        regime=regime,
        sd=sd,
        total=total,
        jump=jump,
        jump_minute=(own.place * minutes).astype(np.int64),
        opening=level[0::2],
        closing=level[1::2],
        first_moved=first_moved,
        pull=pull,
        weights=weights,
    )


def decay(minutes: int) -> Numbers:
    """Return the part of an article's effect that comes in each minute; they sum to 1.

    Parameters
    ----------
    minutes : int
        N, over how many.

    Notes
    -----
    q^j/Σq^i with q = exp(−3/N): 95 % of what would come by an endless decay.
    """
    weights = np.exp(-3 * np.arange(minutes) / minutes)
    return np.asarray(weights / weights.sum())


def _sessions(
    options: SimulatedOptions, last: date
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64], NDArray[np.datetime64]]:
    calendar = get_calendar(options.calendar)
    stretches = calendar.stretches(options.start, last)
    days, first = np.unique(stretches[0], return_index=True)
    return days, stretches[1][first], calendar.closes_of(days)


class _Draws:
    """What is drawn for each session: a row of 366 in each year, by the day of the year."""

    def __init__(
        self, options: SimulatedOptions, symbol: str, days: NDArray[np.datetime64]
    ) -> None:
        stream = Stream(options.seed, "sessions", symbol)
        years = days.astype("datetime64[Y]")
        place = (days - years.astype("datetime64[D]")).astype(np.int64)
        self.normal = np.empty((len(days), 3))
        uniform = np.empty((len(days), 3))
        for year in np.unique(years):
            chance = stream.at(int(year.astype(np.int64)) + 1970)
            rows = years == year
            self.normal[rows] = chance.standard_normal((_YEAR, 3))[place[rows]]
            uniform[rows] = chance.random((_YEAR, 3))[place[rows]]
        self.regime, self.jump, self.place = uniform.T


def _regimes(options: SimulatedOptions, uniform: Numbers) -> Places:
    """Walk the chain from its stationary distribution."""
    rows = np.cumsum(options.matrix, axis=1)
    now = np.cumsum(stationary(options.matrix))
    regime = np.empty(len(uniform), np.int64)
    for place, chance in enumerate(uniform):
        # The last sum may fall short of 1 by rounding.
        regime[place] = min(int(np.searchsorted(now, chance, side="right")), len(now) - 1)
        now = rows[regime[place]]
    return regime


def stationary(matrix: Numbers) -> Numbers:
    """Return the distribution over regimes that a step of the chain leaves as it is.

    Parameters
    ----------
    matrix : array of float64, shape (r, r)
        Rows sum to 1. Where there are several such distributions, one between them.
    """
    regimes = len(matrix)
    equations = np.vstack([matrix.T - np.eye(regimes), np.ones(regimes)])
    solved = np.linalg.lstsq(equations, np.eye(regimes + 1)[-1])[0].clip(0)
    return np.asarray(solved / solved.sum())


def _first_minutes(
    articles: Schedule,
    opens: NDArray[np.datetime64],
    closes: NDArray[np.datetime64],
    offsets: Places,
) -> Places:
    """Return the first minute that begins with each article known, of those before the end."""
    session = np.searchsorted(closes - MINUTE, articles.known, side="left")
    known = articles.known[session < len(opens)]
    session = session[session < len(opens)]
    # Rounded up: a minute that has begun is not moved.
    minute = -((opens[session] - known) // MINUTE)
    return np.asarray(offsets[session] + np.maximum(minute, 0), dtype=np.int64)


def _sums_by_session(first: Places, pull: Numbers, weights: Numbers, offsets: Places) -> Numbers:
    """Sum what all articles move each session."""
    moved = np.zeros(len(offsets) - 1)
    so_far = np.concatenate([[0.0], np.cumsum(weights)])
    session = np.searchsorted(offsets, first, side="right") - 1
    pull, done = pull[: len(first)], np.zeros(len(first), np.int64)
    while len(first):
        upto = np.minimum(offsets[session + 1] - first, len(weights))
        np.add.at(moved, session, pull * (so_far[upto] - so_far[done]))
        going = (upto < len(weights)) & (session + 1 < len(moved))
        first, pull, session, done = first[going], pull[going], session[going] + 1, upto[going]
    return moved
