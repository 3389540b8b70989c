"""Levels, for context series that are rates themselves, such as an index of implied volatility.

Any other family may be applied to a context series too, by ``of:`` in the recipe.
"""

from truecast.features.declaration import Family
from truecast.features.lookbacks import one_bar

FAMILIES = (
    Family(
        name="log_close",
        inputs=("close",),
        lookback=one_bar,
        unit="log of the close's unit",
        formula="ln(C); NaN where C is not positive",
        reference="Fleming, Ostdiek, Whaley (1995), Predicting Stock Market Volatility",
        kernel="context:levels",
        context_only=True,
    ),
)
