"""Levels, for context series that are rates themselves, such as an index of implied volatility.

Any other family may be applied to a context series too, by ``of:`` in the recipe.
"""

from truecast.features import kernels
from truecast.features.block import Block
from truecast.features.declaration import Family


def compute_levels(block: Block) -> None:
    """Compute logarithms of closes."""
    close = block.now(block.input("close"))
    for _, out in block.wanted("log_close"):
        kernels.scaled_log(close, 1.0, 0.0, out)


FAMILIES = (
    Family(
        name="log_close",
        inputs=("close",),
        lookback=lambda _: 1,
        unit="log of the close's unit",
        formula="ln(C); NaN where C is not positive",
        reference="Fleming, Ostdiek, Whaley (1995), Predicting Stock Market Volatility",
        compute=compute_levels,
        context_only=True,
    ),
)
