"""The distribution of returns over a window, and how it goes with volume.

Returns are 1-bar log returns in percent, so that a return over several bars is their sum.
"""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import memory, span, window_and_before


def _volatility_lookback(values: Parameters) -> int:
    return max(values["window"] + 1, values["base"])


def _momentum_lookback(values: Parameters) -> int:
    return max(memory(span(values["span"])), values["window"], values["base"])


_COEFFICIENTS = "Joanes, Gill (1998), Comparing Measures of Sample Skewness and Kurtosis"
_PRICE_AND_VOLUME = "Karpoff (1987), The Relation Between Price Changes and Trading Volume"
_BASE = Parameter(20, meaning="bars of the usual volume")

FAMILIES = (
    Family(
        name="return_mean",
        inputs=("close",),
        parameters={"window": Parameter(5)},
        lookback=window_and_before,
        unit="percent a bar",
        formula="mean of 100·ln(C/C[1]) over window bars, which is 100·ln(C/C[window])/window",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        kernel="moments:return_moments",
    ),
    Family(
        name="return_skew",
        inputs=("close",),
        parameters={"window": Parameter(60, minimum=3)},
        lookback=window_and_before,
        unit="none",
        formula="G₁ = √(n(n − 1))/(n − 2)·m₃/m₂^1.5 of 100·ln(C/C[1]), mₖ central moments over "
        "n = window bars; 0 where nothing moved",
        reference=_COEFFICIENTS,
        kernel="moments:return_moments",
    ),
    Family(
        name="return_kurtosis",
        inputs=("close",),
        parameters={"window": Parameter(60, minimum=4)},
        lookback=window_and_before,
        unit="none; 0 for a normal distribution",
        formula="G₂ = (n − 1)/((n − 2)(n − 3))·((n + 1)(m₄/m₂² − 3) + 6) of 100·ln(C/C[1]), "
        "mₖ central moments over n = window bars; 0 where nothing moved",
        reference=_COEFFICIENTS,
        kernel="moments:return_moments",
    ),
    Family(
        name="volatility_times_volume",
        inputs=("close", "volume"),
        parameters={"window": Parameter(5, minimum=2), "base": _BASE},
        lookback=_volatility_lookback,
        unit="percent a bar",
        formula="sample SD of 100·ln(C/C[1]) over window bars · SMA(V, window)/SMA(V, base)",
        reference=_PRICE_AND_VOLUME,
        kernel="moments:volatility_with_volume",
    ),
    Family(
        name="momentum_times_volume",
        inputs=("close", "volume"),
        parameters={
            "span": Parameter(8, minimum=2),
            "window": Parameter(5),
            "base": _BASE,
        },
        lookback=_momentum_lookback,
        unit="percent",
        formula="100·(C/EMA(C, span) − 1) · SMA(V, window)/SMA(V, base)",
        reference=_PRICE_AND_VOLUME,
        kernel="moments:momentum_with_volume",
        recursive=True,
    ),
)
