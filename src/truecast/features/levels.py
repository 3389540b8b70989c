"""Prices and volumes as they are, and their averages: levels, not free of scale.

A model of levels knows only the levels that it has learned from. They are here for models that
scale their inputs on each window, and for sets that are defined by them; elsewhere take
``close_to_sma``, ``close_to_ema`` and ``volume_ratio``, which say the same relative to the level.
"""

from truecast.features.declaration import Family, Parameter
from truecast.features.lookbacks import memory, one_bar, span, window_bars

_LEVEL = "the price's unit"
_BARS = "Murphy (1999), Technical Analysis of the Financial Markets, chapter 3"
_AVERAGES = "Murphy (1999), Technical Analysis of the Financial Markets, chapter 9"
_BANDS = "Bollinger (2001), Bollinger on Bollinger Bands"


FAMILIES = (
    *(
        Family(
            name=name,
            inputs=(name,),
            lookback=one_bar,
            unit="the volume's unit" if name == "volume" else _LEVEL,
            formula=name[0].upper(),
            reference=_BARS,
            kernel="levels:bar_levels",
            scale_free=False,
        )
        for name in ("open", "high", "low", "close", "volume")
    ),
    Family(
        name="close_lag",
        inputs=("close",),
        parameters={"lag": Parameter(1)},
        lookback=lambda values: values["lag"] + 1,
        unit=_LEVEL,
        formula="C[lag]",
        reference=_BARS,
        kernel="levels:bar_levels",
        scale_free=False,
    ),
    Family(
        name="sma",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit=_LEVEL,
        formula="(C + C[1] + … )/window over window bars",
        reference=_AVERAGES,
        kernel="levels:simple_levels",
        scale_free=False,
    ),
    Family(
        name="ema",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: memory(span(values["window"])),
        unit=_LEVEL,
        formula="exponential mean of C with span window, α = 2/(window + 1)",
        reference=_AVERAGES,
        kernel="levels:exponential_levels",
        recursive=True,
        scale_free=False,
    ),
    Family(
        name="bollinger_upper",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit="percent of the close",
        formula="100·(SMA(C, window) + 2·SD(C, window) − C)/C",
        reference=_BANDS,
        kernel="levels:band_distances",
    ),
    Family(
        name="bollinger_lower",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit="percent of the close",
        formula="100·(SMA(C, window) − 2·SD(C, window) − C)/C",
        reference=_BANDS,
        kernel="levels:band_distances",
    ),
)
