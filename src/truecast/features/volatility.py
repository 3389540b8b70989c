"""How much the price moves: from returns, and from a bar's open, high, low and close.

Logarithms are in percent, so variances are in percent² a bar; a bar of a daily series is a day.
"""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import faded, memory, one_bar, window_and_before, window_bars

#: Bars from which the ratio of variances is given, however long its window.
RATIO_WARM_UP = 250
#: Bars of the Garman–Klass deviation in whose units losses and gains are measured.
LEVERAGE_SCALE = 22


def _leverage_window(values: Parameters) -> int:
    return max(values["window"] + 1, LEVERAGE_SCALE)


_RANGES = ("open", "high", "low", "close")
_GARMAN_KLASS = "Garman, Klass (1980), On the Estimation of Security Price Volatilities"
_GK = "GK = 10⁴·(½·ln(H/L)² − (2·ln2 − 1)·ln(C/O)²)"

FAMILIES = (
    Family(
        name="return_sd",
        inputs=("close",),
        parameters={"window": Parameter(22, minimum=2)},
        lookback=window_and_before,
        unit="percent a bar",
        formula="sample SD of 100·ln(C/C[1]) over window bars",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 12.2",
        kernel="volatility:return_deviations",
    ),
    Family(
        name="ewma_sd",
        inputs=("close",),
        parameters={"decay": Parameter(94, minimum=1, maximum=99, meaning="percent kept a bar")},
        lookback=lambda values: faded(1.0 - values["decay"] / 100) + 1,
        warm_up=lambda values: memory(1.0 - values["decay"] / 100) + 1,
        unit="percent a bar",
        formula="√(exponential mean of (100·ln(C/C[1]))², decay % kept a bar)",
        reference="J.P. Morgan, Reuters (1996), RiskMetrics Technical Document, 5.2",
        kernel="volatility:weighted_deviations",
        recursive=True,
    ),
    Family(
        name="log_premium",
        inputs=("close",),
        parameters={"window": Parameter(22, minimum=2)},
        lookback=window_and_before,
        unit="log ratio",
        formula="ln(last known close of the context, percent a year) − "
        "ln(√252 · sample SD of 100·ln(C/C[1]) over window bars)",
        reference="Bollerslev, Tauchen, Zhou (2009), "
        "Expected Stock Returns and Variance Risk Premia",
        kernel="volatility:return_deviations",
        context_inputs=("close",),
    ),
    Family(
        name="atr",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(14, minimum=2)},
        lookback=lambda values: memory(1.0 / values["window"]) + 1,
        unit="percent of the close",
        formula="100·Wilder mean (α = 1/window) of max(H, C[1]) − min(L, C[1]), over C",
        reference="Wilder (1978), New Concepts in Technical Trading Systems",
        kernel="volatility:average_true_ranges",
        recursive=True,
    ),
    Family(
        name="log_range",
        inputs=_RANGES,
        lookback=one_bar,
        unit="percent",
        formula="100·ln(H/L)",
        reference="Parkinson (1980), The Extreme Value Method",
        kernel="volatility:bar_shape",
    ),
    Family(
        name="open_to_close",
        inputs=_RANGES,
        lookback=one_bar,
        unit="percent",
        formula="100·ln(C/O)",
        reference=_GARMAN_KLASS,
        kernel="volatility:bar_shape",
    ),
    Family(
        name="close_in_range",
        inputs=_RANGES,
        lookback=one_bar,
        unit="0 at the low, 1 at the high",
        formula="(C − L)/(H − L); 0.5 where the bar has no range",
        reference="Kakushadze (2016), 101 Formulaic Alphas",
        kernel="volatility:bar_shape",
    ),
    Family(
        name="opening_gap",
        inputs=_RANGES,
        lookback=lambda _: 2,
        unit="percent",
        formula="100·ln(O/C[1])",
        reference="Yang, Zhang (2000), Drift-Independent Volatility Estimation",
        kernel="volatility:bar_shape",
    ),
    Family(
        name="garman_klass",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=window_bars,
        unit="percent a bar",
        formula=f"√(mean of GK over window bars), {_GK}",
        reference=_GARMAN_KLASS,
        kernel="volatility:range_variances",
    ),
    Family(
        name="log_gk",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=window_bars,
        unit="log of percent² a bar",
        formula=f"ln(max(mean of GK over window bars, 10⁻⁴)), {_GK}",
        reference="Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility",
        kernel="volatility:range_variances",
    ),
    Family(
        name="downside",
        inputs=_RANGES,
        parameters={"window": Parameter(1)},
        lookback=_leverage_window,
        unit="standard deviations",
        formula="mean of min(0, 100·ln(C/C[1])) over window bars / "
        f"√(max(mean of GK over 22 bars, 10⁻⁴)), {_GK}",
        reference="Corsi, Renò (2012), Discrete-Time Volatility Forecasting with Leverage Effect",
        kernel="volatility:range_variances",
    ),
    Family(
        name="upside",
        inputs=_RANGES,
        parameters={"window": Parameter(1)},
        lookback=_leverage_window,
        unit="standard deviations",
        formula="mean of max(0, 100·ln(C/C[1])) over window bars / "
        f"√(max(mean of GK over 22 bars, 10⁻⁴)), {_GK}",
        reference="Corsi, Renò (2012), Discrete-Time Volatility Forecasting with Leverage Effect",
        kernel="volatility:range_variances",
    ),
    Family(
        name="gk_ratio",
        inputs=_RANGES,
        parameters={"window": Parameter(1000)},
        lookback=window_and_before,
        warm_up=lambda values: min(values["window"], RATIO_WARM_UP) + 1,
        unit="ratio",
        formula=f"sum of (100·ln(C/C[1]))² / sum of GK over window bars, or over all there are "
        f"from 250 on; {_GK}; NaN where the prices did not move",
        reference="Hansen, Lunde (2005), A Realized Variance for the Whole Day",
        kernel="volatility:range_ratios",
    ),
    Family(
        name="parkinson",
        inputs=("high", "low"),
        parameters={"window": Parameter(22)},
        lookback=window_bars,
        unit="percent a bar",
        formula="100·√(mean of ln(H/L)² over window bars / (4·ln2))",
        reference="Parkinson (1980), The Extreme Value Method",
        kernel="volatility:range_variances",
    ),
    Family(
        name="rogers_satchell",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=window_bars,
        unit="percent a bar",
        formula="100·√(mean of ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O) over window bars)",
        reference="Rogers, Satchell (1991), Estimating Variance from High, Low and Closing Prices",
        kernel="volatility:range_variances",
    ),
    Family(
        name="yang_zhang",
        inputs=_RANGES,
        parameters={"window": Parameter(22, minimum=2)},
        lookback=window_and_before,
        unit="percent a bar",
        formula="100·√(VAR(ln(O/C[1]), n) + k·VAR(ln(C/O), n) + (1 − k)·mean of the "
        "Rogers–Satchell terms), n = window, k = 0.34/(1.34 + (n + 1)/(n − 1))",
        reference="Yang, Zhang (2000), Drift-Independent Volatility Estimation",
        kernel="volatility:range_variances",
    ),
)
