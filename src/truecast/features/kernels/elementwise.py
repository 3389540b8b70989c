"""Loops that read and write the same row. All arrays of a call have the same length.

What cannot be told (a ratio to zero, the logarithm of nothing) is NaN, never infinite.
"""

import math

from truecast.features.declaration import Column, Output
from truecast.features.kernels.compiling import helper
from truecast.features.kernels.logarithm import ln

#: A standard deviation below this share of the mean is what rounding leaves of a constant.
NOTHING = 1e-12
#: A mean move below this share of the price is none: the ratio of two means that fade away would
#: never forget what was before.
STILL = 1e-8


@helper
def log_ratio(a: Column, b: Column, scale: float, out: Output) -> None:
    """Write ``scale·ln(a/b)``; NaN unless the ratio is positive and finite."""
    for i in range(out.size):
        out[i] = scale * ln(a[i] / b[i])


@helper
def scaled_log(x: Column, scale: float, floor: float, out: Output) -> None:
    """Write ``ln(max(scale·x, floor))``; NaN where x is."""
    for i in range(out.size):
        value = scale * x[i]
        out[i] = ln(floor if value < floor else value)


@helper
def scaled(x: Column, scale: float, out: Output) -> None:
    """Write ``scale·x``."""
    for i in range(out.size):
        out[i] = scale * x[i]


@helper
def root_of(x: Column, scale: float, out: Output) -> None:
    """Write ``√(max(scale·x, 0))``."""
    for i in range(out.size):
        value = scale * x[i]
        out[i] = math.sqrt(0.0 if value < 0.0 else value)


@helper
def over_root(
    x: Column, scale: float, squares: Column, square_scale: float, floor: float, out: Output
) -> None:
    """Write ``scale·x / √(max(square_scale·squares, floor))``."""
    for i in range(out.size):
        value = square_scale * squares[i]
        out[i] = scale * x[i] / math.sqrt(floor if value < floor else value)


@helper
def paired(a: Column, b: Column, out_a: Column, out_b: Column) -> None:
    """Write ``a`` and ``b`` where both are numbers, and 0 for both elsewhere."""
    for i in range(out_a.size):
        both = a[i] == a[i] and b[i] == b[i]
        out_a[i] = a[i] if both else 0.0
        out_b[i] = b[i] if both else 0.0


@helper
def product(a: Column, b: Column, out: Output) -> None:
    """Write ``a·b``."""
    for i in range(out.size):
        out[i] = a[i] * b[i]


@helper
def sum_of(a: Column, b: Column, out: Output) -> None:
    """Write ``a + b``."""
    for i in range(out.size):
        out[i] = a[i] + b[i]


@helper
def distance(a: Column, b: Column, out: Output) -> None:
    """Write ``|a − b|``."""
    for i in range(out.size):
        out[i] = abs(a[i] - b[i])


@helper
def exceeds(a: Column, of_a: float, b: Column, of_b: float, out: Output) -> None:
    """Write 1 where ``of_a·a > of_b·b`` and 0 elsewhere; NaN where either is not finite."""
    for i in range(out.size):
        left, right = of_a * a[i], of_b * b[i]
        out[i] = (1.0 if left > right else 0.0) + 0.0 * (left + right)


@helper
def difference(a: Column, b: Column, out: Output) -> None:
    """Write ``a − b``."""
    for i in range(out.size):
        out[i] = a[i] - b[i]


@helper
def root_of_sum(
    a: Column, b: Column, c: Column, of_a: float, of_b: float, of_c: float, out: Output
) -> None:
    """Write ``√(of_a·a + of_b·b + of_c·c)``."""
    for i in range(out.size):
        value = of_a * a[i] + of_b * b[i] + of_c * c[i]
        out[i] = math.sqrt(0.0 if value < 0.0 else value)


@helper
def quotient(a: Column, b: Column, scale: float, out: Output) -> None:
    """Write ``scale·a/b``; NaN where that is not finite."""
    for i in range(out.size):
        value = scale * a[i] / b[i]
        out[i] = value if value - value == 0.0 else math.nan


@helper
def relative_difference(a: Column, b: Column, scale: float, out: Output) -> None:
    """Write ``(a − scale·b)/(scale·b)`` in percent; NaN where that is not finite."""
    for i in range(out.size):
        base = scale * b[i]
        value = 100.0 * (a[i] - base) / base
        out[i] = value if value - value == 0.0 else math.nan


@helper
def place_between(x: Column, low: Column, high: Column, empty: float, out: Output) -> None:
    """Write ``(x − low)/(high − low)``, and ``empty`` where high is low."""
    for i in range(out.size):
        width = high[i] - low[i]
        out[i] = (x[i] - low[i]) / width if width != 0.0 else empty


@helper
def moves(now: Column, before: Column, gain: Output, loss: Output) -> None:
    """Write ``max(now − before, 0)`` and ``max(before − now, 0)``; NaN where either is."""
    for i in range(gain.size):
        change = now[i] - before[i]
        gain[i] = 0.0 if change < 0.0 else change
        loss[i] = 0.0 if change > 0.0 else -change


@helper
def relative_strength(gain: Column, loss: Column, close: Column, out: Output) -> None:
    """Write ``100·gain/(gain + loss)``; 50 where the price stands still."""
    for i in range(out.size):
        total = gain[i] + loss[i]
        out[i] = 50.0 if total <= STILL * abs(close[i]) else 100.0 * gain[i] / total


@helper
def true_range(high: Column, low: Column, before: Column, out: Output) -> None:
    """Write ``max(high, before) − min(low, before)``, where before is the close before."""
    for i in range(out.size):
        top = before[i] if before[i] > high[i] else high[i]
        bottom = before[i] if before[i] < low[i] else low[i]
        out[i] = top - bottom + 0.0 * before[i]


@helper
def garman_klass_term(high: Column, low: Column, close: Column, out: Output) -> None:
    """Write ``½(h − l)² − (2ln2 − 1)c²`` of logarithms h, l, c relative to the open."""
    for i in range(out.size):
        width = high[i] - low[i]
        out[i] = 0.5 * width * width - 0.3862943611198906 * close[i] * close[i]


@helper
def rogers_satchell_term(high: Column, low: Column, close: Column, out: Output) -> None:
    """Write ``h(h − c) + l(l − c)`` of logarithms h, l, c relative to the open."""
    for i in range(out.size):
        out[i] = high[i] * (high[i] - close[i]) + low[i] * (low[i] - close[i])


@helper
def weekdays_of(session: Column, table: Column, out: Output) -> None:
    """Write ``table[weekday]`` (Monday is 0) of days since 1970-01-01; NaN where unknown."""
    before, value = math.nan, math.nan
    for i in range(out.size):
        day = session[i]
        if day != before:
            before = day
            value = table[(int(day) + 3) % 7] if day == day else math.nan
        out[i] = value


@helper
def months_of(session: Column, table: Column, out: Output) -> None:
    """Write ``table[month]`` (January is 0) of days since 1970-01-01; NaN where unknown.

    Notes
    -----
    The civil calendar by eras of 400 years that begin on 1 March, so that the leap day is last.
    """
    before, value = math.nan, math.nan
    for i in range(out.size):
        if session[i] != before:
            before = session[i]
            value = math.nan
            if before == before:
                day = (int(before) + 719468) % 146097
                year = (day - day // 1460 + day // 36524 - day // 146096) // 365
                in_year = day - (365 * year + year // 4 - year // 100)
                value = table[((5 * in_year + 2) // 153 + 2) % 12]
        out[i] = value


@helper
def band_position(x: Column, total: Column, squares: Column, window: int, out: Output) -> None:
    """Write ``½ + (x − mean)/(4·SD)`` of windows given by their moments; ½ where SD is 0."""
    for i in range(out.size):
        mean = total[i] / window
        deviation = math.sqrt(squares[i] / (window - 1))
        constant = deviation <= NOTHING * abs(mean)
        out[i] = 0.5 if constant else 0.5 + (x[i] - mean) / (4.0 * deviation)


@helper
def band_width(total: Column, squares: Column, window: int, out: Output) -> None:
    """Write ``100·4·SD/mean`` of windows given by their moments; NaN where the mean is 0."""
    for i in range(out.size):
        mean = total[i] / window
        deviation = math.sqrt(squares[i] / (window - 1))
        out[i] = 400.0 * deviation / mean if mean != 0.0 else math.nan


@helper
def standard_score(x: Column, total: Column, squares: Column, window: int, out: Output) -> None:
    """Write ``(x − mean)/SD`` of windows given by their moments; 0 where SD is 0."""
    for i in range(out.size):
        mean = total[i] / window
        deviation = math.sqrt(squares[i] / (window - 1))
        constant = deviation <= NOTHING * abs(mean)
        out[i] = 0.0 if constant else (x[i] - mean) / deviation


@helper
def log_premium_of(level: Column, squares: Column, scale: float, floor: float, out: Output) -> None:
    """Write ``ln(level) − ½·ln(max(scale·squares, floor))``; NaN unless the level is positive."""
    for i in range(out.size):
        variance = scale * squares[i]
        out[i] = ln(level[i]) - 0.5 * ln(floor if variance < floor else variance)


@helper
def larger_of(a: Column, b: Column, sign: float, out: Output) -> None:
    """Write the larger (``sign`` 1) or smaller (−1) of two; NaN where one is."""
    for i in range(out.size):
        larger = a[i] if sign * a[i] > sign * b[i] else b[i]
        out[i] = larger + 0.0 * (a[i] + b[i])
