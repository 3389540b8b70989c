"""Regressions and correlations over windows, of Alpha158; see ``features/alpha158.py``."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import NOTHING, product, quotient
from truecast.features.kernels.inputs import CLOSE, VOLUME
from truecast.features.kernels.logarithm import ln
from truecast.features.kernels.windows import (
    blank,
    row_of,
    window_moments,
    window_sums,
    windows_of,
)

#: Share of a sum of squares that rounding may leave of nothing.
ROUNDING = 1e-13
#: Pairs of which a correlation is told.
FEWEST = 3


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
    windows = windows_of(alpha_beta, alpha_rsqr, alpha_resi)
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


@helper
def spread_of_places(window: int) -> float:
    """Return the sum of squared distances of 1, 2, … from their mean."""
    return window * (window * window - 1.0) / 12.0


@helper
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


@helper
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


@helper
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
    if alpha_corr.shape[0]:
        traded = np.empty(close.size)
        one_more(volume, traded)
        window_correlations(close, traded, halo, out, start, alpha_corr)
    if alpha_cord.shape[0]:
        change_correlations(close, volume, halo, out, start, alpha_cord)


@helper
def one_more(x: Column, out: Output) -> None:
    """Write ``ln(x + 1)``."""
    for i in range(out.size):
        out[i] = ln(x[i] + 1.0)


@helper
def window_correlations(
    a: Column, b: Column, halo: int, out: Outputs, start: int, wanted: Asked
) -> None:
    """Write the correlation of each window of two columns."""
    rows = a.size
    stop = start + rows - halo
    windows = windows_of(wanted)
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


@helper
def of_products(product: Column, squares_a: Column, squares_b: Column, out: Output) -> None:
    """Write ``product/√(squares_a·squares_b)``, within −1 and 1."""
    for i in range(out.size):
        value = product[i] / (math.sqrt(squares_a[i]) * math.sqrt(squares_b[i]))
        value = 1.0 if value > 1.0 else value
        out[i] = -1.0 if value < -1.0 else value


@helper
def blank_constant(mean: Column, squares: Column, window: int, out: Output) -> None:
    """Write NaN where a window's standard deviation is 0."""
    for i in range(out.size):
        floor = NOTHING * NOTHING * window * mean[i] * mean[i]
        out[i] = math.nan if squares[i] <= floor else out[i]


@helper
def change_correlations(
    close: Column, volume: Column, halo: int, out: Outputs, start: int, wanted: Asked
) -> None:
    """Write correlations of changes of price and volume, over bars that have both.

    Changes are near 0, unlike levels: sums of their products lose next to nothing.
    """
    rows = close.size
    stop = start + rows - halo
    moved, traded, known = np.empty(rows), np.empty(rows), np.empty(rows)
    moved[0] = traded[0] = known[0] = math.nan
    price_changes(close[1:], close[:-1], volume[:-1], moved[1:])
    volume_changes(volume[1:], volume[:-1], traded[1:], known[1:])
    windows = windows_of(wanted)
    counts, sums_a = window_sums(known, windows), window_sums(moved, windows)
    sums_b = window_sums(traded, windows)
    products = np.empty(rows)
    product(moved, traded, products)
    sums_ab = window_sums(products, windows)
    product(moved, moved, products)
    sums_aa = window_sums(products, windows)
    product(traded, traded, products)
    sums_bb = window_sums(products, windows)
    size = rows - halo
    spread_a, spread_b, together = np.empty(size), np.empty(size), np.empty(size)
    for asked in wanted:
        at = row_of(windows, asked[1])
        count, sum_a, sum_b = counts[at, halo:], sums_a[at, halo:], sums_b[at, halo:]
        about_mean(sums_aa[at, halo:], sum_a, sum_a, count, spread_a)
        about_mean(sums_bb[at, halo:], sum_b, sum_b, count, spread_b)
        about_mean(sums_ab[at, halo:], sum_a, sum_b, count, together)
        target = out[asked[0], start:stop]
        of_products(together, spread_a, spread_b, target)
        blank_rounded(spread_a, sums_aa[at, halo:], target)
        blank_rounded(spread_b, sums_bb[at, halo:], target)
        for i in range(size):
            target[i] = target[i] if count[i] >= FEWEST else math.nan


@helper
def price_changes(now: Column, before: Column, volume_before: Column, out: Output) -> None:
    """Write ``now/before − 1``; 0 after a bar without volume, NaN if not finite."""
    for i in range(out.size):
        value = now[i] / before[i] - 1.0
        value = 0.0 * value if volume_before[i] == 0.0 else value
        out[i] = value if value - value == 0.0 else math.nan


@helper
def volume_changes(now: Column, before: Column, out: Output, known: Output) -> None:
    """Write ``ln((now/before + 1)/2)`` and 1; after a bar without volume 0 and 0."""
    for i in range(out.size):
        value = ln(0.5 * (now[i] / before[i] + 1.0))
        out[i] = 0.0 * now[i] if before[i] == 0.0 else value
        known[i] = 0.0 if before[i] == 0.0 else 1.0


@helper
def about_mean(products: Column, a: Column, b: Column, count: Column, out: Output) -> None:
    """Write ``products − a·b/count``: a sum of products about the means."""
    for i in range(out.size):
        out[i] = products[i] - a[i] * b[i] / count[i]


@helper
def blank_rounded(spread: Column, squares: Column, out: Output) -> None:
    """Write NaN where what is left of the squares about the mean is but rounding."""
    for i in range(out.size):
        out[i] = out[i] if spread[i] > ROUNDING * squares[i] else math.nan
