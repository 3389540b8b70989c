"""Sums, moments and extremes over windows, each from the rows of its own window alone.

Windows are put together from blocks of 1, 2, 4, 8… rows (a sum over 20 is one over 4 and one
over 16), so a window of n rows costs about log₂ n additions, all windows of a column share the
blocks, and the order of additions is the same wherever a column begins. A spike or a NaN is
gone with the last window that holds it, which running sums do not achieve.

The first n−1 rows of a result are NaN. ``work`` is scratch space.
"""

import math

from numba import njit

from truecast.features.declaration import Column, Matrix, Windows


@njit(cache=True, error_model="numpy", nogil=True)
def window_sums(x: Column, windows: Windows, work: Matrix, out: Matrix) -> None:
    """Write the sum over each window: ``out[j, t] = x[t] + … + x[t − windows[j] + 1]``.

    Parameters
    ----------
    x : float64, shape (m,)
    windows : int64, shape (w,), each >= 1
    work : float64, shape (2, m)
    out : float64, shape (w, m)
    """
    rows = x.size
    longest = windows.max()
    out[:, :] = 0.0
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
        head, tail, earlier = wider[:shift], wider[shift:], block[: rows - shift]
        newest = block[shift:]
        for i in range(head.size):
            head[i] = math.nan
        for i in range(tail.size):
            tail[i] = newest[i] + earlier[i]
        block = wider
        turn = 1 - turn
        size *= 2
    for j in range(windows.size):
        out[j, : windows[j] - 1] = math.nan


@njit(cache=True, error_model="numpy", nogil=True)
def window_moments(
    x: Column, windows: Windows, work: Matrix, sums: Matrix, squares: Matrix
) -> None:
    """Write the sum over each window, and the sum of squared distances from its mean.

    Parameters
    ----------
    x : float64, shape (m,)
    windows : int64, shape (w,), each >= 1
    work : float64, shape (4, m)
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
    longest = windows.max()
    sums[:, :] = 0.0
    squares[:, :] = 0.0
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
        sums[j, : windows[j] - 1] = math.nan
        squares[j, : windows[j] - 1] = math.nan


@njit(cache=True, error_model="numpy", nogil=True)
def _double(block: Column, spread: Column, size: int, wider: Column, wider_spread: Column) -> None:
    """Join each block of ``size`` rows with the one before it.

    Two loops, for few enough arrays in each that the compiler can show that none overlap.
    """
    shift = min(size, block.size)
    wider[:shift] = math.nan
    wider_spread[:shift] = math.nan
    newest, earlier = block[shift:], block[: block.size - shift]
    here, there = spread[shift:], spread[: block.size - shift]
    total, square = wider[shift:], wider_spread[shift:]
    weight = 0.5 / size
    for i in range(square.size):
        gap = newest[i] - earlier[i]
        square[i] = here[i] + there[i] + gap * gap * weight
    for i in range(total.size):
        total[i] = newest[i] + earlier[i]


@njit(cache=True, error_model="numpy", nogil=True)
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


@njit(cache=True, error_model="numpy", nogil=True)
def window_extreme(x: Column, window: int, sign: float, work: Matrix, out: Column) -> None:
    """Write the largest (``sign`` 1) or smallest (−1) value of each window; NaN if one is NaN.

    Parameters
    ----------
    x : float64, shape (m,)
    window : int, >= 1
    work : float64, shape (2, m)
    out : float64, shape (m,)
    """
    rows = x.size
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


@njit(cache=True, error_model="numpy", nogil=True)
def _larger(block: Column, shift: int, out: Column) -> None:
    """Write the larger of each row and the one ``shift`` rows before."""
    shift = min(shift, block.size)
    out[:shift] = math.nan
    newest, earlier, result = block[shift:], block[: block.size - shift], out[shift:]
    for i in range(result.size):
        a, b = newest[i], earlier[i]
        larger = a if a > b else b
        result[i] = larger + 0.0 * (a + b)
