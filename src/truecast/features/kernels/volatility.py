"""How much the price moves; see ``features/volatility.py`` for each formula."""

import math

import numpy as np

from truecast.core.units import VARIANCE_FLOOR
from truecast.features.declaration import Asked, Column, Inputs, Matrix, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import (
    garman_klass_term,
    log_premium_of,
    log_ratio,
    over_root,
    paired,
    place_between,
    product,
    quotient,
    rogers_satchell_term,
    root_of,
    root_of_sum,
    scaled_log,
    true_range,
)
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, OPEN, RETURN
from truecast.features.kernels.recursive import exponential_mean
from truecast.features.kernels.windows import (
    row_of,
    window_moments,
    window_sums,
    windows_of,
    with_window,
)

SESSIONS_A_YEAR = 252
#: Bars of the Garman–Klass deviation in whose units losses and gains are measured.
LEVERAGE_SCALE = 22


@kernel
def return_deviations(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    return_sd: Asked,
    log_premium: Asked,
) -> None:
    """Write standard deviations of 1-bar log returns, and premiums of a context series on them."""
    returns = x[RETURN, begin:]
    stop = start + returns.size - halo
    windows = windows_of(return_sd, log_premium)
    _, squares = window_moments(returns, windows)
    for asked in return_sd:
        square_sum = squares[row_of(windows, asked[1]), halo:]
        root_of(square_sum, 1.0 / (asked[1] - 1), out[asked[0], start:stop])
    for asked in log_premium:
        level, square_sum = x[asked[2], begin + halo :], squares[row_of(windows, asked[1]), halo:]
        scale, floor = SESSIONS_A_YEAR / (asked[1] - 1), SESSIONS_A_YEAR * VARIANCE_FLOOR
        log_premium_of(level, square_sum, scale, floor, out[asked[0], start:stop])


@kernel
def weighted_deviations(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, ewma_sd: Asked
) -> None:
    """Write exponentially weighted standard deviations of 1-bar log returns."""
    returns = x[RETURN, begin:]
    stop = start + returns.size - halo
    squared = np.empty(returns.size)
    product(returns, returns, squared)
    for asked in ewma_sd:
        mean = exponential_mean(squared, 1.0 - asked[1] / 100)
        root_of(mean[halo:], 1.0, out[asked[0], start:stop])


@helper
def true_ranges(x: Inputs, begin: int) -> Column:
    """Return the true range of each row; the first is NaN."""
    out = np.empty(x.shape[1] - begin)
    out[0] = math.nan
    true_range(x[HIGH, begin + 1 :], x[LOW, begin + 1 :], x[CLOSE, begin : x.shape[1] - 1], out[1:])
    return out


@kernel
def average_true_ranges(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, atr: Asked
) -> None:
    """Write Wilder's average true range relative to the close."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    ranges = true_ranges(x, begin)
    for asked in atr:
        mean = exponential_mean(ranges, 1.0 / asked[1])
        quotient(mean[halo:], close[halo:], 100.0, out[asked[0], start:stop])


@kernel
def bar_shape(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    log_range: Asked,
    open_to_close: Asked,
    close_in_range: Asked,
    opening_gap: Asked,
) -> None:
    """Write what one bar looks like: its range, its body, the place of its close, its gap."""
    first = begin + halo
    opened, close = x[OPEN, first:], x[CLOSE, first:]
    high, low = x[HIGH, first:], x[LOW, first:]
    stop = start + close.size
    for asked in log_range:
        log_ratio(high, low, 100.0, out[asked[0], start:stop])
    for asked in open_to_close:
        log_ratio(close, opened, 100.0, out[asked[0], start:stop])
    for asked in close_in_range:
        place_between(close, low, high, 0.5, out[asked[0], start:stop])
    for asked in opening_gap:
        before = x[CLOSE, first - 1 : x.shape[1] - 1]
        log_ratio(opened, before, 100.0, out[asked[0], start:stop])


@helper
def relative_to_open(x: Inputs, begin: int, row: int) -> Column:
    """Return ``100·ln`` of a price over the open of its bar."""
    out = np.empty(x.shape[1] - begin)
    log_ratio(x[row, begin:], x[OPEN, begin:], 100.0, out)
    return out


@kernel
def range_variances(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    garman_klass: Asked,
    log_gk: Asked,
    downside: Asked,
    upside: Asked,
    parkinson: Asked,
    rogers_satchell: Asked,
    yang_zhang: Asked,
) -> None:
    """Write variances from ranges, all from the same logarithms relative to the open."""
    high, low = relative_to_open(x, begin, HIGH), relative_to_open(x, begin, LOW)
    close = relative_to_open(x, begin, CLOSE)
    if garman_klass.shape[0] + log_gk.shape[0] + downside.shape[0] + upside.shape[0]:
        term = np.empty(close.size)
        garman_klass_term(high, low, close, term)
        windows = with_window(windows_of(garman_klass, log_gk), LEVERAGE_SCALE)
        sums = window_sums(term, windows)
        _garman_klass(sums, windows, halo, out, start, garman_klass, log_gk)
        returns, usual = x[RETURN, begin:], sums[row_of(windows, LEVERAGE_SCALE)]
        _one_sided(returns, usual, 1.0, halo, out, start, downside)
        _one_sided(returns, usual, -1.0, halo, out, start, upside)
    if parkinson.shape[0]:
        # The prices, not those over the open: a bar without an open has a range.
        _parkinson(x[HIGH, begin:], x[LOW, begin:], halo, out, start, parkinson)
    if rogers_satchell.shape[0] + yang_zhang.shape[0]:
        term = np.empty(close.size)
        rogers_satchell_term(high, low, close, term)
        gap = np.empty(close.size)
        gap[0] = math.nan
        log_ratio(x[OPEN, begin + 1 :], x[CLOSE, begin : x.shape[1] - 1], 100.0, gap[1:])
        _drift_free(term, gap, close, halo, out, start, rogers_satchell, yang_zhang)


@helper
def _garman_klass(
    sums: Matrix,
    windows: Windows,
    halo: int,
    out: Outputs,
    start: int,
    garman_klass: Asked,
    log_gk: Asked,
) -> None:
    stop = start + sums.shape[1] - halo
    for asked in garman_klass:
        total = sums[row_of(windows, asked[1]), halo:]
        root_of(total, 1.0 / asked[1], out[asked[0], start:stop])
    for asked in log_gk:
        total = sums[row_of(windows, asked[1]), halo:]
        scaled_log(total, 1.0 / asked[1], VARIANCE_FLOOR, out[asked[0], start:stop])


@helper
def _negative(x: Column, sign: float, out: Column) -> None:
    """Write ``min(sign·x, 0)``."""
    for i in range(out.size):
        value = sign * x[i]
        out[i] = 0.0 if value > 0.0 else value


@helper
def _one_sided(
    returns: Column,
    usual: Column,
    sign: float,
    halo: int,
    out: Outputs,
    start: int,
    wanted: Asked,
) -> None:
    """Write mean losses (sign 1) or gains (sign −1) in units of the Garman–Klass deviation."""
    part = np.empty(returns.size)
    _negative(returns, sign, part)
    windows = windows_of(wanted)
    totals = window_sums(part, windows)
    stop = start + returns.size - halo
    for asked in wanted:
        total = totals[row_of(windows, asked[1]), halo:]
        target = out[asked[0], start:stop]
        scale, each = sign / asked[1], 1.0 / LEVERAGE_SCALE
        over_root(total, scale, usual[halo:], each, VARIANCE_FLOOR, target)


@helper
def _parkinson(
    high: Column, low: Column, halo: int, out: Outputs, start: int, parkinson: Asked
) -> None:
    width, squared = np.empty(high.size), np.empty(high.size)
    log_ratio(high, low, 100.0, width)
    product(width, width, squared)
    stop = start + width.size - halo
    windows = windows_of(parkinson)
    sums = window_sums(squared, windows)
    for asked in parkinson:
        total = sums[row_of(windows, asked[1]), halo:]
        root_of(total, 1.0 / (4.0 * math.log(2.0) * asked[1]), out[asked[0], start:stop])


@helper
def _drift_free(
    term: Column,
    gap: Column,
    close: Column,
    halo: int,
    out: Outputs,
    start: int,
    rogers_satchell: Asked,
    yang_zhang: Asked,
) -> None:
    """Write the volatilities of Rogers–Satchell and Yang–Zhang."""
    stop = start + close.size - halo
    windows = windows_of(rogers_satchell, yang_zhang)
    sums = window_sums(term, windows)
    for asked in rogers_satchell:
        total = sums[row_of(windows, asked[1]), halo:]
        root_of(total, 1.0 / asked[1], out[asked[0], start:stop])
    longer = windows_of(yang_zhang)
    _, gaps = window_moments(gap, longer)
    _, bodies = window_moments(close, longer)
    for asked in yang_zhang:
        window, at = asked[1], row_of(longer, asked[1])
        share = 0.34 / (1.34 + (window + 1) / (window - 1))
        root_of_sum(
            gaps[at, halo:],
            bodies[at, halo:],
            sums[row_of(windows, window), halo:],
            1.0 / (window - 1),
            share / (window - 1),
            (1.0 - share) / window,
            out[asked[0], start:stop],
        )


@kernel
def range_ratios(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, gk_ratio: Asked
) -> None:
    """Write the ratio of squared returns to Garman–Klass variances over bars that have both."""
    term, close = np.empty(x.shape[1] - begin), relative_to_open(x, begin, CLOSE)
    high, low = relative_to_open(x, begin, HIGH), relative_to_open(x, begin, LOW)
    garman_klass_term(high, low, close, term)
    returns = x[RETURN, begin:]
    squared, known, ranges = np.empty(returns.size), np.empty(returns.size), np.empty(returns.size)
    product(returns, returns, squared)
    paired(squared, term, known, ranges)
    windows = windows_of(gk_ratio)
    totals, bases = window_sums(known, windows), window_sums(ranges, windows)
    stop = start + returns.size - halo
    for asked in gk_ratio:
        at = row_of(windows, asked[1])
        quotient(totals[at, halo:], bases[at, halo:], 1.0, out[asked[0], start:stop])
