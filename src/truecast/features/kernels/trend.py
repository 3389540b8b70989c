"""Whether the price trends; see ``features/trend.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import (
    NOTHING,
    STILL,
    difference,
    exceeds,
    place_between,
    relative_difference,
    scaled,
)
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW
from truecast.features.kernels.recursive import exponential_mean
from truecast.features.kernels.volatility import true_ranges
from truecast.features.kernels.windows import (
    row_of,
    window_extreme,
    window_sums,
    windows_of,
    with_window,
)


@helper
def _per_range(now: Column, then: Column, ranges: Column, window: int, out: Output) -> None:
    """Write ``(now − then)/(ranges/window)``; 0 where there was no range, NaN if not finite."""
    for i in range(out.size):
        value = window * (now[i] - then[i]) / ranges[i]
        finite = value if value - value == 0.0 else math.nan
        out[i] = 0.0 if ranges[i] == 0.0 else finite


@kernel
def momentums(x: Inputs, begin: int, halo: int, out: Outputs, start: int, momentum: Asked) -> None:
    """Write how far the close moved, in mean true ranges."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    windows = windows_of(momentum)
    sums = window_sums(true_ranges(x, begin), windows)
    for asked in momentum:
        then = close[halo - asked[1] : close.size - asked[1]]
        total = sums[row_of(windows, asked[1]), halo:]
        _per_range(close[halo:], then, total, asked[1], out[asked[0], start:stop])


@kernel
def smoothed_stochastic(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, stochastic_signal: Asked
) -> None:
    """Write the mean of the last places of the close between the extremes of their windows."""
    close, high, low = x[CLOSE, begin:], x[HIGH, begin:], x[LOW, begin:]
    stop = start + close.size - halo
    for asked in stochastic_signal:
        top, bottom = window_extreme(high, asked[1], 1.0), window_extreme(low, asked[1], -1.0)
        place = np.empty(close.size)
        place_between(close, bottom, top, 0.5, place)
        total = window_sums(place, np.array([asked[2]]))[0]
        scaled(total[halo:], 1.0 / asked[2], out[asked[0], start:stop])


@kernel
def crossed_averages(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, sma_ratio: Asked, is_uptrend: Asked
) -> None:
    """Write a fast simple average of the close over a slow one, and whether it is above it."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    windows = windows_of(sma_ratio, is_uptrend)
    for family in (sma_ratio, is_uptrend):
        for asked in family:
            windows = with_window(windows, asked[2])
    sums = window_sums(close, windows)
    for asked in sma_ratio:
        fast, slow = sums[row_of(windows, asked[1])], sums[row_of(windows, asked[2])]
        share = asked[1] / asked[2]
        relative_difference(fast[halo:], slow[halo:], share, out[asked[0], start:stop])
    for asked in is_uptrend:
        fast, slow = sums[row_of(windows, asked[1])], sums[row_of(windows, asked[2])]
        more = (1.0 + NOTHING) * asked[1] / asked[2]
        exceeds(fast[halo:], 1.0, slow[halo:], more, out[asked[0], start:stop])


@kernel
def crossed_exponential_averages(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, ema_ratio: Asked
) -> None:
    """Write a fast exponential average of the close over a slow one."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    for asked in ema_ratio:
        fast = exponential_mean(close, 2.0 / (asked[1] + 1))
        slow = exponential_mean(close, 2.0 / (asked[2] + 1))
        relative_difference(fast[halo:], slow[halo:], 1.0, out[asked[0], start:stop])


@helper
def _larger_move(own: Column, other: Column, out: Column) -> None:
    """Write a move where it is above 0 and above the other one, and 0 elsewhere."""
    for i in range(out.size):
        counts = own[i] > 0.0 and own[i] > other[i]
        out[i] = (own[i] if counts else 0.0) + 0.0 * (own[i] + other[i])


@helper
def _apart(rise: Column, fall: Column, close: Column, out: Column) -> None:
    """Write ``100·|rise − fall|/(rise + fall)``; 0 where both are nothing beside the close."""
    for i in range(out.size):
        total = rise[i] + fall[i]
        nothing = total <= STILL * abs(close[i])
        out[i] = 0.0 if nothing else 100.0 * abs(rise[i] - fall[i]) / total


@helper
def _still(values: Column, ranges: Column, close: Column, out: Column) -> None:
    """Write values, and 0 where the mean true range is nothing beside the close."""
    for i in range(out.size):
        out[i] = 0.0 if ranges[i] <= STILL * abs(close[i]) else values[i] + 0.0 * ranges[i]


@helper
def _per_mean_range(rise: Column, fall: Column, ranges: Column, out: Column) -> None:
    """Write ``100·(rise − fall)/ranges``; 0 where there are no ranges."""
    for i in range(out.size):
        out[i] = 100.0 * (rise[i] - fall[i]) / ranges[i] if ranges[i] != 0.0 else 0.0


@kernel
def directional_movement(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, adx: Asked, directional: Asked
) -> None:
    """Write Wilder's average directional index, and the difference of his indicators."""
    close = x[CLOSE, begin:]
    rows = close.size
    stop = start + rows - halo
    up, down = np.empty(rows), np.empty(rows)
    up[0] = down[0] = math.nan
    difference(x[HIGH, begin + 1 :], x[HIGH, begin : x.shape[1] - 1], up[1:])
    difference(x[LOW, begin : x.shape[1] - 1], x[LOW, begin + 1 :], down[1:])
    gain, loss = np.empty(rows), np.empty(rows)
    _larger_move(up, down, gain)
    _larger_move(down, up, loss)
    width = true_ranges(x, begin)
    window = 0  # that the means below are over
    rise = fall = ranges = gain
    index, settled = np.empty(rows), np.empty(rows)
    for kind, wanted in enumerate((adx, directional)):
        for asked in wanted:
            if asked[1] != window:
                window = asked[1]
                rise = exponential_mean(gain, 1.0 / window)
                fall = exponential_mean(loss, 1.0 / window)
                ranges = exponential_mean(width, 1.0 / window)
            if kind == 0:
                _apart(rise, fall, close, index)
                _still(index, ranges, close, settled)
                mean = exponential_mean(settled, 1.0 / window)
                scaled(mean[halo:], 1.0, out[asked[0], start:stop])
            else:
                _per_mean_range(rise, fall, ranges, index)
                _still(index, ranges, close, settled)
                scaled(settled[halo:], 1.0, out[asked[0], start:stop])
