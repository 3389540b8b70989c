"""The compiled loops: from sessions to minutes, and from minutes to longer bars.

A session is always computed whole and from its own start, in the order of its minutes: it comes
out the same to the bit whichever sessions are asked for with it.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

#: Rows of the result, in the order of the columns of a bar.
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
BID, ASK, SIZE = 5, 10, 4
ROWS = 15

#: Columns of the normal draws of a minute.
OWN, SPREAD, TRADED, BID_DEPTH, ASK_DEPTH = range(5)
NORMALS = 5

_SPREAD_SPREAD, _AMOUNT_SPREAD = 0.25, 0.5


@njit(cache=True, error_model="numpy", nogil=True)
def fill_minutes(
    sessions: Any,
    shape: Any,
    shared: Numbers,
    normals: Numbers,
    exponentials: Numbers,
    sides: NDArray[np.uint8],
    news: Numbers,
    out: Numbers,
) -> None:
    """Write the minutes of some sessions that follow one another.

    Parameters
    ----------
    sessions : tuple of arrays, s sessions
        ``offsets`` (int64, s + 1, from 0), ``opening``, ``sd``, ``total``, ``jump``,
        ``jump_minute`` (int64), ``ratio`` (R).
    shape : tuple of float
        ``seasonality``, ``loading``, ``half_spread`` (of log price), ``volume``, ``depth``.
    shared : float64, shape (m,)
        The market's normal draws.
    normals : float64, shape (m, 5)
        The instrument's own.
    exponentials : float64, shape (m, 2)
        For high and low.
    sides : uint8, shape (m,), 0 to 3
        At which side the first and the last trade are.
    news : float64, shape (m,)
        What articles move the log price.
    out : float64, shape (15, m)
        Open, high, low, close, volume; the same of the bid with its size last; of the ask.
    """
    offsets, opening, sd, total, jump, jump_minute, ratio = sessions
    seasonality, loading, half_spread, volume, depth = shape
    own = math.sqrt(1.0 - loading * loading)
    for s in range(opening.size):
        first, minutes = offsets[s], offsets[s + 1] - offsets[s]
        whole = 0.0
        for m in range(minutes):
            whole += _busy(m, minutes, seasonality)
        drawn = 0.0
        for m in range(minutes):
            noise = loading * shared[first + m] + own * normals[first + m, OWN]
            drawn += math.sqrt(_busy(m, minutes, seasonality) / whole) * noise
        missing = total[s] - drawn
        before = opening[s]
        for m in range(minutes):
            t = first + m
            part = _busy(m, minutes, seasonality) / whole
            noise = loading * shared[t] + own * normals[t, OWN]
            start = before + jump[s] if m == jump_minute[s] else before
            after = start + sd[s] * (math.sqrt(part) * noise + part * missing) + news[t]
            variance = sd[s] * sd[s] * part
            _write_prices(before, start, after, variance, exponentials[t], out[:, t])
            half = half_spread * ratio[s] * _around_one(normals[t, SPREAD], _SPREAD_SPREAD)
            _write_quotes(math.exp(half), sides[t], out[:, t])
            traded = volume * ratio[s] * part
            resting = depth / ratio[s]
            out[VOLUME, t] = _whole(traded * _around_one(normals[t, TRADED], _AMOUNT_SPREAD))
            out[BID + SIZE, t] = _whole(
                resting * _around_one(normals[t, BID_DEPTH], _AMOUNT_SPREAD)
            )
            out[ASK + SIZE, t] = _whole(
                resting * _around_one(normals[t, ASK_DEPTH], _AMOUNT_SPREAD)
            )
            before = after


@njit(cache=True, error_model="numpy", nogil=True)
def add_news(first: Places, pull: Numbers, weights: Numbers, start: int, out: Numbers) -> None:
    """Write what articles move the log price in the minutes from number ``start`` on.

    Parameters
    ----------
    first : int64, shape (a,)
        Number of the first minute that each article moves.
    pull : float64, shape (a,)
        What it moves in all.
    weights : float64, shape (n,)
        Part that comes in each minute.
    start : int
        Number of the first minute of ``out``.
    out : float64, shape (m,)
    """
    out[:] = 0.0
    for article in range(first.size):
        begin = max(first[article], start)
        end = min(first[article] + weights.size, start + out.size)
        for minute in range(begin, end):
            out[minute - start] += pull[article] * weights[minute - first[article]]


@njit(cache=True, error_model="numpy", nogil=True)
def join_minutes(minutes: Numbers, edges: Places, out: Numbers) -> None:
    """Aggregate minutes into longer bars.

    Parameters
    ----------
    minutes : float64, shape (15, m)
        As :func:`fill_minutes` writes them.
    edges : int64, shape (b + 1,)
        First minute of each bar, then the end of the last one.
    out : float64, shape (15, b)
    """
    for bar in range(edges.size - 1):
        begin, end = edges[bar], edges[bar + 1]
        for side in (OPEN, BID, ASK):
            high, low, amount = -math.inf, math.inf, 0.0
            for t in range(begin, end):
                high = max(high, minutes[side + HIGH, t])
                low = min(low, minutes[side + LOW, t])
                amount += minutes[side + VOLUME, t]
            out[side + OPEN, bar] = minutes[side + OPEN, begin]
            out[side + HIGH, bar] = high
            out[side + LOW, bar] = low
            out[side + CLOSE, bar] = minutes[side + CLOSE, end - 1]
            # Volume adds up; what is there to be bought and sold is that at the close.
            out[side + SIZE, bar] = amount if side == OPEN else minutes[side + SIZE, end - 1]


@njit(cache=True, error_model="numpy", nogil=True)
def _busy(minute: int, minutes: int, seasonality: float) -> float:
    place = 2.0 * (minute + 0.5) / minutes - 1.0
    return 1.0 + seasonality * place * place


@njit(cache=True, error_model="numpy", nogil=True)
def _around_one(normal: float, spread: float) -> float:
    return math.exp(spread * normal - 0.5 * spread * spread)


@njit(cache=True, error_model="numpy", nogil=True)
def _whole(amount: float) -> float:
    return max(1.0, math.floor(amount + 0.5))


@njit(cache=True, error_model="numpy", nogil=True)
def _write_prices(
    before: float, start: float, after: float, variance: float, extremes: Numbers, out: Numbers
) -> None:
    """Write the mid's open, high, low and close: a bridge from ``start`` to ``after``."""
    move = (after - start) * (after - start)
    high = 0.5 * (start + after + math.sqrt(move + 2.0 * variance * extremes[0]))
    low = 0.5 * (start + after - math.sqrt(move + 2.0 * variance * extremes[1]))
    first, last = math.exp(before), math.exp(after)
    out[OPEN], out[CLOSE] = first, last
    out[HIGH] = max(math.exp(high), first, last)
    out[LOW] = min(math.exp(low), first, last)


@njit(cache=True, error_model="numpy", nogil=True)
def _write_quotes(half: float, side: int, out: Numbers) -> None:
    """Write bid and ask around the mid that is there, then the trades in its place."""
    for price in range(VOLUME):
        out[BID + price] = out[price] / half
        out[ASK + price] = out[price] * half
    out[OPEN] = out[ASK + OPEN] if side & 1 else out[BID + OPEN]
    out[CLOSE] = out[ASK + CLOSE] if side & 2 else out[BID + CLOSE]
    out[HIGH] = out[ASK + HIGH]
    out[LOW] = out[BID + LOW]
