"""What trading costs and which side is pressing; see ``features/microstructure.py``."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import (
    difference,
    product,
    quotient,
    relative_difference,
    scaled,
)
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, OPEN, RETURN, VOLUME
from truecast.features.kernels.windows import row_of, window_sums, windows_of, with_window

#: Bars whose mean volume is the usual one, for price impact.
USUAL = 20
MILLION = 1e6


@helper
def traded(volume: Column, out: Output) -> None:
    """Write 1 where something was traded, else 0; NaN where volume is."""
    for i in range(out.size):
        out[i] = 1.0 if volume[i] > 0.0 else 0.0 * volume[i]


@helper
def impact(returns: Column, usual: Column, amount: Column, empty: float, out: Output) -> None:
    """Write ``|returns|·usual/amount``, and ``empty`` where the amount is 0."""
    for i in range(out.size):
        value = abs(returns[i]) * usual[i] / amount[i]
        nothing = empty + 0.0 * (returns[i] + amount[i])
        known = value if value - value == 0.0 else math.nan
        out[i] = nothing if amount[i] == 0.0 else known


@helper
def per_turnover(returns: Column, close: Column, volume: Column, out: Output) -> None:
    """Write ``|returns|/(close·volume)``, and 0 where nothing was traded."""
    for i in range(out.size):
        value = abs(returns[i]) / (close[i] * volume[i])
        known = value if value - value == 0.0 else math.nan
        out[i] = 0.0 * returns[i] if volume[i] == 0.0 else known


@helper
def slope(products: Column, total: Column, squares: Column, scale: float, out: Output) -> None:
    """Write ``scale·products·total/squares``; NaN where that is not finite."""
    for i in range(out.size):
        value = scale * total[i] * (products[i] / squares[i])
        out[i] = value if value - value == 0.0 else math.nan


@helper
def signed(returns: Column, volume: Column, out: Output) -> None:
    """Write ``sign(returns)·volume``."""
    for i in range(out.size):
        side = 0.0 * returns[i]
        side = 1.0 if returns[i] > 0.0 else side
        side = -1.0 if returns[i] < 0.0 else side
        out[i] = side * volume[i]


@helper
def with_a_move(returns: Column, volume: Column, products: Output, squares: Output) -> None:
    """Write ``|returns|·volume``, and ``volume²`` where there was a move."""
    for i in range(products.size):
        products[i] = abs(returns[i]) * volume[i]
        squares[i] = volume[i] * volume[i] if returns[i] != 0.0 else 0.0


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
    returns = x[RETURN, begin:]
    stop = start + volume.size - halo
    usual = price_impact.shape[0] + price_impact_mean.shape[0]
    windows = windows_of(kyle_lambda, signed_volume)
    if usual:
        windows = with_window(windows, USUAL)
    sums = window_sums(volume, windows)
    mean = np.empty(volume.size)
    if usual:
        scaled(sums[row_of(windows, USUAL)], 1.0 / USUAL, mean)
        for asked in price_impact:
            target = out[asked[0], start:stop]
            impact(returns[halo:], mean[halo:], volume[halo:], math.nan, target)
    if price_impact_mean.shape[0] + amihud.shape[0]:
        term, there = np.empty(volume.size), np.empty(volume.size)
        traded(volume, there)
        own = windows_of(price_impact_mean, amihud)
        counts = window_sums(there, own)
        if price_impact_mean.shape[0]:
            impact(returns, mean, volume, 0.0, term)
            _means(term, own, counts, 1.0, halo, out, start, price_impact_mean)
        if amihud.shape[0]:
            per_turnover(returns, x[CLOSE, begin:], volume, term)
            _means(term, own, counts, MILLION, halo, out, start, amihud)
    _slopes(returns, volume, sums, windows, halo, out, start, kyle_lambda)
    if signed_volume.shape[0]:
        side = np.empty(volume.size)
        signed(returns, volume, side)
        own = windows_of(signed_volume)
        sides = window_sums(side, own)
        for asked in signed_volume:
            at, total = row_of(own, asked[1]), sums[row_of(windows, asked[1]), halo:]
            quotient(sides[at, halo:], total, 1.0, out[asked[0], start:stop])


@helper
def _means(
    term: Column,
    windows: Windows,
    counts: Matrix,
    scale: float,
    halo: int,
    out: Outputs,
    start: int,
    wanted: Asked,
) -> None:
    """Write ``scale`` times the mean of a term over the bars that count."""
    totals, stop = window_sums(term, windows), start + term.size - halo
    for asked in wanted:
        at = row_of(windows, asked[1])
        quotient(totals[at, halo:], counts[at, halo:], scale, out[asked[0], start:stop])


@helper
def _slopes(
    returns: Column,
    volume: Column,
    sums: Matrix,
    windows: Windows,
    halo: int,
    out: Outputs,
    start: int,
    kyle_lambda: Asked,
) -> None:
    """Write slopes through the origin of returns on signed volume, in usual volumes."""
    if kyle_lambda.shape[0]:
        term, square = np.empty(volume.size), np.empty(volume.size)
        with_a_move(returns, volume, term, square)
        own = windows_of(kyle_lambda)
        products, squares = window_sums(term, own), window_sums(square, own)
        for asked in kyle_lambda:
            at, total = row_of(own, asked[1]), sums[row_of(windows, asked[1]), halo:]
            target = out[asked[0], start : start + volume.size - halo]
            slope(products[at, halo:], total, squares[at, halo:], 1.0 / asked[1], target)


@helper
def over_range(close: Column, opened: Column, width: Column, out: Output) -> None:
    """Write ``(close − opened)/width``, and 0 where there is no width."""
    for i in range(out.size):
        value = close[i] - opened[i]
        out[i] = value / width[i] if width[i] != 0.0 else 0.0 * value


@helper
def pressure(high: Column, low: Column, close: Column, out: Output) -> None:
    """Write ``((close − low) − (high − close))/(high − low)``, and 0 where there is no range."""
    for i in range(out.size):
        width = high[i] - low[i]
        value = (close[i] - low[i]) - (high[i] - close[i])
        out[i] = value / width if width != 0.0 else 0.0 * value


@helper
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
            scaled(flow[halo:], 1.0, out[asked[0], start:stop])
        windows = windows_of(order_flow_mean)
        totals = window_sums(flow, windows)
        for asked in order_flow_mean:
            total = totals[row_of(windows, asked[1]), halo:]
            scaled(total, 1.0 / asked[1], out[asked[0], start:stop])
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
