"""Where the price stands and how it moved; see ``features/price.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import (
    band_position,
    band_width,
    difference,
    log_ratio,
    moves,
    place_between,
    quotient,
    relative_difference,
    relative_strength,
    scaled,
)
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, RETURN
from truecast.features.kernels.logarithm import ln
from truecast.features.kernels.recursive import exponential_mean
from truecast.features.kernels.windows import (
    row_of,
    window_extreme,
    window_moments,
    window_sums,
    windows_of,
)


@kernel
def fill_returns(x: Inputs) -> None:
    """Write the row ``return``: ``100·ln(C/C[1])``; NaN before the second bar."""
    x[RETURN, 0] = math.nan
    close, returns = x[CLOSE], x[RETURN]
    log_ratio(close[1:], close[:-1], 100.0, returns[1:])


@kernel
def push_bar(x: Inputs, rows: Windows, values: Column) -> None:
    """Move rows back by one bar and write the newest one's values, and its return.

    Parameters
    ----------
    x : float64, shape (i, m)
    rows : int64, shape (r,)
        The rows of ``x`` that hold columns of the bar.
    values : float64, shape (r,)
    """
    last = x.shape[1] - 1
    for k in range(rows.size):
        back_by_one(x[rows[k]], values[k])
    back_by_one(x[RETURN], math.nan)
    if last > 0:
        x[RETURN, last] = 100.0 * ln(x[CLOSE, last] / x[CLOSE, last - 1])
    x[RETURN, 0] = math.nan


@helper
def back_by_one(line: Column, newest: float) -> None:
    """Move a row back by one bar, and write the newest."""
    for i in range(line.size - 1):
        line[i] = line[i + 1]
    line[line.size - 1] = newest


@kernel
def returns(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    log_return: Asked,
    return_lag: Asked,
    roc: Asked,
) -> None:
    """Write log returns, their lags, and rates of change."""
    close = x[CLOSE, begin:]
    now, rows = close[halo:], close.size
    stop = start + now.size
    for asked in log_return:
        then = close[halo - asked[1] : rows - asked[1]]
        log_ratio(now, then, 100.0, out[asked[0], start:stop])
    if return_lag.shape[0]:
        returns = x[RETURN, begin:]
        for asked in return_lag:
            then = returns[halo - asked[1] : rows - asked[1]]
            scaled(then, 1.0, out[asked[0], start:stop])
    for asked in roc:
        then = close[halo - asked[1] : rows - asked[1]]
        relative_difference(now, then, 1.0, out[asked[0], start:stop])


@kernel
def simple_averages(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, close_to_sma: Asked
) -> None:
    """Write distances from simple moving averages of the close."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    windows = windows_of(close_to_sma)
    sums = window_sums(close, windows)
    for asked in close_to_sma:
        total = sums[row_of(windows, asked[1])]
        relative_difference(close[halo:], total[halo:], 1.0 / asked[1], out[asked[0], start:stop])


@kernel
def exponential_averages(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, close_to_ema: Asked
) -> None:
    """Write distances from exponential moving averages of the close."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    for asked in close_to_ema:
        mean = exponential_mean(close, 2.0 / (asked[1] + 1))
        relative_difference(close[halo:], mean[halo:], 1.0, out[asked[0], start:stop])


@helper
def moves_of(x: Column) -> tuple[Column, Column]:
    """Return rises and falls from row to row; the first are NaN."""
    gain, loss = np.empty(x.size), np.empty(x.size)
    gain[0] = loss[0] = math.nan
    moves(x[1:], x[:-1], gain[1:], loss[1:])
    return gain, loss


@kernel
def relative_strengths(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, rsi: Asked
) -> None:
    """Write Wilder's relative strength index."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    gain, loss = moves_of(close)
    for asked in rsi:
        alpha = 1.0 / asked[1]
        gains, losses = exponential_mean(gain, alpha), exponential_mean(loss, alpha)
        relative_strength(gains[halo:], losses[halo:], close[halo:], out[asked[0], start:stop])


@kernel
def convergence(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    macd: Asked,
    macd_signal: Asked,
    macd_histogram: Asked,
) -> None:
    """Write moving average convergence and divergence, its signal, and their difference."""
    close = x[CLOSE, begin:]
    now, stop = close[halo:], start + close.size - halo
    line = signal = np.empty(close.size)
    fast = slow = smooth = 0  # what line and signal were made from
    for kind, wanted in enumerate((macd, macd_signal, macd_histogram)):
        for asked in wanted:
            if asked[1] != fast or asked[2] != slow:
                fast, slow, smooth = asked[1], asked[2], 0
                line = np.empty(close.size)
                quick = exponential_mean(close, 2.0 / (fast + 1))
                difference(quick, exponential_mean(close, 2.0 / (slow + 1)), line)
            if kind > 0 and asked[asked.size - 1] != smooth:
                smooth = asked[asked.size - 1]
                signal = exponential_mean(line, 2.0 / (smooth + 1))
            target = out[asked[0], start:stop]
            if kind == 0:
                quotient(line[halo:], now, 100.0, target)
            elif kind == 1:
                quotient(signal[halo:], now, 100.0, target)
            else:
                gap = np.empty(now.size)
                difference(line[halo:], signal[halo:], gap)
                quotient(gap, now, 100.0, target)


@kernel
def bands(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    bollinger_position: Asked,
    bollinger_width: Asked,
) -> None:
    """Write the place of the close in its Bollinger bands, and their width."""
    close = x[CLOSE, begin:]
    now, stop = close[halo:], start + close.size - halo
    windows = windows_of(bollinger_position, bollinger_width)
    sums, squares = window_moments(close, windows)
    for asked in bollinger_position:
        at = row_of(windows, asked[1])
        band_position(now, sums[at, halo:], squares[at, halo:], asked[1], out[asked[0], start:stop])
    for asked in bollinger_width:
        at = row_of(windows, asked[1])
        band_width(sums[at, halo:], squares[at, halo:], asked[1], out[asked[0], start:stop])


@kernel
def channel(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    stochastic: Asked,
    close_to_high: Asked,
) -> None:
    """Write where the close lies between the highest high and the lowest low."""
    close, high, low = x[CLOSE, begin:], x[HIGH, begin:], x[LOW, begin:]
    now, stop = close[halo:], start + close.size - halo
    for asked in stochastic:
        top, bottom = window_extreme(high, asked[1], 1.0), window_extreme(low, asked[1], -1.0)
        place_between(now, bottom[halo:], top[halo:], 0.5, out[asked[0], start:stop])
    for asked in close_to_high:
        top = window_extreme(high, asked[1], 1.0)
        log_ratio(now, top[halo:], 100.0, out[asked[0], start:stop])
