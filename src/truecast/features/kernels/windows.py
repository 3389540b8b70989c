"""Sums, moments and extremes over windows, each from the rows of its own window alone.

Windows are put together from blocks of 1, 2, 4, 8… rows (a sum over 20 is one over 4 and one
over 16), so a window of n rows costs about log₂ n additions, all windows of a column share the
blocks, and the order of additions is the same wherever a column begins. A spike or a NaN is
gone with the last window that holds it, which running sums do not achieve.

The first n−1 rows of a result are NaN.
"""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Matrix, Windows
from truecast.features.kernels.compiling import helper

#: Rows at a time, with which all blocks of a window stay in the fastest cache.
TILE = 1024


@helper
def blank(x: Column, rows: int) -> None:
    """Write NaN to the first rows, all if there are not that many.

    Assigning to a slice would do the same, and take seconds to compile.
    """
    for i in range(min(rows, x.size)):
        x[i] = math.nan


@helper
def copy(x: Column, out: Column) -> None:
    """Write ``x`` to the rows of ``out``."""
    for i in range(out.size):
        out[i] = x[i]


@helper
def add(x: Column, out: Column) -> None:
    """Add ``x`` to the rows of ``out``."""
    for i in range(out.size):
        out[i] += x[i]


@helper
def tile_of(longest: int) -> int:
    """Return how many rows are worked on at a time, for windows of at most so many."""
    return max(TILE, 4 * longest)


@helper
def windows_of(*families: Asked) -> Windows:
    """Return the distinct first parameters that are asked for of families, in order."""
    windows = np.empty(0, np.int64)
    for family in families:
        for asked in family:
            windows = with_window(windows, asked[1])
    return windows


@helper
def with_window(windows: Windows, window: int) -> Windows:
    """Return windows and one more, unless it is among them, in order."""
    place = 0
    while place < windows.size and windows[place] < window:
        place += 1
    if place < windows.size and windows[place] == window:
        return windows
    out = np.empty(windows.size + 1, np.int64)
    for i in range(out.size):
        out[i] = windows[i] if i < place else windows[i - 1]
    out[place] = window
    return out


@helper
def row_of(windows: Windows, window: int) -> int:
    """Return the place of a window among those that were computed."""
    place = 0
    while windows[place] != window:
        place += 1
    return place


@helper
def window_sums(x: Column, windows: Windows) -> Matrix:
    """Return the sum over each window: ``out[j, t] = x[t] + … + x[t − windows[j] + 1]``.

    Parameters
    ----------
    x : float64, shape (m,)
    windows : int64, shape (w,), each >= 1, increasing

    Returns
    -------
    float64, shape (w, m)
    """
    rows = x.size
    out = np.empty((windows.size, rows))
    if windows.size == 0:
        return out
    longest = windows[-1]
    tile = tile_of(longest)
    work = np.empty((2, min(rows, tile + longest)))
    for first in range(0, rows, tile):
        begin, stop = max(0, first - longest + 1), min(first + tile, rows)
        count, history = stop - begin, first - begin
        block, wider = work[0, :count], work[1, :count]
        copy(x[begin:stop], block)
        size = 1
        while True:
            for j in range(windows.size):
                if windows[j] & size:
                    shift = windows[j] & (size - 1)
                    early = max(shift - history, 0)
                    total = out[j, first + early : stop]
                    source = block[history + early - shift : count - shift]
                    if shift == 0:
                        copy(source, total)
                    else:
                        add(source, total)
            if 2 * size > longest:
                break
            shift = min(size, count)
            tail, newest, earlier = wider[shift:], block[shift:], block[: count - shift]
            for i in range(tail.size):
                tail[i] = newest[i] + earlier[i]
            block, wider = wider, block
            size *= 2
    for j in range(windows.size):
        blank(out[j], windows[j] - 1)
    return out


@helper
def window_moments(x: Column, windows: Windows) -> tuple[Matrix, Matrix]:
    """Return the sum over each window, and the sum of squared distances from its mean.

    Parameters
    ----------
    x : float64, shape (m,)
    windows : int64, shape (w,), each >= 1, increasing

    Returns
    -------
    sums, squares : float64, shape (w, m)

    Notes
    -----
    Blocks of a and b rows are joined by S = Sₐ + S_b and
    Q = Qₐ + Q_b + (Sₐ/a − S_b/b)²·ab/(a + b): all terms are positive, nothing cancels.

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
    """
    rows = x.size
    sums, squares = np.empty((windows.size, rows)), np.empty((windows.size, rows))
    if windows.size == 0:
        return sums, squares
    longest = windows[-1]
    tile = tile_of(longest)
    work = np.empty((4, min(rows, tile + longest)))
    for first in range(0, rows, tile):
        begin, stop = max(0, first - longest + 1), min(first + tile, rows)
        count, history = stop - begin, first - begin
        block, spread = work[0, :count], work[1, :count]
        wider, wider_spread = work[2, :count], work[3, :count]
        copy(x[begin:stop], block)
        for i in range(spread.size):
            spread[i] = 0.0
        size = 1
        while True:
            for j in range(windows.size):
                if windows[j] & size:
                    have = windows[j] & (size - 1)
                    early = max(have - history, 0)
                    total, square = sums[j, first + early : stop], squares[j, first + early : stop]
                    source = block[history + early - have : count - have]
                    _join(total, square, have, source, spread[history + early - have :], size)
            if 2 * size > longest:
                break
            _double(block, spread, size, wider, wider_spread)
            block, wider = wider, block
            spread, wider_spread = wider_spread, spread
            size *= 2
    for j in range(windows.size):
        blank(sums[j], windows[j] - 1)
        blank(squares[j], windows[j] - 1)
    return sums, squares


@helper
def _double(block: Column, spread: Column, size: int, wider: Column, wider_spread: Column) -> None:
    """Join each block of ``size`` rows with the one before it.

    Two loops, for few enough arrays in each that the compiler can show that none overlap.
    """
    shift = min(size, block.size)
    newest, earlier = block[shift:], block[: block.size - shift]
    here, there = spread[shift:], spread[: block.size - shift]
    total, square = wider[shift:], wider_spread[shift:]
    weight = 0.5 / size
    for i in range(square.size):
        gap = newest[i] - earlier[i]
        square[i] = here[i] + there[i] + gap * gap * weight
    for i in range(total.size):
        total[i] = newest[i] + earlier[i]


@helper
def _join(
    total: Column, square: Column, have: int, block: Column, spread: Column, size: int
) -> None:
    """Add a block of ``size`` earlier rows to totals over ``have`` rows."""
    if have == 0:
        copy(block, total)
        copy(spread, square)
        return
    own, other = 1.0 / have, 1.0 / size
    weight = have * size / (have + size)
    for i in range(total.size):
        gap = total[i] * own - block[i] * other
        square[i] = square[i] + spread[i] + gap * gap * weight
    add(block, total)


@helper
def window_extreme(x: Column, window: int, sign: float) -> Column:
    """Return the largest (``sign`` 1) or smallest (−1) value of each window; NaN if one is NaN.

    Parameters
    ----------
    x : float64, shape (m,)
    window : int, >= 1

    Returns
    -------
    float64, shape (m,)
    """
    out = np.empty(x.size)
    write_extreme(x, window, sign, out)
    return out


@helper
def write_extreme(x: Column, window: int, sign: float, out: Column) -> None:
    """Write the largest or smallest value of each window, as :func:`window_extreme`."""
    rows, tile = x.size, tile_of(window)
    work = np.empty((2, min(rows, tile + window)))
    for first in range(0, rows, tile):
        begin, stop = max(0, first - window + 1), min(first + tile, rows)
        count, history = stop - begin, first - begin
        block, wider = work[0, :count], work[1, :count]
        scale(x[begin:stop], sign, block)
        size = 1
        while 2 * size <= window:
            _larger(block[size:], block, wider[size:])
            block, wider = wider, block
            size *= 2
        # Two blocks that overlap cover the rest: an extreme may count a row twice.
        early = max(window - size - history, 0)
        at = history + early
        _larger(block[at:], block[at - window + size :], wider[at:])
        scale(wider[history:], sign, out[first:stop])
    blank(out, window - 1)


@helper
def scale(x: Column, by: float, out: Column) -> None:
    """Write ``by·x`` to the rows of ``out``."""
    for i in range(out.size):
        out[i] = by * x[i]


@helper
def _larger(newest: Column, earlier: Column, out: Column) -> None:
    """Write the larger of two rows; NaN where one is."""
    for i in range(out.size):
        a, b = newest[i], earlier[i]
        larger = a if a > b else b
        out[i] = larger + 0.0 * (a + b)
