"""Prices, volumes and averages of them as they are; see ``features/levels.py``."""

import math

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, OPEN, VOLUME
from truecast.features.kernels.recursive import exponential_mean
from truecast.features.kernels.windows import row_of, window_moments, window_sums, windows_of


@helper
def finite(x: Column, scale: float, out: Output) -> None:
    """Write ``x/scale``; NaN where that is not finite."""
    for i in range(out.size):
        value = x[i] / scale
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def bar_levels(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    open: Asked,
    high: Asked,
    low: Asked,
    close: Asked,
    volume: Asked,
    close_lag: Asked,
) -> None:
    """Write prices and volumes."""
    first, rows = begin + halo, x.shape[1]
    stop = start + rows - first
    rows_of = (OPEN, HIGH, LOW, CLOSE, VOLUME)
    for kind, wanted in enumerate((open, high, low, close, volume)):
        for asked in wanted:
            finite(x[rows_of[kind], first:], 1.0, out[asked[0], start:stop])
    for asked in close_lag:
        then = x[CLOSE, first - asked[1] : rows - asked[1]]
        finite(then, 1.0, out[asked[0], start:stop])


@kernel
def simple_levels(x: Inputs, begin: int, halo: int, out: Outputs, start: int, sma: Asked) -> None:
    """Write simple moving averages."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    windows = windows_of(sma)
    sums = window_sums(close, windows)
    for asked in sma:
        total = sums[row_of(windows, asked[1]), halo:]
        finite(total, float(asked[1]), out[asked[0], start:stop])


@kernel
def exponential_levels(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, ema: Asked
) -> None:
    """Write exponential moving averages."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    for asked in ema:
        mean = exponential_mean(close, 2.0 / (asked[1] + 1))
        finite(mean[halo:], 1.0, out[asked[0], start:stop])


@helper
def band_distance(
    x: Column, total: Column, squares: Column, window: int, width: float, out: Output
) -> None:
    """Write how far ``mean + width·SD`` is from ``x``, in percent of ``x``."""
    for i in range(out.size):
        mean = total[i] / window
        deviation = math.sqrt(squares[i] / (window - 1))
        value = 100.0 * (mean - x[i] + width * deviation) / x[i]
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def band_distances(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    bollinger_upper: Asked,
    bollinger_lower: Asked,
) -> None:
    """Write distances of the Bollinger bands from the close."""
    close = x[CLOSE, begin:]
    now, stop = close[halo:], start + close.size - halo
    windows = windows_of(bollinger_upper, bollinger_lower)
    sums, squares = window_moments(close, windows)
    for width, wanted in ((2.0, bollinger_upper), (-2.0, bollinger_lower)):
        for asked in wanted:
            at = row_of(windows, asked[1])
            total, square = sums[at, halo:], squares[at, halo:]
            band_distance(now, total, square, asked[1], width, out[asked[0], start:stop])
