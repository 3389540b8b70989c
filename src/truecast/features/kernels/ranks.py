"""Rolling percentile rank and median over long windows, by one structure for both.

The values of a block are sorted once. A window is then a set of places in that order, kept as a
row of bits: the newest value's rank is the number of bits up to its place, and the median is a
place that moves by one bit at most when one value comes and one goes. All of it is counting, so
it is exact and the same wherever a block begins.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from truecast.features.declaration import Column, Windows
from truecast.features.kernels.compiling import helper
from truecast.features.kernels.logarithm import float_bits

#: Sorting is by the first KEY bits in which values of a block differ, DIGIT at a time.
DIGIT, KEY = 11, 33
#: The lower bits of a sort key hold the row that it is of.
ROW = 30


def _count(_context: Any, _value: Any) -> Any:
    """Count the bits of an int64 that are set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


def _zeros_above(_context: Any, _value: Any) -> Any:
    """Count the zeros of an int64 above its highest bit that is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


def _zeros_below(_context: Any, _value: Any) -> Any:
    """Count the zeros of an int64 below its lowest bit that is set."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


count_bits: Any = intrinsic(_count)
zeros_above: Any = intrinsic(_zeros_above)
zeros_below: Any = intrinsic(_zeros_below)


@helper
def _by_first_bits(x: Column) -> Windows:
    """Return the rows of ``x`` in the order of the first bits in which its values differ."""
    rows = x.size
    keys, other = np.empty(rows, np.int64), np.empty(rows, np.int64)
    lowest, highest = np.int64(1 << 62), np.int64(-(1 << 62))
    for i in range(rows):
        bits = float_bits(x[i])
        # As whole numbers the bits of floats are in order, those of negative ones backwards.
        key = (bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)) >> 1
        keys[i] = key
        lowest, highest = min(lowest, key), max(highest, key)
    shift = max(64 - KEY - zeros_above(highest - lowest), 0)
    for i in range(rows):
        keys[i] = ((keys[i] - lowest) >> shift << ROW) | i
    begins = np.empty(1 << DIGIT, np.int64)
    for turn in range(KEY // DIGIT):
        place = ROW + turn * DIGIT
        for digit in range(begins.size):
            begins[digit] = 0
        for i in range(rows):
            begins[(keys[i] >> place) & (begins.size - 1)] += 1
        total = 0
        for digit in range(begins.size):
            here = begins[digit]
            begins[digit] = total
            total += here
        for i in range(rows):
            digit = (keys[i] >> place) & (begins.size - 1)
            other[begins[digit]] = keys[i]
            begins[digit] += 1
        keys, other = other, keys
    for i in range(rows):
        keys[i] &= (1 << ROW) - 1
    return keys


@helper
def sorted_rows(x: Column) -> tuple[Column, Windows]:
    """Sort a column.

    Parameters
    ----------
    x : float64, shape (m,), without NaN

    Returns
    -------
    values : float64, shape (m,)
        The values from the smallest to the largest.
    rows : int64, shape (m,)
        The row of each.

    Notes
    -----
    Three passes by a digit of eleven bits leave only values out of order that agree in their first
    33 bits (of those in which any differ); these are few and near, and are put in by hand.
    """
    rows = _by_first_bits(x)
    values = np.empty(x.size)
    for i in range(x.size):
        row, value = rows[i], x[rows[i]]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j], rows[j] = values[j - 1], rows[j - 1]
            j -= 1
        values[j], rows[j] = value, row
    return values, rows


@helper
def _bits_up_to(words: Windows, before: Windows, place: int) -> int:
    """Count the bits that are set up to a place, its own included.

    All words of a run are counted, those after the place with no bit: a loop of a known length
    is faster than one that ends sooner and cannot be foreseen.
    """
    word = place >> 6
    run = word >> 3
    found: int = before[run]
    for k in range(8):
        i = (run << 3) + k
        kept = ~(-2 << (place & 63)) if i == word else -(1 if i < word else 0)
        found += count_bits(words[i] & kept)
    return found


@helper
def _moved(before: Windows, new: int, old: int) -> None:
    """Count a bit that was set in a run, and one that was cleared in another."""
    for run in range(before.size):
        before[run] += (1 if new < run else 0) - (1 if old < run else 0)


@helper
def _next_bit(words: Windows, place: int) -> int:
    """Return the first place after this one whose bit is set; there must be one."""
    word = place >> 6
    rest = words[word] & (-2 << (place & 63))
    while rest == 0:
        word += 1
        rest = words[word]
    found: int = (word << 6) + zeros_below(rest)
    return found


@helper
def _bit_before(words: Windows, place: int) -> int:
    """Return the last place before this one whose bit is set; there must be one."""
    word = place >> 6
    rest = words[word] & ~(-1 << (place & 63))
    while rest == 0:
        word -= 1
        rest = words[word]
    found: int = (word << 6) + 63 - zeros_above(rest)
    return found


@helper
def _places(x: Column) -> tuple[Column, Windows, Windows]:
    """Return sorted values, the place of each row among them, and the last that is equal to it.

    A missing value has a place as well: what it is does not matter, since no window with one in
    it gets a result.
    """
    rows = x.size
    known = np.empty(rows)
    for i in range(rows):
        known[i] = x[i] + 0.0 if x[i] == x[i] else 0.0  # −0 and 0 are one value
    values, order = sorted_rows(known)
    place, equal = np.empty(rows, np.int64), np.empty(rows, np.int64)
    last = rows - 1
    for i in range(rows - 1, -1, -1):
        if values[i] != values[last]:
            last = i
        place[order[i]], equal[order[i]] = i, last
    return values, place, equal


@helper
def window_ranks(x: Column, window: int, share: Column, median: Column) -> None:
    """Write the percentile rank of each value in its window, and the window's median.

    Parameters
    ----------
    x : float64, shape (m,)
    window : int, >= 1
    share : float64, shape (m,)
        Gets the share of the window's values that are not above the newest, which is one of
        them: from 1/window to 1. Equal values count.
    median : float64, shape (m,)
        Gets the value in the middle, of an even number the mean of the two in the middle.

    Notes
    -----
    Both are NaN in the first ``window − 1`` rows, and where a value of the window is NaN.
    """
    rows = x.size
    values, place, equal = _places(x)
    # The window's bits, in runs of eight words, and how many there are before each run (as many
    # runs as fill whole vectors); the place of the lower median and how many bits are below it.
    before = np.zeros(((rows >> 9) & ~15) + 16, np.int64)
    words = np.zeros(8 * before.size, np.int64)
    half, middle, below = (window - 1) >> 1, 0, 0
    missing = 0
    for i in range(rows):
        new = place[i]
        words[new >> 6] |= 1 << (new & 63)
        missing += x[i] != x[i]
        if i < window:
            _moved(before, new >> 9, before.size)
        if i < window - 1:
            share[i] = median[i] = math.nan
            continue
        if i == window - 1:
            middle = _next_bit(words, -1)
            for _ in range(half):
                middle = _next_bit(words, middle)
            below = half
        else:
            old = place[i - window]
            words[old >> 6] &= ~(1 << (old & 63))
            _moved(before, new >> 9, old >> 9)
            missing -= x[i - window] != x[i - window]
            below += (new < middle) - (old < middle)
            if below > half:
                middle, below = _bit_before(words, middle), half
            elif below < half or old == middle:
                middle, below = _next_bit(words, middle), half
        upper = middle if window & 1 else _next_bit(words, middle)
        median[i] = 0.5 * (values[middle] + values[upper]) if missing == 0 else math.nan
        share[i] = _bits_up_to(words, before, equal[i]) / window if missing == 0 else math.nan
