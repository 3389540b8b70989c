"""The distribution of returns over a window; see ``features/moments.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import NOTHING, log_ratio, relative_difference, root_of
from truecast.features.kernels.inputs import CLOSE, RETURN, VOLUME
from truecast.features.kernels.recursive import exponential_mean
from truecast.features.kernels.windows import (
    add,
    blank,
    copy,
    row_of,
    tile_of,
    window_moments,
    window_sums,
    windows_of,
)


@kernel
def return_moments(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    return_mean: Asked,
    return_skew: Asked,
    return_kurtosis: Asked,
) -> None:
    """Write means, skewness and kurtosis of 1-bar log returns."""
    close = x[CLOSE, begin:]
    now, rows = close[halo:], close.size
    stop = start + now.size
    for asked in return_mean:
        then = close[halo - asked[1] : rows - asked[1]]
        log_ratio(now, then, 100.0 / asked[1], out[asked[0], start:stop])
    if not return_skew.shape[0] + return_kurtosis.shape[0]:
        return
    windows = windows_of(return_skew, return_kurtosis)
    powers = window_powers(x[RETURN, begin:], windows)
    for asked in return_skew:
        total = powers[row_of(windows, asked[1])]
        target = out[asked[0], start:stop]
        skewness(total[0, halo:], total[1, halo:], total[2, halo:], asked[1], target)
    for asked in return_kurtosis:
        total = powers[row_of(windows, asked[1])]
        target = out[asked[0], start:stop]
        kurtosis(total[0, halo:], total[1, halo:], total[3, halo:], asked[1], target)


@helper
def window_powers(x: Column, windows: Windows) -> Matrix:
    """Return sums over each window, and sums of powers 2, 3 and 4 of distances from its mean.

    Parameters
    ----------
    x : float64, shape (m,)
    windows : int64, shape (w,), each >= 1, increasing

    Returns
    -------
    float64, shape (w, 4, m)
        The first n−1 rows are NaN.

    Notes
    -----
    As :func:`~truecast.features.kernels.windows.window_moments`, from blocks of 1, 2, 4, 8… rows.

    References
    ----------
    Pébay (2008), Formulas for robust, one-pass parallel computation of covariances and
    arbitrary-order statistical moments.
    """
    rows = x.size
    totals = np.empty((windows.size, 4, rows))
    if windows.size == 0:
        return totals
    longest = windows[-1]
    tile = tile_of(longest)
    work = np.empty((2, 4, min(rows, tile + longest)))
    for first in range(0, rows, tile):
        begin, stop = max(0, first - longest + 1), min(first + tile, rows)
        _tile_powers(x[begin:stop], windows, first - begin, first, work, totals)
    for j in range(windows.size):
        for k in range(4):
            blank(totals[j, k], windows[j] - 1)
    return totals


@helper
def _tile_powers(
    x: Column, windows: Windows, history: int, first: int, work: Matrix, totals: Matrix
) -> None:
    """Write what :func:`window_powers` returns from row ``first`` on, of rows with history."""
    count, block, wider, gap = x.size, work[0], work[1], np.empty(x.size)
    copy(x, block[0, :count])
    for k in range(1, 4):
        for i in range(count):
            block[k, i] = 0.0
    size = 1
    while True:
        for j in range(windows.size):
            if windows[j] & size:
                have = windows[j] & (size - 1)
                early = max(have - history, 0)
                earlier, rows = history + early - have, count - history - early
                if have == 0:
                    _copy(block, earlier, totals[j], first, rows)
                else:
                    _join(totals[j], first + early, have, block, earlier, size, gap[:rows])
        if 2 * size > windows[-1]:
            return
        shift = min(size, count)
        _copy(block, shift, wider, shift, count - shift)
        _join(wider, shift, size, block, 0, size, gap[: count - shift])
        block, wider = wider, block
        size *= 2


@helper
def _copy(block: Matrix, begin: int, out: Matrix, at: int, rows: int) -> None:
    """Write rows of a block of powers."""
    for k in range(4):
        copy(block[k, begin : begin + rows], out[k, at : at + rows])


@helper
def _join(totals: Matrix, at: int, a: int, block: Matrix, begin: int, b: int, gap: Column) -> None:
    """Add a block of ``b`` rows to totals over the ``a`` rows after it, highest power first.

    It is done for as many rows as ``gap`` has, in ``totals`` from ``at`` on and in ``block`` from
    ``begin`` on. Loops of few arrays, for the compiler to show that none overlap.
    """
    stop, end = at + gap.size, begin + gap.size
    total, square = totals[0, at:stop], totals[1, at:stop]
    cube, fourth = totals[2, at:stop], totals[3, at:stop]
    one, two = block[0, begin:end], block[1, begin:end]
    three, four = block[2, begin:end], block[3, begin:end]
    n, own, other = float(a + b), 1.0 / a, 1.0 / b
    for i in range(total.size):
        gap[i] = one[i] * other - total[i] * own
    quartic = a * b * (a * a - a * b + b * b) / (n * n * n)
    of_two, of_square = 6.0 * a * a / (n * n), 6.0 * b * b / (n * n)
    for i in range(total.size):
        g = gap[i] * gap[i]
        fourth[i] += four[i] + g * (quartic * g + of_two * two[i] + of_square * square[i])
    of_three, of_cube = 4.0 * a / n, 4.0 * b / n
    for i in range(total.size):
        fourth[i] += gap[i] * (of_three * three[i] - of_cube * cube[i])
    cubic = a * b * (a - b) / (n * n)
    of_two, of_square = 3.0 * a / n, 3.0 * b / n
    for i in range(total.size):
        g = gap[i]
        cube[i] += three[i] + g * (cubic * g * g + of_two * two[i] - of_square * square[i])
    quadratic = a * b / n
    for i in range(total.size):
        square[i] += two[i] + quadratic * gap[i] * gap[i]
    add(one, total)


@helper
def skewness(total: Column, squares: Column, cubes: Column, window: int, out: Output) -> None:
    """Write the sample skewness of windows given by their moments; 0 where SD is 0."""
    scale = window * math.sqrt(window - 1.0) / (window - 2.0)
    for i in range(out.size):
        square = squares[i]
        mean = total[i] / window
        constant = square <= NOTHING * NOTHING * window * mean * mean
        out[i] = 0.0 if constant else scale * cubes[i] / (square * math.sqrt(square))


@helper
def kurtosis(total: Column, squares: Column, fourths: Column, window: int, out: Output) -> None:
    """Write the sample excess kurtosis of windows given by their moments; 0 where SD is 0."""
    n = float(window)
    scale = n * (n + 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0))
    normal = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0))
    for i in range(out.size):
        square = squares[i]
        mean = total[i] / window
        constant = square <= NOTHING * NOTHING * window * mean * mean
        out[i] = 0.0 if constant else scale * fourths[i] / (square * square) - normal


@helper
def _times_relative_volume(x: Column, volume: Column, window: int, base: int, out: Output) -> None:
    """Write ``x·SMA(volume, window)/SMA(volume, base)``; NaN where that is not finite."""
    history = volume.size - out.size
    recent = window_sums(volume, np.array([window]))[0, history:]
    usual = window_sums(volume, np.array([base]))[0, history:]
    scale = base / window
    for i in range(out.size):
        value = x[i] * (scale * recent[i] / usual[i])
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def volatility_with_volume(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, volatility_times_volume: Asked
) -> None:
    """Write standard deviations of returns times relative volume."""
    volume = x[VOLUME, begin:]
    returns = x[RETURN, begin:]
    stop = start + returns.size - halo
    deviation = np.empty(returns.size - halo)
    for asked in volatility_times_volume:
        window, base = asked[1], asked[2]
        _, squares = window_moments(returns, np.array([window]))
        root_of(squares[0, halo:], 1.0 / (window - 1), deviation)
        _times_relative_volume(deviation, volume, window, base, out[asked[0], start:stop])


@kernel
def momentum_with_volume(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, momentum_times_volume: Asked
) -> None:
    """Write distances from exponential averages times relative volume."""
    close, volume = x[CLOSE, begin:], x[VOLUME, begin:]
    stop = start + close.size - halo
    momentum = np.empty(close.size - halo)
    for asked in momentum_times_volume:
        window, base = asked[2], asked[3]
        mean = exponential_mean(close, 2.0 / (asked[1] + 1))
        relative_difference(close[halo:], mean[halo:], 1.0, momentum)
        _times_relative_volume(momentum, volume, window, base, out[asked[0], start:stop])
