"""What prices that bounce say of the spread; see ``features/microstructure.py``."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import distance, larger_of, log_ratio, product, scaled
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, RETURN
from truecast.features.kernels.windows import blank, row_of, window_sums, windows_of

ROOTS = 1.0 + math.sqrt(2.0)


@helper
def half_tanh(x: float) -> float:
    """Return ``tanh(x/2)`` for x >= 0, to 1 part in 10⁹ up to x = 7.

    Notes
    -----
    The tenth convergent of Lambert's continued fraction y/(1 + y²/(3 + y²/(5 + …))) as one
    quotient: all terms are positive, and only additions, multiplications and one division are
    made, which have the same bits on every machine.
    """
    y = 0.5 * x
    z = y * y
    above = 654729075.0 + z * (91891800.0 + z * (2837835.0 + z * (25740.0 + z * 55.0)))
    below = 654729075.0 + z * (310134825.0 + z * (18918900.0 + z * (315315.0 + z * (1485.0 + z))))
    return y * above / below


@helper
def two_bar_spread(width: Column, before: Column, both: Column, out: Output) -> None:
    """Write Corwin and Schultz's spread in percent, of log ranges of each bar and of both."""
    for i in range(out.size):
        alpha = ROOTS * (math.sqrt(width[i] * width[i] + before[i] * before[i]) - both[i])
        out[i] = 200.0 * half_tanh(0.0 if alpha < 0.0 else alpha)


@helper
def bounce(products: Column, total: Column, before: Column, window: int, out: Output) -> None:
    """Write ``2·√(max(−cov, 0))`` of a window's sums of products and of either factor."""
    for i in range(out.size):
        covariance = (products[i] - total[i] * before[i] / window) / (window - 1)
        out[i] = 2.0 * math.sqrt(0.0 if covariance > 0.0 else -covariance)


@helper
def distance_over(now: Column, then: Column, path: Column, out: Output) -> None:
    """Write ``|now − then|/path``; 0 where the path is."""
    for i in range(out.size):
        value = abs(now[i] - then[i])
        out[i] = value / path[i] if path[i] != 0.0 else 0.0


@kernel
def bounces(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    roll_spread: Asked,
    corwin_schultz: Asked,
    efficiency_ratio: Asked,
) -> None:
    """Write what the bouncing of prices says of the spread, and how much of their path it is."""
    close = x[CLOSE, begin:]
    rows, stop = close.size, start + close.size - halo
    if roll_spread.shape[0]:
        returns, term = x[RETURN, begin:], np.empty(rows)
        blank(term, 1)
        product(returns[1:], returns[:-1], term[1:])
        windows = windows_of(roll_spread)
        totals, products = window_sums(returns, windows), window_sums(term, windows)
        for asked in roll_spread:
            at = row_of(windows, asked[1])
            now, before = totals[at, halo:], totals[at, halo - 1 : rows - 1]
            bounce(products[at, halo:], now, before, asked[1], out[asked[0], start:stop])
    if corwin_schultz.shape[0]:
        term = _two_bar_spreads(x[HIGH, begin:], x[LOW, begin:])
        windows = windows_of(corwin_schultz)
        totals = window_sums(term, windows)
        for asked in corwin_schultz:
            total = totals[row_of(windows, asked[1]), halo:]
            scaled(total, 1.0 / asked[1], out[asked[0], start:stop])
    if efficiency_ratio.shape[0]:
        term = np.empty(rows)
        blank(term, 1)
        distance(close[1:], close[:-1], term[1:])
        windows = windows_of(efficiency_ratio)
        totals = window_sums(term, windows)
        for asked in efficiency_ratio:
            path = totals[row_of(windows, asked[1]), halo:]
            then = close[halo - asked[1] : rows - asked[1]]
            distance_over(close[halo:], then, path, out[asked[0], start:stop])


@helper
def _two_bar_spreads(high: Column, low: Column) -> Column:
    """Return Corwin and Schultz's spread of each bar and the one before; the first is NaN."""
    rows = high.size
    work, out = np.empty((4, rows)), np.empty(rows)
    width, both, top, bottom = work[0], work[1], work[2], work[3]
    log_ratio(high, low, 1.0, width)
    larger_of(high[1:], high[:-1], 1.0, top[1:])
    larger_of(low[1:], low[:-1], -1.0, bottom[1:])
    log_ratio(top[1:], bottom[1:], 1.0, both[1:])
    blank(out, 1)
    two_bar_spread(width[1:], width[:-1], both[1:], out[1:])
    return out
