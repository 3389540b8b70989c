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
from truecast.features.kernels.compiling import kernel


@kernel
def blank(x: Column, rows: int) -> None:
    """Write NaN to the first rows, all if there are not that many.

    Assigning to a slice would do the same, and take seconds to compile.
    """
    for i in range(min(rows, x.size)):
        x[i] = math.nan


@kernel
def windows_of(*families: Asked) -> Windows:
    """Return the distinct first parameters that are asked for of families, in order."""
    windows = np.empty(0, np.int64)
    for family in families:
        for asked in family:
            windows = with_window(windows, asked[1])
    return windows


@kernel
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


@kernel
def row_of(windows: Windows, window: int) -> int:
    """Return the place of a window among those that were computed."""
    place = 0
    while windows[place] != window:
        place += 1
    return place


@kernel
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
    out = np.zeros((windows.size, rows))
    if windows.size == 0:
        return out
    work = np.empty((2, rows))
    longest = windows[-1]
    block = work[0]
    for i in range(rows):
        block[i] = x[i]
    size = 1
    turn = 1
    while True:
        for j in range(windows.size):
            if windows[j] & size:
                shift = min(windows[j] & (size - 1), rows)
                total = out[j, shift:]
                for i in range(total.size):
                    total[i] += block[i]
        if 2 * size > longest:
            break
        wider = work[turn]
        shift = min(size, rows)
        tail, newest, earlier = wider[shift:], block[shift:], block[: rows - shift]
        blank(wider, shift)
        for i in range(tail.size):
            tail[i] = newest[i] + earlier[i]
        block = wider
        turn = 1 - turn
        size *= 2
    for j in range(windows.size):
        blank(out[j], windows[j] - 1)
    return out


@kernel
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
    sums = np.zeros((windows.size, rows))
    squares = np.zeros((windows.size, rows))
    if windows.size == 0:
        return sums, squares
    work = np.empty((4, rows))
    longest = windows[-1]
    block, spread = work[0], work[1]
    for i in range(rows):
        block[i] = x[i]
        spread[i] = 0.0
    size = 1
    turn = 2
    while True:
        for j in range(windows.size):
            if windows[j] & size:
                have = windows[j] & (size - 1)
                shift = min(have, rows)
                _join(sums[j, shift:], squares[j, shift:], have, block, spread, size)
        if 2 * size > longest:
            break
        wider, wider_spread = work[turn], work[turn + 1]
        _double(block, spread, size, wider, wider_spread)
        block, spread = wider, wider_spread
        turn = 2 - turn
        size *= 2
    for j in range(windows.size):
        blank(sums[j], windows[j] - 1)
        blank(squares[j], windows[j] - 1)
    return sums, squares


@kernel
def _double(block: Column, spread: Column, size: int, wider: Column, wider_spread: Column) -> None:
    """Join each block of ``size`` rows with the one before it.

    Two loops, for few enough arrays in each that the compiler can show that none overlap.
    """
    shift = min(size, block.size)
    blank(wider, shift)
    blank(wider_spread, shift)
    newest, earlier = block[shift:], block[: block.size - shift]
    here, there = spread[shift:], spread[: block.size - shift]
    total, square = wider[shift:], wider_spread[shift:]
    weight = 0.5 / size
    for i in range(square.size):
        gap = newest[i] - earlier[i]
        square[i] = here[i] + there[i] + gap * gap * weight
    for i in range(total.size):
        total[i] = newest[i] + earlier[i]


@kernel
def _join(
    total: Column, square: Column, have: int, block: Column, spread: Column, size: int
) -> None:
    """Add a block of ``size`` earlier rows to totals over ``have`` rows."""
    if have == 0:
        for i in range(total.size):
            total[i] = block[i]
        for i in range(total.size):
            square[i] = spread[i]
        return
    own, other = 1.0 / have, 1.0 / size
    weight = have * size / (have + size)
    for i in range(total.size):
        gap = total[i] * own - block[i] * other
        square[i] = square[i] + spread[i] + gap * gap * weight
    for i in range(total.size):
        total[i] = total[i] + block[i]


@kernel
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
    rows = x.size
    work, out = np.empty((2, rows)), np.empty(rows)
    block = work[0]
    for i in range(rows):
        block[i] = sign * x[i]
    size = 1
    turn = 1
    while 2 * size <= window:
        _larger(block, size, work[turn])
        block = work[turn]
        turn = 1 - turn
        size *= 2
    # Two blocks that overlap cover the rest: an extreme may count a row twice.
    _larger(block, window - size, out)
    for i in range(rows):
        out[i] = sign * out[i]
    return out


@kernel
def _larger(block: Column, shift: int, out: Column) -> None:
    """Write the larger of each row and the one ``shift`` rows before."""
    shift = min(shift, block.size)
    blank(out, shift)
    newest, earlier, result = block[shift:], block[: block.size - shift], out[shift:]
    for i in range(result.size):
        a, b = newest[i], earlier[i]
        larger = a if a > b else b
        result[i] = larger + 0.0 * (a + b)
