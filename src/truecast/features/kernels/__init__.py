"""Compiled loops: rows of float64 in, one row of float32 or float64 out.

A kernel computes in float64, indexes from 0 so that the compiler can vectorise it, and never
changes the order of additions with the place of a row: the same bars give the same bits.
The modules are imported at the first use of a kernel, since importing numba takes a while.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from truecast.features.kernels.elementwise import *  # noqa: F403
    from truecast.features.kernels.recursive import *  # noqa: F403
    from truecast.features.kernels.windows import *  # noqa: F403

MODULES = ("elementwise", "recursive", "windows")


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for module in MODULES:
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
