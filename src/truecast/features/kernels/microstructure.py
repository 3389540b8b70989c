"""What trading costs and which side is pressing; see ``features/microstructure.py``."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.elementwise import (
    difference,
    log_ratio,
    quotient,
    relative_difference,
    scaled,
)
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, OPEN, VOLUME
from truecast.features.kernels.price import log_returns
from truecast.features.kernels.volume import note
from truecast.features.kernels.windows import blank, row_of, window_sums, windows_of

#: Bars whose mean volume is the usual one, for price impact.
USUAL = 20
MILLION = 1e6
ROOTS = 1.0 + math.sqrt(2.0)


@kernel
def product(a: Column, b: Column, out: Output) -> None:
    """Write ``a·b``."""
    for i in range(out.size):
        out[i] = a[i] * b[i]


@kernel
def traded(volume: Column, out: Output) -> None:
    """Write 1 where something was traded, else 0; NaN where volume is."""
    for i in range(out.size):
        out[i] = 1.0 if volume[i] > 0.0 else 0.0 * volume[i]


@kernel
def impact(moved: Column, usual: Column, amount: Column, empty: float, out: Output) -> None:
    """Write ``|moved|·usual/amount``, and ``empty`` where the amount is 0."""
    for i in range(out.size):
        value = abs(moved[i]) * usual[i] / amount[i]
        nothing = empty + 0.0 * (moved[i] + amount[i])
        known = value if value - value == 0.0 else math.nan
        out[i] = nothing if amount[i] == 0.0 else known


@kernel
def per_turnover(moved: Column, close: Column, volume: Column, out: Output) -> None:
    """Write ``|moved|/(close·volume)``, and 0 where nothing was traded."""
    for i in range(out.size):
        value = abs(moved[i]) / (close[i] * volume[i])
        known = value if value - value == 0.0 else math.nan
        out[i] = 0.0 * moved[i] if volume[i] == 0.0 else known


@kernel
def slope(products: Column, total: Column, squares: Column, scale: float, out: Output) -> None:
    """Write ``scale·products·total/squares``; NaN where that is not finite."""
    for i in range(out.size):
        value = scale * total[i] * (products[i] / squares[i])
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def signed(moved: Column, volume: Column, out: Output) -> None:
    """Write ``sign(moved)·volume``."""
    for i in range(out.size):
        side = 0.0 * moved[i]
        side = 1.0 if moved[i] > 0.0 else side
        side = -1.0 if moved[i] < 0.0 else side
        out[i] = side * volume[i]


@kernel
def with_a_move(moved: Column, volume: Column, products: Output, squares: Output) -> None:
    """Write ``|moved|·volume``, and ``volume²`` where there was a move."""
    for i in range(products.size):
        products[i] = abs(moved[i]) * volume[i]
        squares[i] = volume[i] * volume[i] if moved[i] != 0.0 else 0.0


@kernel
def impacts(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    price_impact: Asked,
    price_impact_mean: Asked,
    amihud: Asked,
    kyle_lambda: Asked,
    signed_volume: Asked,
) -> None:
    """Write how far the price moves with the volume that is traded, and to which side."""
    volume = x[VOLUME, begin:]
    moved = log_returns(x[CLOSE, begin:])
    stop = start + volume.size - halo
    usual = price_impact.shape[0] + price_impact_mean.shape[0]
    needed = np.empty((usual + kyle_lambda.shape[0] + signed_volume.shape[0], 2), np.int64)
    for row in range(usual):
        needed[row, 1] = USUAL
    note(needed, note(needed, usual, kyle_lambda, 0), signed_volume, 0)
    windows = windows_of(needed, needed)
    sums = window_sums(volume, windows)
    if usual:
        mean = np.empty(volume.size)
        scaled(sums[row_of(windows, USUAL)], 1.0 / USUAL, math.inf, mean)
        for asked in price_impact:
            target = out[asked[0], start:stop]
            impact(moved[halo:], mean[halo:], volume[halo:], math.nan, target)
        _impact_means(moved, mean, volume, halo, out, start, price_impact_mean)
    _turnover_impacts(x[CLOSE, begin:], moved, volume, halo, out, start, amihud)
    if kyle_lambda.shape[0]:
        term, square = np.empty(volume.size), np.empty(volume.size)
        with_a_move(moved, volume, term, square)
        own = windows_of(kyle_lambda, kyle_lambda)
        products, squares = window_sums(term, own), window_sums(square, own)
        for asked in kyle_lambda:
            at, total = row_of(own, asked[1]), sums[row_of(windows, asked[1]), halo:]
            target = out[asked[0], start:stop]
            slope(products[at, halo:], total, squares[at, halo:], 1.0 / asked[1], target)
    if signed_volume.shape[0]:
        side = np.empty(volume.size)
        signed(moved, volume, side)
        own = windows_of(signed_volume, signed_volume)
        sides = window_sums(side, own)
        for asked in signed_volume:
            at, total = row_of(own, asked[1]), sums[row_of(windows, asked[1]), halo:]
            quotient(sides[at, halo:], total, 1.0, out[asked[0], start:stop])


@kernel
def _impact_means(
    moved: Column,
    mean: Column,
    volume: Column,
    halo: int,
    out: Outputs,
    start: int,
    price_impact_mean: Asked,
) -> None:
    """Write means of price impact over bars in which something was traded."""
    if price_impact_mean.shape[0]:
        term, there = np.empty(volume.size), np.empty(volume.size)
        impact(moved, mean, volume, 0.0, term)
        traded(volume, there)
        windows = windows_of(price_impact_mean, price_impact_mean)
        terms, counts = window_sums(term, windows), window_sums(there, windows)
        for asked in price_impact_mean:
            at, stop = row_of(windows, asked[1]), start + volume.size - halo
            quotient(terms[at, halo:], counts[at, halo:], 1.0, out[asked[0], start:stop])


@kernel
def _turnover_impacts(
    close: Column,
    moved: Column,
    volume: Column,
    halo: int,
    out: Outputs,
    start: int,
    amihud: Asked,
) -> None:
    """Write Amihud's ratios, per million of turnover."""
    if amihud.shape[0]:
        term, there = np.empty(volume.size), np.empty(volume.size)
        per_turnover(moved, close, volume, term)
        traded(volume, there)
        windows = windows_of(amihud, amihud)
        terms, counts = window_sums(term, windows), window_sums(there, windows)
        for asked in amihud:
            at, stop = row_of(windows, asked[1]), start + volume.size - halo
            quotient(terms[at, halo:], counts[at, halo:], MILLION, out[asked[0], start:stop])


@kernel
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


@kernel
def larger_of(a: Column, b: Column, sign: float, out: Output) -> None:
    """Write the larger (``sign`` 1) or smaller (−1) of two; NaN where one is."""
    for i in range(out.size):
        larger = a[i] if sign * a[i] > sign * b[i] else b[i]
        out[i] = larger + 0.0 * (a[i] + b[i])


@kernel
def two_bar_spread(width: Column, before: Column, both: Column, out: Output) -> None:
    """Write Corwin and Schultz's spread in percent, of log ranges of each bar and of both."""
    for i in range(out.size):
        alpha = ROOTS * (math.sqrt(width[i] * width[i] + before[i] * before[i]) - both[i])
        out[i] = 200.0 * half_tanh(0.0 if alpha < 0.0 else alpha)


@kernel
def bounce(products: Column, total: Column, before: Column, window: int, out: Output) -> None:
    """Write ``2·√(max(−cov, 0))`` of a window's sums of products and of either factor."""
    for i in range(out.size):
        covariance = (products[i] - total[i] * before[i] / window) / (window - 1)
        out[i] = 2.0 * math.sqrt(0.0 if covariance > 0.0 else -covariance)


@kernel
def distance(a: Column, b: Column, out: Output) -> None:
    """Write ``|a − b|``."""
    for i in range(out.size):
        out[i] = abs(a[i] - b[i])


@kernel
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
        moved, term = log_returns(close), np.empty(rows)
        blank(term, 1)
        product(moved[1:], moved[:-1], term[1:])
        windows = windows_of(roll_spread, roll_spread)
        totals, products = window_sums(moved, windows), window_sums(term, windows)
        for asked in roll_spread:
            at = row_of(windows, asked[1])
            now, before = totals[at, halo:], totals[at, halo - 1 : rows - 1]
            bounce(products[at, halo:], now, before, asked[1], out[asked[0], start:stop])
    if corwin_schultz.shape[0]:
        term = _two_bar_spreads(x[HIGH, begin:], x[LOW, begin:])
        windows = windows_of(corwin_schultz, corwin_schultz)
        totals = window_sums(term, windows)
        for asked in corwin_schultz:
            total = totals[row_of(windows, asked[1]), halo:]
            scaled(total, 1.0 / asked[1], math.inf, out[asked[0], start:stop])
    if efficiency_ratio.shape[0]:
        term = np.empty(rows)
        blank(term, 1)
        distance(close[1:], close[:-1], term[1:])
        windows = windows_of(efficiency_ratio, efficiency_ratio)
        totals = window_sums(term, windows)
        for asked in efficiency_ratio:
            path = totals[row_of(windows, asked[1]), halo:]
            then = close[halo - asked[1] : rows - asked[1]]
            distance_over(close[halo:], then, path, out[asked[0], start:stop])


@kernel
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


@kernel
def over_range(close: Column, opened: Column, width: Column, out: Output) -> None:
    """Write ``(close − opened)/width``, and 0 where there is no width."""
    for i in range(out.size):
        value = close[i] - opened[i]
        out[i] = value / width[i] if width[i] != 0.0 else 0.0 * value


@kernel
def pressure(high: Column, low: Column, close: Column, out: Output) -> None:
    """Write ``((close − low) − (high − close))/(high − low)``, and 0 where there is no range."""
    for i in range(out.size):
        width = high[i] - low[i]
        value = (close[i] - low[i]) - (high[i] - close[i])
        out[i] = value / width if width != 0.0 else 0.0 * value


@kernel
def typical(high: Column, low: Column, close: Column, out: Output) -> None:
    """Write ``(high + low + close)/3``."""
    for i in range(out.size):
        out[i] = (high[i] + low[i] + close[i]) / 3.0


@kernel
def flows(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    order_flow: Asked,
    order_flow_mean: Asked,
    money_flow: Asked,
    close_to_vwap: Asked,
) -> None:
    """Write where bars close in their ranges, by itself and weighted by volume."""
    high, low, close = x[HIGH, begin:], x[LOW, begin:], x[CLOSE, begin:]
    rows, stop = close.size, start + close.size - halo
    work = np.empty((2, rows))
    if order_flow.shape[0] + order_flow_mean.shape[0]:
        width, flow = work[0], work[1]
        difference(high, low, width)
        over_range(close, x[OPEN, begin:], width, flow)
        for asked in order_flow:
            scaled(flow[halo:], 1.0, math.inf, out[asked[0], start:stop])
        windows = windows_of(order_flow_mean, order_flow_mean)
        totals = window_sums(flow, windows)
        for asked in order_flow_mean:
            total = totals[row_of(windows, asked[1]), halo:]
            scaled(total, 1.0 / asked[1], math.inf, out[asked[0], start:stop])
    if money_flow.shape[0] + close_to_vwap.shape[0]:
        volume, term, weighted = x[VOLUME, begin:], work[0], work[1]
        windows = windows_of(money_flow, close_to_vwap)
        volumes = window_sums(volume, windows)
        if money_flow.shape[0]:
            pressure(high, low, close, term)
            product(term, volume, weighted)
            totals = window_sums(weighted, windows)
            for asked in money_flow:
                at = row_of(windows, asked[1])
                quotient(totals[at, halo:], volumes[at, halo:], 1.0, out[asked[0], start:stop])
        if close_to_vwap.shape[0]:
            typical(high, low, close, term)
            product(term, volume, weighted)
            totals = window_sums(weighted, windows)
            for asked in close_to_vwap:
                at, mean = row_of(windows, asked[1]), term[halo:]
                quotient(totals[at, halo:], volumes[at, halo:], 1.0, mean)
                relative_difference(close[halo:], mean, 1.0, out[asked[0], start:stop])
