"""How much was traded; see ``features/volume.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import (
    difference,
    log_ratio,
    quotient,
    standard_score,
)
from truecast.features.kernels.inputs import VOLUME
from truecast.features.kernels.windows import (
    blank,
    row_of,
    window_moments,
    window_sums,
    windows_of,
    with_window,
)

#: From this ratio on, volume is called high.
HIGH_VOLUME = 1.2


@helper
def ratio_exceeds(a: Column, b: Column, scale: float, limit: float, out: Output) -> None:
    """Write 1 where ``scale·a/b`` is above the limit, else 0; NaN where that is not finite."""
    for i in range(out.size):
        value = scale * a[i] / b[i]
        above = 1.0 if value > limit else 0.0
        out[i] = above if value - value == 0.0 else math.nan


@helper
def change_over(now: Column, before: Column, total: Column, scale: float, out: Output) -> None:
    """Write ``scale·(now − before)/total``; NaN where that is not finite."""
    for i in range(out.size):
        value = scale * (now[i] - before[i]) / total[i]
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def volume_changes(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    log_volume_change: Asked,
    volume_ratio: Asked,
    volume_zscore: Asked,
    volume_trend: Asked,
    high_volume: Asked,
    volume_imbalance: Asked,
    volume_acceleration: Asked,
) -> None:
    """Write changes of volume, and volume against its recent mean."""
    volume = x[VOLUME, begin:]
    rows, now, stop = volume.size, volume[halo:], start + volume.size - halo
    for asked in log_volume_change:
        log_ratio(now, volume[halo - 1 : rows - 1], 100.0, out[asked[0], start:stop])
    windows = windows_of(
        volume_ratio, volume_trend, high_volume, volume_imbalance, volume_acceleration
    )
    for family in (volume_trend, high_volume):
        for asked in family:
            windows = with_window(windows, asked[2])
    sums = window_sums(volume, windows)
    for asked in volume_ratio:
        total = sums[row_of(windows, asked[1]), halo:]
        quotient(now, total, float(asked[1]), out[asked[0], start:stop])
    for asked in volume_trend:
        fast, slow = sums[row_of(windows, asked[1])], sums[row_of(windows, asked[2])]
        quotient(fast[halo:], slow[halo:], asked[2] / asked[1], out[asked[0], start:stop])
    for asked in high_volume:
        fast, slow = sums[row_of(windows, asked[1])], sums[row_of(windows, asked[2])]
        target = out[asked[0], start:stop]
        ratio_exceeds(fast[halo:], slow[halo:], asked[2] / asked[1], HIGH_VOLUME, target)
    for asked in volume_imbalance:
        total = sums[row_of(windows, asked[1]), halo:]
        before = volume[halo - 1 : rows - 1]
        change_over(now, before, total, float(asked[1]), out[asked[0], start:stop])
    _accelerations(volume, sums, windows, halo, out, start, volume_acceleration)
    _scores(volume, halo, out, start, volume_zscore)


@helper
def _accelerations(
    volume: Column,
    sums: Matrix,
    windows: Windows,
    halo: int,
    out: Outputs,
    start: int,
    volume_acceleration: Asked,
) -> None:
    """Write second differences of volume, over its recent mean."""
    if volume_acceleration.shape[0]:
        rows = volume.size
        change = np.empty(rows)
        blank(change, 1)
        difference(volume[1:], volume[:-1], change[1:])
        for asked in volume_acceleration:
            total = sums[row_of(windows, asked[1]), halo:]
            target = out[asked[0], start : start + rows - halo]
            change_over(change[halo:], change[halo - 1 : rows - 1], total, float(asked[1]), target)


@helper
def _scores(volume: Column, halo: int, out: Outputs, start: int, volume_zscore: Asked) -> None:
    """Write standard scores of volume."""
    windows = windows_of(volume_zscore)
    sums, squares = window_moments(volume, windows)
    stop = start + volume.size - halo
    for asked in volume_zscore:
        at = row_of(windows, asked[1])
        total, square = sums[at, halo:], squares[at, halo:]
        standard_score(volume[halo:], total, square, asked[1], out[asked[0], start:stop])
