"""How much the price moves: from returns, and from a bar's open, high, low and close.

Logarithms are in percent, so variances are in percent² a bar; a bar of a daily series is a day.
"""

import math

from truecast.core.units import VARIANCE_FLOOR
from truecast.features import kernels
from truecast.features.block import Block
from truecast.features.declaration import Column, Family, Parameter, Parameters
from truecast.features.price import memory

SESSIONS_A_YEAR = 252
#: Bars from which the ratio of variances is given, however long its window.
RATIO_WARM_UP = 250
#: Bars of the Garman–Klass deviation in whose units losses and gains are measured.
LEVERAGE_SCALE = 22


def compute_return_spread(block: Block) -> None:
    """Compute standard deviations of 1-bar log returns."""
    returns = block.log_returns()
    windows = block.windows("return_sd", "log_premium")
    moments = block.moments(returns, windows) if windows else {}
    for values, out in block.wanted("return_sd"):
        window = values["window"]
        kernels.root_of(block.now(moments[window][1]), 1.0 / (window - 1), out)
    for values, of, out in block.wanted_of("log_premium"):
        window = values["window"]
        squares, scale = block.now(moments[window][1]), SESSIONS_A_YEAR / (window - 1)
        level = block.now(block.input(f"{of}:close"))
        kernels.log_premium(level, squares, scale, SESSIONS_A_YEAR * VARIANCE_FLOOR, out)
    if not block.wants("ewma_sd"):
        return
    squared = block.scratch()
    kernels.square(returns, squared)
    for values, out in block.wanted("ewma_sd"):
        mean = block.exponential_mean(squared, 1.0 - values["decay"] / 100)
        kernels.root_of(block.now(mean), 1.0, out)


def compute_true_range(block: Block) -> None:
    """Compute Wilder's average true range relative to the close."""
    high, low, close = block.input("high"), block.input("low"), block.input("close")
    reach = block.scratch()
    reach[0] = math.nan
    kernels.true_range(high[1:], low[1:], close[:-1], reach[1:])
    for values, out in block.wanted("atr"):
        mean = block.exponential_mean(reach, 1.0 / values["window"])
        kernels.quotient(block.now(mean), block.now(close), 100.0, out)


def compute_bar_shape(block: Block) -> None:
    """Compute what one bar looks like: its range, its body, the place of its close, its gap."""
    opened, close = block.input("open"), block.input("close")
    high, low = block.input("high"), block.input("low")
    now = block.now(close)
    for _, out in block.wanted("log_range"):
        kernels.log_ratio(block.now(high), block.now(low), 100.0, out)
    for _, out in block.wanted("open_to_close"):
        kernels.log_ratio(now, block.now(opened), 100.0, out)
    for _, out in block.wanted("close_in_range"):
        kernels.place_between(now, block.now(low), block.now(high), 0.5, out)
    for _, out in block.wanted("opening_gap"):
        kernels.log_ratio(block.now(opened), block.before(close, 1), 100.0, out)


def compute_range_variances(block: Block) -> None:
    """Compute variances from ranges, all from the same logarithms relative to the open."""
    opened = block.input("open")
    high = block.log_ratio(block.input("high"), opened, 100.0)
    low = block.log_ratio(block.input("low"), opened, 100.0)
    close = block.log_ratio(block.input("close"), opened, 100.0)
    if block.wants("garman_klass", "log_gk", "gk_ratio", "downside", "upside"):
        _garman_klass(block, high, low, close)
    if block.wants("parkinson"):
        _parkinson(block, high, low)
    if block.wants("rogers_satchell", "yang_zhang"):
        _rogers_satchell(block, high, low, close)


def _garman_klass(block: Block, high: Column, low: Column, close: Column) -> None:
    term = block.scratch()
    kernels.garman_klass_term(high, low, close, term)
    windows = {*block.windows("garman_klass", "log_gk"), LEVERAGE_SCALE}
    sums = block.sums(term, sorted(windows))
    for values, out in block.wanted("garman_klass"):
        window = values["window"]
        kernels.root_of(block.now(sums[window]), 1.0 / window, out)
    for values, out in block.wanted("log_gk"):
        window = values["window"]
        kernels.scaled_log(block.now(sums[window]), 1.0 / window, VARIANCE_FLOOR, out)
    if block.wants("gk_ratio"):
        _close_to_close(block, term)
    for family, sign in (("downside", 1.0), ("upside", -1.0)):
        if block.wants(family):
            _one_sided(block, family, sign, block.now(sums[LEVERAGE_SCALE]))


def _close_to_close(block: Block, term: Column) -> None:
    """Write the ratio of squared returns to Garman–Klass variances over bars that have both."""
    squared, returns, ranges = block.scratch(), block.scratch(), block.scratch()
    kernels.square(block.log_returns(), squared)
    kernels.paired(squared, term, returns, ranges)
    windows = block.windows("gk_ratio")
    totals, bases = block.sums(returns, windows), block.sums(ranges, windows)
    for values, out in block.wanted("gk_ratio"):
        window = values["window"]
        kernels.quotient(block.now(totals[window]), block.now(bases[window]), 1.0, out)


def _one_sided(block: Block, family: str, sign: float, squares: Column) -> None:
    """Write mean losses (sign 1) or gains (sign −1) in units of the Garman–Klass deviation."""
    part = block.scratch()
    kernels.scaled(block.log_returns(), sign, 0.0, part)
    totals = block.sums(part, block.windows(family))
    for values, out in block.wanted(family):
        window = values["window"]
        scale, each = sign / window, 1.0 / LEVERAGE_SCALE
        total = block.now(totals[window])
        kernels.over_root(total, scale, squares, each, VARIANCE_FLOOR, out)


def _parkinson(block: Block, high: Column, low: Column) -> None:
    width, term = block.scratch(), block.scratch()
    kernels.difference(high, low, width)
    kernels.square(width, term)
    sums = block.sums(term, block.windows("parkinson"))
    for values, out in block.wanted("parkinson"):
        scale = 1.0 / (4.0 * math.log(2.0) * values["window"])
        kernels.root_of(block.now(sums[values["window"]]), scale, out)


def _rogers_satchell(block: Block, high: Column, low: Column, close: Column) -> None:
    term = block.scratch()
    kernels.rogers_satchell_term(high, low, close, term)
    sums = block.sums(term, block.windows("rogers_satchell", "yang_zhang"))
    for values, out in block.wanted("rogers_satchell"):
        window = values["window"]
        kernels.root_of(block.now(sums[window]), 1.0 / window, out)
    if not block.wants("yang_zhang"):
        return
    gap = block.scratch()
    gap[0] = math.nan
    kernels.log_ratio(block.input("open")[1:], block.input("close")[:-1], 100.0, gap[1:])
    windows = block.windows("yang_zhang")
    gaps, bodies = block.moments(gap, windows), block.moments(close, windows)
    for values, out in block.wanted("yang_zhang"):
        window = values["window"]
        share = 0.34 / (1.34 + (window + 1) / (window - 1))
        kernels.root_of_sum(
            block.now(gaps[window][1]),
            block.now(bodies[window][1]),
            block.now(sums[window]),
            1.0 / (window - 1),
            share / (window - 1),
            (1.0 - share) / window,
            out,
        )


def _window(values: Parameters) -> int:
    return values["window"]


def _window_and_before(values: Parameters) -> int:
    return values["window"] + 1


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
        lookback=_window_and_before,
        unit="percent a bar",
        formula="sample SD of 100·ln(C/C[1]) over window bars",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 12.2",
        compute=compute_return_spread,
    ),
    Family(
        name="ewma_sd",
        inputs=("close",),
        parameters={"decay": Parameter(94, minimum=1, maximum=99, meaning="percent kept a bar")},
        lookback=lambda values: memory(1.0 - values["decay"] / 100) + 1,
        unit="percent a bar",
        formula="√(exponential mean of (100·ln(C/C[1]))², decay % kept a bar)",
        reference="J.P. Morgan, Reuters (1996), RiskMetrics Technical Document, 5.2",
        compute=compute_return_spread,
        recursive=True,
    ),
    Family(
        name="log_premium",
        inputs=("close",),
        parameters={"window": Parameter(22, minimum=2)},
        lookback=_window_and_before,
        unit="log ratio",
        formula="ln(last known close of the context, percent a year) − "
        "ln(√252 · sample SD of 100·ln(C/C[1]) over window bars)",
        reference="Bollerslev, Tauchen, Zhou (2009), "
        "Expected Stock Returns and Variance Risk Premia",
        compute=compute_return_spread,
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
        compute=compute_true_range,
        recursive=True,
    ),
    Family(
        name="log_range",
        inputs=_RANGES,
        lookback=lambda _: 1,
        unit="percent",
        formula="100·ln(H/L)",
        reference="Parkinson (1980), The Extreme Value Method",
        compute=compute_bar_shape,
    ),
    Family(
        name="open_to_close",
        inputs=_RANGES,
        lookback=lambda _: 1,
        unit="percent",
        formula="100·ln(C/O)",
        reference=_GARMAN_KLASS,
        compute=compute_bar_shape,
    ),
    Family(
        name="close_in_range",
        inputs=_RANGES,
        lookback=lambda _: 1,
        unit="0 at the low, 1 at the high",
        formula="(C − L)/(H − L); 0.5 where the bar has no range",
        reference="Kakushadze (2016), 101 Formulaic Alphas",
        compute=compute_bar_shape,
    ),
    Family(
        name="opening_gap",
        inputs=_RANGES,
        lookback=lambda _: 2,
        unit="percent",
        formula="100·ln(O/C[1])",
        reference="Yang, Zhang (2000), Drift-Independent Volatility Estimation",
        compute=compute_bar_shape,
    ),
    Family(
        name="garman_klass",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=_window,
        unit="percent a bar",
        formula=f"√(mean of GK over window bars), {_GK}",
        reference=_GARMAN_KLASS,
        compute=compute_range_variances,
    ),
    Family(
        name="log_gk",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=_window,
        unit="log of percent² a bar",
        formula=f"ln(max(mean of GK over window bars, 10⁻⁴)), {_GK}",
        reference="Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility",
        compute=compute_range_variances,
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
        compute=compute_range_variances,
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
        compute=compute_range_variances,
    ),
    Family(
        name="gk_ratio",
        inputs=_RANGES,
        parameters={"window": Parameter(1000)},
        lookback=_window_and_before,
        warm_up=lambda values: min(values["window"], RATIO_WARM_UP) + 1,
        unit="ratio",
        formula=f"sum of (100·ln(C/C[1]))² / sum of GK over window bars, or over all there are "
        f"from 250 on; {_GK}; NaN where the prices did not move",
        reference="Hansen, Lunde (2005), A Realized Variance for the Whole Day",
        compute=compute_range_variances,
    ),
    Family(
        name="parkinson",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=_window,
        unit="percent a bar",
        formula="100·√(mean of ln(H/L)² over window bars / (4·ln2))",
        reference="Parkinson (1980), The Extreme Value Method",
        compute=compute_range_variances,
    ),
    Family(
        name="rogers_satchell",
        inputs=_RANGES,
        parameters={"window": Parameter(22)},
        lookback=_window,
        unit="percent a bar",
        formula="100·√(mean of ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O) over window bars)",
        reference="Rogers, Satchell (1991), Estimating Variance from High, Low and Closing Prices",
        compute=compute_range_variances,
    ),
    Family(
        name="yang_zhang",
        inputs=_RANGES,
        parameters={"window": Parameter(22, minimum=2)},
        lookback=_window_and_before,
        unit="percent a bar",
        formula="100·√(VAR(ln(O/C[1]), n) + k·VAR(ln(C/O), n) + (1 − k)·mean of the "
        "Rogers–Satchell terms), n = window, k = 0.34/(1.34 + (n + 1)/(n − 1))",
        reference="Yang, Zhang (2000), Drift-Independent Volatility Estimation",
        compute=compute_range_variances,
    ),
)
