"""Regressions and correlations over windows, of Alpha158; see ``features/alpha158.py``."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.alpharatios import windows_of_three
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.elementwise import NOTHING, quotient
from truecast.features.kernels.inputs import CLOSE, VOLUME
from truecast.features.kernels.logarithm import ln
from truecast.features.kernels.windows import blank, row_of, window_moments


@kernel
def regressions(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_beta: Asked,
    alpha_rsqr: Asked,
    alpha_resi: Asked,
) -> None:
    """Write slope, R² and last residual of closes regressed on the bar's number."""
    close = x[CLOSE, begin:]
    now, stop = close[halo:], start + close.size - halo
    windows = windows_of_three(alpha_beta, alpha_rsqr, alpha_resi)
    sums, squares = window_moments(close, windows)
    slopes = np.empty((windows.size, close.size))
    for j in range(windows.size):
        window_slope(close, windows[j], slopes[j])
    for asked in alpha_beta:
        slope = slopes[row_of(windows, asked[1]), halo:]
        quotient(slope, now, 1.0, out[asked[0], start:stop])
    for asked in alpha_rsqr:
        at, target = row_of(windows, asked[1]), out[asked[0], start:stop]
        explained(slopes[at, halo:], sums[at, halo:], squares[at, halo:], asked[1], target)
    for asked in alpha_resi:
        at, target = row_of(windows, asked[1]), out[asked[0], start:stop]
        last_residual(now, slopes[at, halo:], sums[at, halo:], asked[1], target)


@kernel
def spread_of_places(window: int) -> float:
    """Return the sum of squared distances of 1, 2, … from their mean."""
    return window * (window * window - 1.0) / 12.0


@kernel
def window_slope(x: Column, window: int, out: Column) -> None:
    """Write the slope of each window by its row's number.

    Notes
    -----
    Weights are the same on both sides of the middle but for their sign, so the rows are taken in
    pairs: only differences count, however high the level.
    """
    blank(out, window - 1)
    slope = out[window - 1 :]
    scale = 1.0 / spread_of_places(window)
    for i in range(slope.size):
        slope[i] = 0.0
    for j in range(window // 2):
        weight = 0.5 * (window - 1) - j
        newer, older = x[window - 1 - j :], x[j:]
        for i in range(slope.size):
            slope[i] += weight * (newer[i] - older[i])
    if window % 2:
        middle = x[window // 2 :]
        for i in range(slope.size):
            slope[i] += 0.0 * middle[i]
    for i in range(slope.size):
        slope[i] *= scale


@kernel
def explained(slope: Column, total: Column, squares: Column, window: int, out: Output) -> None:
    """Write R² of windows given by slope and moments; NaN where nothing moved."""
    scale = spread_of_places(window)
    for i in range(out.size):
        mean = total[i] / window
        square = squares[i]
        value = slope[i] * slope[i] * scale / square
        value = 1.0 if value > 1.0 else value
        constant = square <= NOTHING * NOTHING * window * mean * mean
        out[i] = math.nan if constant else value


@kernel
def last_residual(x: Column, slope: Column, total: Column, window: int, out: Output) -> None:
    """Write the distance of ``x`` from the end of its window's line, over ``x``."""
    for i in range(out.size):
        mean = total[i] / window
        value = (x[i] - mean - 0.5 * (window - 1) * slope[i]) / x[i]
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def correlations(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_corr: Asked,
    alpha_cord: Asked,
) -> None:
    """Write correlations of price and volume, and of their changes."""
    close, volume = x[CLOSE, begin:], x[VOLUME, begin:]
    traded = np.empty(close.size)
    if alpha_corr.shape[0]:
        one_more(volume, traded)
        window_correlations(close, traded, halo, out, start, alpha_corr)
    if alpha_cord.shape[0]:
        moved = np.empty(close.size)
        moved[0] = traded[0] = math.nan
        quotient(close[1:], close[:-1], 1.0, moved[1:])
        growth = np.empty(close.size)
        quotient(volume[1:], volume[:-1], 1.0, growth[1:])
        one_more(growth[1:], traded[1:])
        window_correlations(moved, traded, halo, out, start, alpha_cord)


@kernel
def one_more(x: Column, out: Output) -> None:
    """Write ``ln(x + 1)``."""
    for i in range(out.size):
        out[i] = ln(x[i] + 1.0)


@kernel
def window_correlations(
    a: Column, b: Column, halo: int, out: Outputs, start: int, wanted: Asked
) -> None:
    """Write the correlation of each window of two columns."""
    rows = a.size
    stop = start + rows - halo
    windows = windows_of_three(wanted, wanted[:0], wanted[:0])
    sums_a, squares_a = window_moments(a, windows)
    sums_b, squares_b = window_moments(b, windows)
    mean_a, mean_b = np.empty(rows - halo), np.empty(rows - halo)
    product = np.empty(rows - halo)
    for asked in wanted:
        window, at = asked[1], row_of(windows, asked[1])
        total_a, total_b = sums_a[at, halo:], sums_b[at, halo:]
        for i in range(product.size):
            mean_a[i] = total_a[i] / window
            mean_b[i] = total_b[i] / window
            product[i] = 0.0
        for k in range(window):
            then_a, then_b = a[halo - k : rows - k], b[halo - k : rows - k]
            for i in range(product.size):
                product[i] += (then_a[i] - mean_a[i]) * (then_b[i] - mean_b[i])
        spread_a, spread_b = squares_a[at, halo:], squares_b[at, halo:]
        target = out[asked[0], start:stop]
        of_products(product, spread_a, spread_b, target)
        blank_constant(mean_a, spread_a, window, target)
        blank_constant(mean_b, spread_b, window, target)


@kernel
def of_products(product: Column, squares_a: Column, squares_b: Column, out: Output) -> None:
    """Write ``product/√(squares_a·squares_b)``, within −1 and 1."""
    for i in range(out.size):
        value = product[i] / (math.sqrt(squares_a[i]) * math.sqrt(squares_b[i]))
        value = 1.0 if value > 1.0 else value
        out[i] = -1.0 if value < -1.0 else value


@kernel
def blank_constant(mean: Column, squares: Column, window: int, out: Output) -> None:
    """Write NaN where a window's standard deviation is 0."""
    for i in range(out.size):
        floor = NOTHING * NOTHING * window * mean[i] * mean[i]
        out[i] = math.nan if squares[i] <= floor else out[i]
