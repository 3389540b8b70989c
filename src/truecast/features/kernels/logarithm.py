"""A natural logarithm that vectorises and gives the same bits on every machine.

A library's logarithm may differ in the last bit between its vector and its scalar form, and so
between the middle and the end of a column; then the newest bar would not equal the batch.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from truecast.features.kernels.compiling import helper

SMALLEST_NORMAL = 2.2250738585072014e-308


def _float_bits(_context: Any, _value: Any) -> Any:
    """Read a float64's bits as an int64."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


def _bits_float(_context: Any, _value: Any) -> Any:
    """Read an int64's bits as a float64."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


def _fused(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """Return ``a·b + c``, rounded once: the same bits also where there is no such instruction."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


fused: Any = intrinsic(_fused)
float_bits: Any = intrinsic(_float_bits)
bits_float: Any = intrinsic(_bits_float)


@helper
def ln(x: float) -> float:
    """Return the natural logarithm of ``x``; NaN unless ``x`` is positive, normal and finite.

    Notes
    -----
    x = 2^k·(1+f) with √½ ≤ 1+f < √2, and ln(1+f) by the polynomial of FreeBSD's msun, ``e_log.c``:
    within 1 ulp. Branch-free, and only additions, multiplications, fused ones and one
    division, each of which IEEE 754 rounds in one way.
    """
    bits = float_bits(x)
    exponent = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = bits_float(bits - (exponent << 52)) - 1.0
    k = float(exponent)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * fused(
        w, fused(w, 0.1531383769920937332, 0.2222219843214978396), 0.3999999999940941908
    )
    even = z * fused(
        w,
        fused(w, fused(w, 0.1479819860511658591, 0.1818357216161805012), 0.2857142874366239149),
        0.6666666666666735130,
    )
    half = 0.5 * f * f
    rest = fused(s, half + (odd + even), k * 1.90821492927058770002e-10)
    value: float = fused(k, 6.93147180369123816490e-01, f - (half - rest))
    return value if (x >= SMALLEST_NORMAL and x < float("inf")) else float("nan")
