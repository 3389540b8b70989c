"""Levels of context series; see ``features/context.py``."""

from truecast.features.declaration import Asked, Inputs, Outputs
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.elementwise import scaled_log
from truecast.features.kernels.inputs import CLOSE


@kernel
def levels(x: Inputs, begin: int, halo: int, out: Outputs, start: int, log_close: Asked) -> None:
    """Write logarithms of closes."""
    close = x[CLOSE, begin + halo :]
    for asked in log_close:
        scaled_log(close, 1.0, 0.0, out[asked[0], start : start + close.size])
