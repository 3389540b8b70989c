"""Where the price stands and how it moved: returns, averages, oscillators, bands.

All are scale-free: multiplying every price by a constant changes none of them.
"""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import faded, memory, span, window_and_before, window_bars


def _macd_lookback(values: Parameters) -> int:
    return max(memory(span(values["fast"])), memory(span(values["slow"])))


def _signal_lookback(values: Parameters) -> int:
    return _macd_lookback(values) + memory(span(values["signal"])) - 1


_MURPHY = "Murphy (1999), Technical Analysis of the Financial Markets"
_APPEL = "Appel (2005), Technical Analysis: Power Tools for Active Investors"
_BOLLINGER = "Bollinger (2001), Bollinger on Bollinger Bands"
_SPANS = {"fast": Parameter(12, minimum=2), "slow": Parameter(26, minimum=2)}
_SIGNAL = {**_SPANS, "signal": Parameter(9, minimum=2)}

FAMILIES = (
    Family(
        name="log_return",
        inputs=("close",),
        parameters={"window": Parameter(1)},
        lookback=window_and_before,
        unit="percent",
        formula="100·ln(C/C[window])",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        kernel="price:returns",
    ),
    Family(
        name="return_lag",
        inputs=("close",),
        parameters={"lag": Parameter(1)},
        lookback=lambda values: values["lag"] + 2,
        unit="percent",
        formula="100·ln(C/C[1]), lag bars ago",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        kernel="price:returns",
    ),
    Family(
        name="roc",
        inputs=("close",),
        parameters={"window": Parameter(10)},
        lookback=window_and_before,
        unit="percent",
        formula="100·(C/C[window] − 1)",
        reference=_MURPHY,
        kernel="price:returns",
    ),
    Family(
        name="close_to_sma",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit="percent",
        formula="100·(C/SMA(C, window) − 1)",
        reference=_MURPHY,
        kernel="price:simple_averages",
    ),
    Family(
        name="close_to_ema",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: memory(span(values["window"])),
        unit="percent",
        formula="100·(C/EMA(C, span window) − 1)",
        reference=_MURPHY,
        kernel="price:exponential_averages",
        recursive=True,
    ),
    Family(
        name="rsi",
        inputs=("close",),
        parameters={"window": Parameter(14, minimum=2)},
        lookback=lambda values: faded(1.0 / values["window"]) + 1,
        warm_up=lambda values: memory(1.0 / values["window"]) + 1,
        unit="0 to 100",
        formula="100·G/(G + L), G and L Wilder means (α = 1/window) of rises and falls of C; "
        "50 where G + L <= 10⁻⁸·C",
        reference="Wilder (1978), New Concepts in Technical Trading Systems",
        kernel="price:relative_strengths",
        recursive=True,
    ),
    Family(
        name="macd",
        inputs=("close",),
        parameters=_SPANS,
        lookback=_macd_lookback,
        unit="percent of the close",
        formula="100·(EMA(C, span fast) − EMA(C, span slow))/C",
        reference=_APPEL,
        kernel="price:convergence",
        recursive=True,
    ),
    Family(
        name="macd_signal",
        inputs=("close",),
        parameters=_SIGNAL,
        lookback=_signal_lookback,
        unit="percent of the close",
        formula="100·EMA(EMA(C, span fast) − EMA(C, span slow), span signal)/C",
        reference=_APPEL,
        kernel="price:convergence",
        recursive=True,
    ),
    Family(
        name="macd_histogram",
        inputs=("close",),
        parameters=_SIGNAL,
        lookback=_signal_lookback,
        unit="percent of the close",
        formula="100·(M − EMA(M, span signal))/C, M = EMA(C, span fast) − EMA(C, span slow)",
        reference=_APPEL,
        kernel="price:convergence",
        recursive=True,
    ),
    Family(
        name="bollinger_position",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit="0 at the lower band, 1 at the upper",
        formula="(C − lower)/(upper − lower), bands SMA(C, window) ± 2·SD(C, window); "
        "0.5 where nothing moved",
        reference=_BOLLINGER,
        kernel="price:bands",
    ),
    Family(
        name="bollinger_width",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit="percent of the average",
        formula="100·4·SD(C, window)/SMA(C, window)",
        reference=_BOLLINGER,
        kernel="price:bands",
    ),
    Family(
        name="stochastic",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(14)},
        lookback=window_bars,
        unit="0 to 1",
        formula="(C − min(L, window))/(max(H, window) − min(L, window)); 0.5 where nothing moved",
        reference="Lane (1984), Lane's Stochastics",
        kernel="price:channel",
    ),
    Family(
        name="close_to_high",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(252)},
        lookback=window_bars,
        unit="percent",
        formula="100·ln(C/max(H, window))",
        reference="George, Hwang (2004), The 52-Week High and Momentum Investing",
        kernel="price:channel",
    ),
)
