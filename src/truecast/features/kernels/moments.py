"""The distribution of returns over a window; see ``features/moments.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.elementwise import NOTHING, log_ratio, relative_difference, root_of
from truecast.features.kernels.inputs import CLOSE, RETURN, VOLUME
from truecast.features.kernels.recursive import exponential_mean
from truecast.features.kernels.windows import (
    blank,
    row_of,
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


@kernel
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
    rows, count = x.size, windows.size
    totals = np.zeros((count, 4, rows))
    work, gap = np.zeros((2, 4, rows)), np.empty(rows)
    block, wider = work[0], work[1]
    for i in range(rows):
        block[0, i] = x[i]
    size = 1
    while count and size <= windows[-1]:
        for j in range(count + 1):
            doubled = j == count  # after the windows, the blocks themselves become longer
            if doubled and 2 * size <= windows[-1]:
                _copy(block, min(size, rows), wider)
            elif doubled or not windows[j] & size:
                continue
            have = size if doubled else windows[j] & (size - 1)
            _join(wider if doubled else totals[j], have, block, size, gap)
        block, wider = wider, block
        size *= 2
    for j in range(count):
        for k in range(4):
            blank(totals[j, k], windows[j] - 1)
    return totals


@kernel
def _copy(block: Matrix, unknown: int, out: Matrix) -> None:
    """Write a block of powers, and NaN to its first rows."""
    for k in range(4):
        for i in range(out.shape[1]):
            out[k, i] = block[k, i]
        blank(out[k], unknown)


@kernel
def _join(totals: Matrix, a: int, block: Matrix, b: int, gap: Column) -> None:
    """Add a block of ``b`` rows to totals over the ``a`` rows after it, highest power first.

    Loops of few arrays, for the compiler to show that none overlap.
    """
    shift = min(a, gap.size)
    total, square = totals[0, shift:], totals[1, shift:]
    cube, fourth = totals[2, shift:], totals[3, shift:]
    one, two, three, four = block[0], block[1], block[2], block[3]
    n, own, other = float(a + b), 1.0 / max(a, 1), 1.0 / b
    for i in range(total.size):
        gap[i] = one[i] * other - total[i] * own if a else 0.0
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
    for i in range(total.size):
        total[i] += one[i]


@kernel
def skewness(total: Column, squares: Column, cubes: Column, window: int, out: Output) -> None:
    """Write the sample skewness of windows given by their moments; 0 where SD is 0."""
    scale = window * math.sqrt(window - 1.0) / (window - 2.0)
    for i in range(out.size):
        square = squares[i]
        mean = total[i] / window
        constant = square <= NOTHING * NOTHING * window * mean * mean
        out[i] = 0.0 if constant else scale * cubes[i] / (square * math.sqrt(square))


@kernel
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


@kernel
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
