"""What a bar looks like beside the last ones; see ``features/candles.py`` for each formula."""

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Matrix, Output, Outputs, Windows
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import difference, distance, exceeds, log_ratio, quotient
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, OPEN
from truecast.features.kernels.windows import row_of, window_sums, windows_of, write_extreme

#: Bars before, to whose mean body a body is compared.
BODIES = 20
#: The share of a range that is little.
TENTH = 0.1
#: What rounding may make of a tie between differences of prices, as a share of the price.
TIE = 1e-14


@helper
def upper_shadows(high: Column, opened: Column, close: Column, out: Output) -> None:
    """Write ``high − max(opened, close)``."""
    for i in range(out.size):
        top = close[i] if close[i] > opened[i] else opened[i]
        out[i] = high[i] - top + 0.0 * close[i]


@helper
def lower_shadows(low: Column, opened: Column, close: Column, out: Output) -> None:
    """Write ``min(opened, close) − low``."""
    for i in range(out.size):
        bottom = close[i] if close[i] < opened[i] else opened[i]
        out[i] = bottom - low[i] + 0.0 * close[i]


@helper
def dojis(body: Column, width: Column, close: Column, out: Output) -> None:
    """Write 1 where the body is at most a tenth of the range, else 0."""
    for i in range(out.size):
        found = 1.0 if body[i] <= TENTH * width[i] + TIE * close[i] else 0.0
        out[i] = found + 0.0 * (body[i] + width[i])


@helper
def hammers(body: Column, width: Column, lower: Column, close: Column, out: Output) -> None:
    """Write 1 where the lower shadow is long and the upper one short, else 0."""
    for i in range(out.size):
        upper, tie = width[i] - body[i] - lower[i], TIE * close[i]
        is_long = lower[i] >= 2.0 * body[i] - tie
        is_short = upper <= TENTH * width[i] + tie
        found = 1.0 if is_long and is_short and width[i] > 0.0 else 0.0
        out[i] = found + 0.0 * upper


@helper
def engulfings(
    opened: Column, close: Column, opened_before: Column, close_before: Column, out: Output
) -> None:
    """Write 1 where a rise covers the fall before, −1 where a fall covers the rise, else 0."""
    for i in range(out.size):
        a, b, c, d = opened[i], close[i], opened_before[i], close_before[i]
        covers_fall = a <= d and b >= c and d < c and (a < d or b > c)
        covers_rise = a >= d and b <= c and d > c and (a > d or b < c)
        found = (1.0 if covers_fall else 0.0) - (1.0 if covers_rise else 0.0)
        out[i] = found + 0.0 * (a + b + c + d)


@kernel
def candlesticks(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    body: Asked,
    upper_shadow: Asked,
    lower_shadow: Asked,
    body_to_before: Asked,
    is_doji: Asked,
    is_hammer: Asked,
    is_engulfing: Asked,
) -> None:
    """Write bodies and shadows of bars, and what they are called."""
    opens, closes = x[OPEN, begin:], x[CLOSE, begin:]
    rows, stop = closes.size, start + closes.size - halo
    opened, close, count = opens[halo:], closes[halo:], closes.size - halo
    high, low = x[HIGH, begin + halo :], x[LOW, begin + halo :]
    work, around = np.empty(rows), np.empty((3, count))
    distance(closes, opens, work)
    own, upper, lower, width = work[halo:], around[0], around[1], around[2]
    upper_shadows(high, opened, close, upper)
    lower_shadows(low, opened, close, lower)
    difference(high, low, width)
    for asked in body:
        quotient(own, opened, 100.0, out[asked[0], start:stop])
    for asked in upper_shadow:
        quotient(upper, opened, 100.0, out[asked[0], start:stop])
    for asked in lower_shadow:
        quotient(lower, opened, 100.0, out[asked[0], start:stop])
    for asked in body_to_before:
        totals = window_sums(work, np.full(1, BODIES))
        before = totals[0, halo - 1 : rows - 1]
        quotient(own, before, float(BODIES), out[asked[0], start:stop])
    for asked in is_doji:
        dojis(own, width, close, out[asked[0], start:stop])
    for asked in is_hammer:
        hammers(own, width, lower, close, out[asked[0], start:stop])
    for asked in is_engulfing:
        there, then = opens[halo - 1 : rows - 1], closes[halo - 1 : rows - 1]
        engulfings(opened, close, there, then, out[asked[0], start:stop])


@helper
def near(now: Column, top: Column, bottom: Column, sign: float, out: Output) -> None:
    """Write 1 where ``now`` is in the top (``sign`` 1) or bottom (−1) tenth, else 0."""
    for i in range(out.size):
        width = top[i] - bottom[i]
        away = top[i] - now[i] if sign > 0.0 else now[i] - bottom[i]
        little = TENTH * width + TIE * abs(now[i])
        found = 1.0 if away <= little and width > 0.0 else 0.0
        out[i] = found + 0.0 * (now[i] + width)


@helper
def edges(x: Column, windows: Windows, sign: float) -> Matrix:
    """Return the largest (``sign`` 1) or smallest (−1) value of each window, a row a window."""
    out = np.empty((windows.size, x.size))
    for j in range(windows.size):
        write_extreme(x, windows[j], sign, out[j])
    return out


@kernel
def channels(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    close_to_low: Asked,
    near_high: Asked,
    near_low: Asked,
    breakout_up: Asked,
    breakout_down: Asked,
) -> None:
    """Write where closes stand in the channel of the last bars, and whether they leave it."""
    close = x[CLOSE, begin + halo :]
    rows, stop = close.size + halo, start + close.size
    windows = windows_of(close_to_low, near_high, near_low, breakout_up, breakout_down)
    tops, bottoms = edges(x[HIGH, begin:], windows, 1.0), edges(x[LOW, begin:], windows, -1.0)
    for asked in close_to_low:
        low = bottoms[row_of(windows, asked[1]), halo:]
        log_ratio(close, low, 100.0, out[asked[0], start:stop])
    for asked in near_high:
        at = row_of(windows, asked[1])
        near(close, tops[at, halo:], bottoms[at, halo:], 1.0, out[asked[0], start:stop])
    for asked in near_low:
        at = row_of(windows, asked[1])
        near(close, tops[at, halo:], bottoms[at, halo:], -1.0, out[asked[0], start:stop])
    for asked in breakout_up:
        before = tops[row_of(windows, asked[1]), halo - 1 : rows - 1]
        exceeds(close, 1.0, before, 1.0, out[asked[0], start:stop])
    for asked in breakout_down:
        before = bottoms[row_of(windows, asked[1]), halo - 1 : rows - 1]
        exceeds(before, 1.0, close, 1.0, out[asked[0], start:stop])
