"""One bar's shape as Alpha158 has it; see ``features/alpha158.py`` for each formula."""

import math

import numpy as np

from truecast.features.declaration import Asked, Column, Inputs, Outputs
from truecast.features.kernels.alpharatios import EPSILON, share
from truecast.features.kernels.compiling import helper, kernel
from truecast.features.kernels.elementwise import larger_of, quotient
from truecast.features.kernels.inputs import CLOSE, HIGH, LOW, OPEN


@helper
def body_end(opened: Column, close: Column, sign: float) -> Column:
    """Return the top (``sign`` 1) or the bottom (−1) of the body of each bar."""
    out = np.empty(close.size)
    larger_of(close, opened, sign, out)
    return out


@helper
def weighted(a: Column, b: Column, of_a: float, of_b: float) -> Column:
    """Return ``of_a·a + of_b·b``."""
    out = np.empty(a.size)
    for i in range(out.size):
        out[i] = of_a * a[i] + of_b * b[i]
    return out


@kernel
def shares_of_open(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_kmid: Asked,
    alpha_klen: Asked,
    alpha_kup: Asked,
    alpha_klow: Asked,
    alpha_ksft: Asked,
) -> None:
    """Write body, range, shadows and shift of the close, relative to the open."""
    first = begin + halo
    opened, high, low, close = x[OPEN, first:], x[HIGH, first:], x[LOW, first:], x[CLOSE, first:]
    stop = start + close.size
    for asked in alpha_kmid:
        share(close, opened, opened, 0.0, math.nan, out[asked[0], start:stop])
    for asked in alpha_klen:
        share(high, low, opened, 0.0, math.nan, out[asked[0], start:stop])
    for asked in alpha_kup:
        top = body_end(opened, close, 1.0)
        share(high, top, opened, 0.0, math.nan, out[asked[0], start:stop])
    for asked in alpha_klow:
        bottom = body_end(opened, close, -1.0)
        share(bottom, low, opened, 0.0, math.nan, out[asked[0], start:stop])
    for asked in alpha_ksft:
        twice, ends = weighted(close, close, 1.0, 1.0), weighted(high, low, 1.0, 1.0)
        share(twice, ends, opened, 0.0, math.nan, out[asked[0], start:stop])


@kernel
def shares_of_range(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_kmid2: Asked,
    alpha_kup2: Asked,
    alpha_klow2: Asked,
    alpha_ksft2: Asked,
) -> None:
    """Write body, shadows and shift of the close, relative to the range."""
    first = begin + halo
    opened, high, low, close = x[OPEN, first:], x[HIGH, first:], x[LOW, first:], x[CLOSE, first:]
    stop = start + close.size
    width = weighted(high, low, 1.0, -1.0)
    for asked in alpha_kmid2:
        share(close, opened, width, EPSILON, 0.0, out[asked[0], start:stop])
    for asked in alpha_kup2:
        top = body_end(opened, close, 1.0)
        share(high, top, width, EPSILON, 0.0, out[asked[0], start:stop])
    for asked in alpha_klow2:
        bottom = body_end(opened, close, -1.0)
        share(bottom, low, width, EPSILON, 0.0, out[asked[0], start:stop])
    for asked in alpha_ksft2:
        twice, ends = weighted(close, close, 1.0, 1.0), weighted(high, low, 1.0, 1.0)
        share(twice, ends, width, EPSILON, 0.0, out[asked[0], start:stop])


@kernel
def shares_of_close(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    alpha_open0: Asked,
    alpha_high0: Asked,
    alpha_low0: Asked,
    alpha_vwap0: Asked,
) -> None:
    """Write the bar's other prices relative to its close."""
    first = begin + halo
    opened, high, low, close = x[OPEN, first:], x[HIGH, first:], x[LOW, first:], x[CLOSE, first:]
    stop = start + close.size
    for asked in alpha_open0:
        quotient(opened, close, 1.0, out[asked[0], start:stop])
    for asked in alpha_high0:
        quotient(high, close, 1.0, out[asked[0], start:stop])
    for asked in alpha_low0:
        quotient(low, close, 1.0, out[asked[0], start:stop])
    for asked in alpha_vwap0:
        ends, body = weighted(high, low, 1.0, 1.0), weighted(opened, close, 1.0, 1.0)
        total = weighted(ends, body, 1.0, 1.0)
        quotient(total, close, 0.25, out[asked[0], start:stop])
