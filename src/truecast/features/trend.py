"""Whether the price trends, and how strongly: momentum, crossed averages, directional movement.

All are scale-free: multiplying every price by a constant changes none of them.
"""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import faded, memory, span, window_and_before


def _slow(values: Parameters) -> int:
    return max(values["fast"], values["slow"])


def _spans(values: Parameters) -> int:
    return memory(span(_slow(values)))


def _wilder(values: Parameters) -> int:
    # One memory is enough for an average of ratios of averages: those that are far off weigh
    # nothing by then. But averages of a market that stands still fade, and their ratio does not.
    return faded(1.0 / values["window"]) + 1


_MURPHY = "Murphy (1999), Technical Analysis of the Financial Markets"
_WILDER = "Wilder (1978), New Concepts in Technical Trading Systems"
_AVERAGES = {"fast": Parameter(20, minimum=2), "slow": Parameter(50, minimum=2)}
_SMOOTHING = {"window": Parameter(14, minimum=2)}
_MOVES = (
    "DM+ = H − H[1] where that is above 0 and above L[1] − L, DM− = L[1] − L where that is above 0 "
    "and above H − H[1], both 0 elsewhere; T = W(max(H, C[1]) − min(L, C[1])), W the Wilder mean "
    "(α = 1/window); 0 where T <= 10⁻⁸·C"
)

FAMILIES = (
    Family(
        name="momentum",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(10)},
        lookback=window_and_before,
        unit="true ranges",
        formula="(C − C[window]) / mean of max(H, C[1]) − min(L, C[1]) over window bars; "
        "0 where nothing moved",
        reference=f"{_MURPHY}; {_WILDER}",
        kernel="trend:momentums",
    ),
    Family(
        name="stochastic_signal",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(14), "smooth": Parameter(3)},
        lookback=lambda values: values["window"] + values["smooth"] - 1,
        unit="0 to 1",
        formula="mean over smooth bars of (C − min(L, window))/(max(H, window) − min(L, window)), "
        "0.5 where nothing moved",
        reference="Lane (1984), Lane's Stochastics",
        kernel="trend:smoothed_stochastic",
    ),
    Family(
        name="sma_ratio",
        inputs=("close",),
        parameters=_AVERAGES,
        lookback=_slow,
        unit="percent",
        formula="100·(SMA(C, fast)/SMA(C, slow) − 1)",
        reference=_MURPHY,
        kernel="trend:crossed_averages",
    ),
    Family(
        name="is_uptrend",
        inputs=("close",),
        parameters=_AVERAGES,
        lookback=_slow,
        unit="0 or 1",
        formula="1 where SMA(C, fast) > SMA(C, slow), by more than rounding; 0 elsewhere",
        reference="Brock, Lakonishok, LeBaron (1992), Simple Technical Trading Rules",
        kernel="trend:crossed_averages",
    ),
    Family(
        name="ema_ratio",
        inputs=("close",),
        parameters=_AVERAGES,
        lookback=_spans,
        unit="percent",
        formula="100·(EMA(C, span fast)/EMA(C, span slow) − 1)",
        reference=_MURPHY,
        kernel="trend:crossed_exponential_averages",
        recursive=True,
    ),
    Family(
        name="adx",
        inputs=("high", "low", "close"),
        parameters=_SMOOTHING,
        lookback=_wilder,
        unit="0 to 100",
        formula="W(100·|P − M|/(P + M)), P = W(DM+), M = W(DM−), 0 where P + M <= 10⁻⁸·C; "
        + _MOVES,
        reference=_WILDER,
        kernel="trend:directional_movement",
        recursive=True,
    ),
    Family(
        name="directional",
        inputs=("high", "low", "close"),
        parameters=_SMOOTHING,
        lookback=_wilder,
        unit="−100 to 100",
        formula="100·(W(DM+) − W(DM−))/T: +DI − −DI; " + _MOVES,
        reference=_WILDER,
        kernel="trend:directional_movement",
        recursive=True,
    ),
)
