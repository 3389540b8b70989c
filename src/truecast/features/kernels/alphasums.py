"""Means, deviations and counts over windows, of Alpha158; see ``features/alpha158.py``."""

import math

import numpy as np

from truecast.features.declaration import (
    Asked,
    Column,
    Inputs,
    Matrix,
    Outputs,
    Windows,
)
from truecast.features.kernels.alpharatios import (
    EPSILON,
    deviation_share,
    mean_difference,
    mean_share,
    share,
)
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import quotient, scaled, sum_of
from truecast.features.kernels.inputs import CLOSE, VOLUME
from truecast.features.kernels.price import moves_of
from truecast.features.kernels.windows import row_of, window_moments, window_sums, windows_of


@kernel
def prices(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_roc: Asked,
    alpha_ma: Asked,
    alpha_std: Asked,
) -> None:
    """Write the close before the window, and mean and deviation of closes, over the close."""
    close = x[CLOSE, begin:]
    now, rows = close[halo:], close.size
    stop = start + now.size
    for asked in alpha_roc:
        then = close[halo - asked[1] : rows - asked[1]]
        quotient(then, now, 1.0, out[asked[0], start:stop])
    windows = windows_of(alpha_ma, alpha_std)
    sums, squares = window_moments(close, windows)
    for asked in alpha_ma:
        total = sums[row_of(windows, asked[1]), halo:]
        quotient(total, now, 1.0 / asked[1], out[asked[0], start:stop])
    for asked in alpha_std:
        square = squares[row_of(windows, asked[1]), halo:]
        target = out[asked[0], start:stop]
        deviation_share(square, asked[1], now, 1.0, 0.0, math.nan, target)


@helper
def price_weighted_volume(close: Column, volume: Column) -> Column:
    """Return ``|C/C[1] − 1|·V``; the first is NaN."""
    out = np.empty(close.size)
    out[0] = math.nan
    now, before, traded, moved = close[1:], close[:-1], volume[1:], out[1:]
    for i in range(moved.size):
        moved[i] = abs(now[i] / before[i] - 1.0) * traded[i]
    return out


@kernel
def volumes(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_vma: Asked,
    alpha_vstd: Asked,
    alpha_wvma: Asked,
) -> None:
    """Write mean and deviation of volume over the volume, and of volume weighted by moves."""
    close, volume = x[CLOSE, begin:], x[VOLUME, begin:]
    now, stop = volume[halo:], start + volume.size - halo
    windows = windows_of(alpha_vma, alpha_vstd)
    sums, squares = window_moments(volume, windows)
    for asked in alpha_vma:
        total = sums[row_of(windows, asked[1]), halo:]
        mean_share(total, asked[1], now, out[asked[0], start:stop])
    for asked in alpha_vstd:
        square = squares[row_of(windows, asked[1]), halo:]
        target = out[asked[0], start:stop]
        deviation_share(square, asked[1], now, 1.0, EPSILON, math.nan, target)
    if not alpha_wvma.shape[0]:
        return
    windows = windows_of(alpha_wvma)
    sums, squares = window_moments(price_weighted_volume(close, volume), windows)
    for asked in alpha_wvma:
        at = row_of(windows, asked[1])
        total, square, target = sums[at, halo:], squares[at, halo:], out[asked[0], start:stop]
        deviation_share(square, asked[1], total, 1.0 / asked[1], EPSILON, 0.0, target)


@kernel
def price_moves(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_cntp: Asked,
    alpha_cntn: Asked,
    alpha_cntd: Asked,
    alpha_sump: Asked,
    alpha_sumn: Asked,
    alpha_sumd: Asked,
) -> None:
    """Write how many closes rose or fell, and how far."""
    gain, loss = moves_of(x[CLOSE, begin:])
    shares_of_moves(gain, loss, halo, out, start, alpha_sump, alpha_sumn, alpha_sumd)
    windows = windows_of(alpha_cntp, alpha_cntn, alpha_cntd)
    rises, falls = counts(gain, windows), counts(loss, windows)
    stop = start + gain.size - halo
    for asked in alpha_cntp:
        rose = rises[row_of(windows, asked[1]), halo:]
        scaled(rose, 1.0 / asked[1], out[asked[0], start:stop])
    for asked in alpha_cntn:
        fell = falls[row_of(windows, asked[1]), halo:]
        scaled(fell, 1.0 / asked[1], out[asked[0], start:stop])
    for asked in alpha_cntd:
        at = row_of(windows, asked[1])
        mean_difference(rises[at, halo:], falls[at, halo:], asked[1], out[asked[0], start:stop])


@kernel
def volume_moves(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_vsump: Asked,
    alpha_vsumn: Asked,
    alpha_vsumd: Asked,
) -> None:
    """Write how far volume grew or shrank."""
    gain, loss = moves_of(x[VOLUME, begin:])
    shares_of_moves(gain, loss, halo, out, start, alpha_vsump, alpha_vsumn, alpha_vsumd)


@helper
def counts(x: Column, windows: Windows) -> Matrix:
    """Return how many values of each window are positive; NaN where one is NaN."""
    positive = np.empty(x.size if windows.size else 0)
    for i in range(positive.size):
        positive[i] = (1.0 if x[i] > 0.0 else 0.0) + 0.0 * x[i]
    found: Matrix = window_sums(positive, windows)
    return found


@helper
def shares_of_moves(
    gain: Column,
    loss: Column,
    halo: int,
    out: Outputs,
    start: int,
    rising: Asked,
    falling: Asked,
    net: Asked,
) -> None:
    """Write rises, falls, and rises less falls, over all moves of a window."""
    stop = start + gain.size - halo
    windows = windows_of(rising, falling, net)
    rises, falls = window_sums(gain, windows), window_sums(loss, windows)
    nothing, moved = np.zeros(gain.size - halo), np.empty(gain.size - halo)
    for kind, wanted in enumerate((rising, falling, net)):
        for asked in wanted:
            at = row_of(windows, asked[1])
            rose, fell = rises[at, halo:], falls[at, halo:]
            sum_of(rose, fell, moved)
            more = fell if kind == 1 else rose
            less = fell if kind == 2 else nothing
            share(more, less, moved, EPSILON, 0.0, out[asked[0], start:stop])
