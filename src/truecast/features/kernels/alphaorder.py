"""Extremes, their places, ranks and quantiles over windows, of Alpha158.

See ``features/alpha158.py`` for each formula.
"""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.alpharatios import EPSILON, mean_difference, share
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import difference, quotient, scaled
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW
from truecast.features.kernels.windows import blank, row_of, windows_of


@kernel
def extremes(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_max: Asked,
    alpha_min: Asked,
    alpha_rsv: Asked,
    alpha_imax: Asked,
    alpha_imin: Asked,
    alpha_imxd: Asked,
) -> None:
    """Write highest highs and lowest lows, where the close lies between them, and their places."""
    close = x[CLOSE, begin:]
    now, stop = close[halo:], start + close.size - halo
    windows = windows_of(alpha_max, alpha_min, alpha_rsv, alpha_imax, alpha_imin, alpha_imxd)
    high, high_age = window_peaks(x[HIGH, begin:], 1.0, windows)
    low, low_age = window_peaks(x[LOW, begin:], -1.0, windows)
    for asked in alpha_max:
        quotient(high[row_of(windows, asked[1]), halo:], now, 1.0, out[asked[0], start:stop])
    for asked in alpha_min:
        quotient(low[row_of(windows, asked[1]), halo:], now, 1.0, out[asked[0], start:stop])
    width = np.empty(now.size)
    for asked in alpha_rsv:
        at = row_of(windows, asked[1])
        difference(high[at, halo:], low[at, halo:], width)
        share(now, low[at, halo:], width, EPSILON, 0.0, out[asked[0], start:stop])
    for asked in alpha_imax:
        age = high_age[row_of(windows, asked[1]), halo:]
        place_share(age, asked[1], out[asked[0], start:stop])
    for asked in alpha_imin:
        age = low_age[row_of(windows, asked[1]), halo:]
        place_share(age, asked[1], out[asked[0], start:stop])
    for asked in alpha_imxd:
        at = row_of(windows, asked[1])
        mean_difference(
            low_age[at, halo:], high_age[at, halo:], asked[1], out[asked[0], start:stop]
        )


@helper
def window_peaks(x: Column, sign: float, windows: Windows) -> tuple[Matrix, Matrix]:
    """Return the largest (``sign`` 1) or smallest (−1) of each window, and how long ago it was.

    Parameters
    ----------
    x : float64, shape (m,)
    sign : float
    windows : int64, shape (w,), each >= 1, increasing

    Returns
    -------
    peaks, ages : float64, shape (w, m)
        Ages are in rows; of several equal peaks, that of the first. NaN in the first n−1 rows and
        where the window has a NaN.
    """
    rows = x.size
    peaks, ages = np.empty((windows.size, rows)), np.empty((windows.size, rows))
    work = np.zeros((4, rows))
    for i in range(rows):
        work[0, i] = sign * x[i]
    size, turn, at = 1, 0, 0
    while at < windows.size:
        block, age = work[turn], work[turn + 1]
        if windows[at] < 2 * size:
            # Two blocks that overlap cover the window: a peak may be in both.
            older_or_newer(block, age, windows[at] - size, peaks[at], ages[at])
            for i in range(rows):
                peaks[at, i] = sign * peaks[at, i]
            at += 1
        else:
            turn = 2 - turn
            older_or_newer(block, age, size, work[turn], work[turn + 1])
            size *= 2
    return peaks, ages


@helper
def older_or_newer(block: Column, age: Column, shift: int, peak: Column, when: Column) -> None:
    """Write the larger of each row and the one ``shift`` rows before, the older if equal."""
    shift = min(shift, block.size)
    blank(peak, shift)
    blank(when, shift)
    newest, earlier, result = block[shift:], block[: block.size - shift], peak[shift:]
    young, old, ages = age[shift:], age[: block.size - shift], when[shift:]
    for i in range(result.size):
        a, b = newest[i], earlier[i]
        result[i] = (b if b >= a else a) + 0.0 * (a + b)
    for i in range(ages.size):
        a, b = newest[i], earlier[i]
        ages[i] = (old[i] + shift if b >= a else young[i]) + 0.0 * (a + b)


@helper
def place_share(age: Column, window: int, out: Output) -> None:
    """Write the place in the window, the oldest row 1, over the window's length."""
    for i in range(out.size):
        out[i] = (window - age[i]) / window


@kernel
def quantiles(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_qtlu: Asked,
    alpha_qtld: Asked,
    alpha_rank: Asked,
) -> None:
    """Write quantiles of closes over the close, and the close's rank among them."""
    close = x[CLOSE, begin:]
    now, stop = close[halo:], start + close.size - halo
    windows = windows_of(alpha_qtlu, alpha_qtld)
    low, high = np.empty((windows.size, now.size)), np.empty((windows.size, now.size))
    for j in range(windows.size):
        window_quantiles(close[halo - windows[j] + 1 :], windows[j], 0.2, low[j], high[j])
    for asked in alpha_qtlu:
        quotient(high[row_of(windows, asked[1])], now, 1.0, out[asked[0], start:stop])
    for asked in alpha_qtld:
        quotient(low[row_of(windows, asked[1])], now, 1.0, out[asked[0], start:stop])
    if not alpha_rank.shape[0]:
        return
    windows = windows_of(alpha_rank)
    doubled = np.empty((windows.size, now.size))
    window_ranks(close, halo, windows, doubled)
    for asked in alpha_rank:
        rank = doubled[row_of(windows, asked[1])]
        scaled(rank, 0.5 / asked[1], out[asked[0], start:stop])


@helper
def window_ranks(x: Column, halo: int, windows: Windows, out: Matrix) -> None:
    """Write twice the rank of each row in each window ending with it, ties at their mean.

    The rows before are compared one after the other: what was counted in a window is the
    beginning of the count in the next longer one.
    """
    now = x[halo:]
    count = np.empty(now.size)
    for i in range(count.size):
        count[i] = 1.0
    at = 0
    for k in range(windows[-1]):
        then = x[halo - k : x.size - k]
        for i in range(count.size):
            below = (1.0 if then[i] < now[i] else 0.0) + (1.0 if then[i] <= now[i] else 0.0)
            count[i] += below + 0.0 * then[i]
        if k + 1 == windows[at]:
            for i in range(count.size):
                out[at, i] = count[i]
            at += 1


@helper
def window_quantiles(x: Column, window: int, share_below: float, low: Column, high: Column) -> None:
    """Write the quantiles ``share_below`` and ``1 − share_below`` of each window.

    Parameters
    ----------
    x : float64, shape (n + window − 1,)
        It begins with the first window.
    window : int, >= 1
    share_below : float, 0 to 0.5
    low, high : float64, shape (n,)
        Between two rows by linear interpolation; NaN where the window has one that is not finite.

    Notes
    -----
    The window is kept in order: a new row takes the place of the oldest, and the rows between
    move up by one. What is not finite stands last, as infinite.
    """
    ordered = np.empty(window)
    for k in range(window):
        ordered[k] = math.inf
    lower, upper = share_below * (window - 1), (1.0 - share_below) * (window - 1)
    below_lower, below_upper = int(lower), int(upper)
    missing = 0
    for i in range(x.size):
        new = x[i] if x[i] - x[i] == 0.0 else math.inf
        gone = math.inf
        if i >= window and x[i - window] - x[i - window] == 0.0:
            gone = x[i - window]
        elif i >= window:
            missing -= 1
        missing += 1 if new == math.inf else 0
        replace_in_order(ordered, gone, new)
        if i >= window - 1:
            row = i - window + 1
            low[row] = between(ordered, below_lower, lower, missing)
            high[row] = between(ordered, below_upper, upper, missing)


@helper
def between(ordered: Column, below: int, place: float, missing: int) -> float:
    """Return the value at a place between two rows; NaN if any is missing."""
    if missing:
        return math.nan
    value: float = ordered[below]
    above: float = ordered[min(below + 1, ordered.size - 1)]
    return value + (above - value) * (place - below)


@helper
def replace_in_order(ordered: Column, gone: float, new: float) -> None:
    """Replace a value by another, and keep the order."""
    place, stop = 0, ordered.size - 1
    while place < stop:
        middle = (place + stop) // 2
        if ordered[middle] < gone:
            place = middle + 1
        else:
            stop = middle
    while place + 1 < ordered.size and ordered[place + 1] < new:
        ordered[place] = ordered[place + 1]
        place += 1
    while place > 0 and ordered[place - 1] > new:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = new
