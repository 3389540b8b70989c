"""How volatile the market is against its own past; see ``features/regime.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import difference, exceeds, quotient, root_of, scaled
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, RETURN, VOLUME
from truecast.features.kernels.ranks import window_ranks
from truecast.features.kernels.windows import (
    row_of,
    window_moments,
    window_sums,
    windows_of,
    with_window,
)

#: Bars of the windows that are no parameters; as in ``features/regime.py``.
NEWEST, SLOW, PAST = 20, 50, 252
#: Above this multiple of what is usual volatility or volume is high, below that one it is low.
HIGH_VOLATILITY, LOW_VOLATILITY, HIGH_VOLUME = 1.5, 0.7, 1.2


@helper
def _deviations(returns: Column, windows: Windows) -> Matrix:
    """Return the sample standard deviation of returns over each window."""
    _, squares = window_moments(returns, windows)
    out = np.empty(squares.shape)
    for j in range(windows.size):
        root_of(squares[j], 1.0 / (windows[j] - 1), out[j])
    return out


@kernel
def volatility_states(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    vol_of_vol: Asked,
    volatility_ratio: Asked,
    high_volatility: Asked,
    market_stress: Asked,
) -> None:
    """Write volatility against that of longer windows, how it varies, and the market's stress."""
    windows = windows_of(vol_of_vol, volatility_ratio, high_volatility)
    for family in (volatility_ratio, high_volatility):
        for asked in family:
            windows = with_window(windows, asked[2])
    if market_stress.shape[0]:
        windows = with_window(with_window(windows, NEWEST), SLOW)
    deviations = _deviations(x[RETURN, begin:], windows)
    stop = start + deviations.shape[1] - halo
    for asked in vol_of_vol:
        own = deviations[row_of(windows, asked[1])]
        _, squares = window_moments(own, np.array([asked[1]]))
        root_of(squares[0, halo:], 1.0 / (asked[1] - 1), out[asked[0], start:stop])
    for asked in volatility_ratio:
        fast, slow = row_of(windows, asked[1]), row_of(windows, asked[2])
        target = out[asked[0], start:stop]
        quotient(deviations[fast, halo:], deviations[slow, halo:], 1.0, target)
    for asked in high_volatility:
        fast, slow = row_of(windows, asked[1]), row_of(windows, asked[2])
        target = out[asked[0], start:stop]
        exceeds(deviations[fast, halo:], 1.0, deviations[slow, halo:], HIGH_VOLATILITY, target)
    for asked in market_stress:
        newest, slow = deviations[row_of(windows, NEWEST)], deviations[row_of(windows, SLOW)]
        _stress(newest, slow, x[VOLUME, begin:], halo, out[asked[0], start:stop])


@helper
def _stress(newest: Column, slow: Column, volume: Column, halo: int, out: Output) -> None:
    """Write the weighted sum of what is unusual: volatility, volume, volatility of its past."""
    rows = out.size
    volumes = window_sums(volume, np.array([NEWEST, SLOW]))
    volatile, busy, extreme = np.empty(rows), np.empty(rows), np.empty(rows)
    exceeds(newest[halo:], 1.0, slow[halo:], HIGH_VOLATILITY, volatile)
    exceeds(volumes[0, halo:], 1.0 / NEWEST, volumes[1, halo:], HIGH_VOLUME / SLOW, busy)
    totals, squares = window_moments(newest, np.array([PAST]))
    limit = np.empty(rows)
    _two_above(totals[0, halo:], squares[0, halo:], limit)
    exceeds(newest[halo:], 1.0, limit, 1.0, extreme)
    for i in range(rows):
        out[i] = 0.5 * volatile[i] + 0.3 * busy[i] + 0.2 * extreme[i]


@helper
def _two_above(total: Column, squares: Column, out: Column) -> None:
    """Write the mean of the past and two standard deviations."""
    for i in range(out.size):
        out[i] = total[i] / PAST + 2.0 * math.sqrt(squares[i] / (PAST - 1))


@kernel
def volatility_against_past(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    volatility_rank: Asked,
    volatility_to_median: Asked,
    volatility_low: Asked,
    volatility_high: Asked,
) -> None:
    """Write the percentile rank of volatility, and volatility against its median."""
    newest = _deviations(x[RETURN, begin:], np.array([NEWEST]))[0]
    rows = newest.size - halo
    stop = start + rows
    window = 0  # that the ranks below are in
    now, rank, median = newest[halo:], newest[halo:], newest[halo:]
    wanted_of = (volatility_rank, volatility_to_median, volatility_low, volatility_high)
    for kind, wanted in enumerate(wanted_of):
        for asked in wanted:
            if asked[1] != window:
                window = asked[1]
                past = newest[halo - window + 1 :]
                ranks, medians = np.empty(past.size), np.empty(past.size)
                window_ranks(past, window, ranks, medians)
                rank, median = ranks[window - 1 :], medians[window - 1 :]
            target = out[asked[0], start:stop]
            if kind == 0:
                scaled(rank, 1.0, target)
            elif kind == 1:
                quotient(now, median, 1.0, target)
            elif kind == 2:
                exceeds(median, LOW_VOLATILITY, now, 1.0, target)
            else:
                exceeds(now, 1.0, median, HIGH_VOLATILITY, target)


@kernel
def mean_ranges(
    x: Inputs, begin: int, halo: int, out: Outputs, start: int, range_mean: Asked
) -> None:
    """Write the mean range of bars."""
    close = x[CLOSE, begin:]
    stop = start + close.size - halo
    width, share = np.empty(close.size), np.empty(close.size)
    difference(x[HIGH, begin:], x[LOW, begin:], width)
    quotient(width, close, 100.0, share)
    windows = windows_of(range_mean)
    sums = window_sums(share, windows)
    for asked in range_mean:
        total = sums[row_of(windows, asked[1]), halo:]
        scaled(total, 1.0 / asked[1], out[asked[0], start:stop])
