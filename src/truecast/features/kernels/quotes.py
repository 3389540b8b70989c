"""What bid and ask quotes say; see ``features/quotes.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Output, Outputs
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import log_ratio, product, quotient, scaled, sum_of
from truecast.features.kernels.inputs import (
    ASK_CLOSE,
    ASK_SIZE,
    BID_CLOSE,
    BID_SIZE,
    CLOSE,
    VOLUME,
)
from truecast.features.kernels.logarithm import ln
from truecast.features.kernels.windows import blank, row_of, window_sums, windows_of


@helper
def midpoints(bid: Column, ask: Column, out: Output) -> None:
    """Write the midpoint; NaN unless there is a bid and an ask."""
    for i in range(out.size):
        out[i] = 0.5 * (bid[i] + ask[i]) if bid[i] > 0.0 and ask[i] > 0.0 else math.nan


@helper
def relative_spreads(bid: Column, ask: Column, mid: Column, out: Output) -> None:
    """Write ``10⁴·(ask − bid)/mid``; NaN where that is not finite."""
    for i in range(out.size):
        value = 1e4 * (ask[i] - bid[i]) / mid[i]
        out[i] = value if value - value == 0.0 else math.nan


@helper
def effective_spreads(close: Column, mid: Column, out: Output) -> None:
    """Write ``2·10⁴·|close − mid|/mid``; NaN where that is not finite."""
    for i in range(out.size):
        value = 2e4 * abs(close[i] - mid[i]) / mid[i]
        out[i] = value if value - value == 0.0 else math.nan


@kernel
def spreads(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    quoted_spread: Asked,
    spread_mean: Asked,
    effective_spread: Asked,
    mid_return: Asked,
) -> None:
    """Write spreads at the close, and returns of the midpoint."""
    bid, ask = x[BID_CLOSE, begin:], x[ASK_CLOSE, begin:]
    rows, stop = bid.size, start + bid.size - halo
    mid, spread = np.empty(rows), np.empty(rows)
    midpoints(bid, ask, mid)
    relative_spreads(bid, ask, mid, spread)
    for asked in quoted_spread:
        scaled(spread[halo:], 1.0, out[asked[0], start:stop])
    windows = windows_of(spread_mean)
    totals = window_sums(spread, windows)
    for asked in spread_mean:
        total = totals[row_of(windows, asked[1]), halo:]
        scaled(total, 1.0 / asked[1], out[asked[0], start:stop])
    for asked in effective_spread:
        effective_spreads(x[CLOSE, begin + halo :], mid[halo:], out[asked[0], start:stop])
    for asked in mid_return:
        then = mid[halo - asked[1] : rows - asked[1]]
        log_ratio(mid[halo:], then, 100.0, out[asked[0], start:stop])


@helper
def log_depths(bid: Column, ask: Column, out: Output) -> None:
    """Write ``ln(bid + ask)``; NaN where there is nothing."""
    for i in range(out.size):
        out[i] = ln(bid[i] + ask[i])


@helper
def imbalances(bid: Column, ask: Column, out: Output) -> None:
    """Write ``(bid − ask)/(bid + ask)``; NaN where there is nothing."""
    for i in range(out.size):
        value = (bid[i] - ask[i]) / (bid[i] + ask[i])
        out[i] = value if value - value == 0.0 else math.nan


@helper
def add_arrivals(now: Column, before: Column, size: Column, sign: float, out: Output) -> None:
    """Add ``sign·size`` where the price is no worse than the other one; NaN where either is."""
    for i in range(out.size):
        there = size[i] if now[i] >= before[i] else 0.0 * (now[i] + before[i])
        out[i] = out[i] + sign * there


@helper
def order_flow(bid: Column, ask: Column, bid_size: Column, ask_size: Column) -> Column:
    """Return what came to the bid less what came to the ask since the bar before."""
    out = np.zeros(bid.size)
    blank(out, 1)
    flow = out[1:]
    add_arrivals(bid[1:], bid[:-1], bid_size[1:], 1.0, flow)
    add_arrivals(bid[:-1], bid[1:], bid_size[:-1], -1.0, flow)
    add_arrivals(ask[:-1], ask[1:], ask_size[1:], -1.0, flow)
    add_arrivals(ask[1:], ask[:-1], ask_size[:-1], 1.0, flow)
    return out


@kernel
def depths(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    quoted_depth: Asked,
    depth_imbalance: Asked,
    order_flow_imbalance: Asked,
) -> None:
    """Write the sizes at the best quotes, which is larger, and how they grew and shrank."""
    bid_size, ask_size = x[BID_SIZE, begin:], x[ASK_SIZE, begin:]
    stop = start + bid_size.size - halo
    for asked in quoted_depth:
        log_depths(bid_size[halo:], ask_size[halo:], out[asked[0], start:stop])
    for asked in depth_imbalance:
        imbalances(bid_size[halo:], ask_size[halo:], out[asked[0], start:stop])
    if order_flow_imbalance.shape[0]:
        depth = np.empty(bid_size.size)
        sum_of(bid_size, ask_size, depth)
        flow = order_flow(x[BID_CLOSE, begin:], x[ASK_CLOSE, begin:], bid_size, ask_size)
        windows = windows_of(order_flow_imbalance)
        flows, total = window_sums(flow, windows), window_sums(depth, windows)
        for asked in order_flow_imbalance:
            at, target = row_of(windows, asked[1]), out[asked[0], start:stop]
            quotient(flows[at, halo:], total[at, halo:], 2.0 * asked[1], target)


@helper
def signs_of_moves(now: Column, before: Column, out: Output) -> None:
    """Write the sign of ``now − before``."""
    for i in range(out.size):
        change = now[i] - before[i]
        rose, fell = 1.0 if change > 0.0 else 0.0, 1.0 if change < 0.0 else 0.0
        out[i] = rose - fell + 0.0 * change


@helper
def sign_trades(close: Column, bid: Column, ask: Column, side: Output) -> None:
    """Write 1 where only the ask is reached and −1 where only the bid is; leave the others."""
    for i in range(side.size):
        bought, sold = close[i] >= ask[i], close[i] <= bid[i]
        known = 1.0 if bought else -1.0
        side[i] = (known if bought != sold else side[i]) + 0.0 * (close[i] + side[i])


@helper
def sides_of(x: Inputs, begin: int, mid: Column) -> Column:
    """Return who pressed in each bar: 1 buyers, −1 sellers, 0 neither; the first is NaN."""
    out = np.empty(mid.size)
    blank(out, 1)
    signs_of_moves(mid[1:], mid[:-1], out[1:])
    sign_trades(x[CLOSE, begin:], x[BID_CLOSE, begin:], x[ASK_CLOSE, begin:], out)
    return out


@helper
def moves_with(side: Column, now: Column, then: Column, out: Output) -> None:
    """Write ``2·10⁴·side·ln(now/then)``."""
    for i in range(out.size):
        out[i] = 2e4 * side[i] * ln(now[i] / then[i])


@kernel
def sides(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    order_imbalance: Asked,
    realised_impact: Asked,
) -> None:
    """Write which side traded more, and how far the midpoint went with it."""
    rows, stop = x.shape[1] - begin, start + x.shape[1] - begin - halo
    mid, term = np.empty(rows), np.empty(rows)
    midpoints(x[BID_CLOSE, begin:], x[ASK_CLOSE, begin:], mid)
    side = sides_of(x, begin, mid)
    if order_imbalance.shape[0]:
        volume = x[VOLUME, begin:]
        product(side, volume, term)
        windows = windows_of(order_imbalance)
        signed, total = window_sums(term, windows), window_sums(volume, windows)
        for asked in order_imbalance:
            at, target = row_of(windows, asked[1]), out[asked[0], start:stop]
            quotient(signed[at, halo:], total[at, halo:], 1.0, target)
    for asked in realised_impact:
        horizon, window = asked[1], asked[2]
        blank(term, horizon)
        moves_with(side[: rows - horizon], mid[horizon:], mid[: rows - horizon], term[horizon:])
        totals = window_sums(term, np.full(1, window))
        scaled(totals[0, halo:], 1.0 / window, out[asked[0], start:stop])
