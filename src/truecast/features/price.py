"""Where the price stands and how it moved: returns, averages, oscillators, bands.

All are scale-free: multiplying every price by a constant changes none of them.
"""

import math

from truecast.features import kernels
from truecast.features.block import Block
from truecast.features.declaration import Column, Family, Parameter, Parameters


def memory(alpha: float) -> int:
    """Return after how many bars an exponential mean has forgotten what came before.

    Parameters
    ----------
    alpha : float
        Weight of the newest bar, in (0, 1).

    Returns
    -------
    int
        The smallest L with (1−α)ᴸ <= 2⁻⁵⁰: the rest is below the last bits of a float64.

    Examples
    --------
    >>> memory(1 / 14), memory(2 / 27)
    (468, 451)
    """
    return math.ceil(50 * math.log(2) / -math.log1p(-alpha))


def span(window: int) -> float:
    """Return the weight of the newest bar in an exponential mean of this span: 2/(n + 1)."""
    return 2.0 / (window + 1)


def compute_returns(block: Block) -> None:
    """Compute log returns, their lags, and rates of change.

    One logarithm for each number of bars, whatever is asked for.
    """
    close = block.input("close")
    logs: dict[int, Column] = {}
    for window in block.windows("log_return"):
        logs[window] = block.now(block.scratch())
        then = block.before(close, window)
        kernels.log_ratio(block.now(close), then, 100.0, logs[window])
    for values, out in block.wanted("log_return"):
        kernels.scaled(logs[values["window"]], 1.0, math.inf, out)
    if block.wants("return_lag"):
        returns = block.log_returns()
        for values, out in block.wanted("return_lag"):
            kernels.scaled(block.before(returns, values["lag"]), 1.0, math.inf, out)
    for values, out in block.wanted("roc"):
        then = block.before(close, values["window"])
        kernels.relative_difference(block.now(close), then, 1.0, out)


def compute_averages(block: Block) -> None:
    """Compute distances from simple and exponential moving averages of the close."""
    close = block.input("close")
    now = block.now(close)
    windows = block.windows("close_to_sma")
    sums = block.sums(close, windows) if windows else {}
    for values, out in block.wanted("close_to_sma"):
        window = values["window"]
        kernels.relative_difference(now, block.now(sums[window]), 1.0 / window, out)
    for values, out in block.wanted("close_to_ema"):
        mean = block.exponential_mean(close, span(values["window"]))
        kernels.relative_difference(now, block.now(mean), 1.0, out)


def compute_rsi(block: Block) -> None:
    """Compute Wilder's relative strength index."""
    close, gain, loss = block.input("close"), block.scratch(), block.scratch()
    gain[0] = loss[0] = math.nan
    kernels.moves(close[1:], close[:-1], gain[1:], loss[1:])
    for values, out in block.wanted("rsi"):
        alpha = 1.0 / values["window"]
        gains, losses = block.exponential_mean(gain, alpha), block.exponential_mean(loss, alpha)
        kernels.relative_strength(block.now(gains), block.now(losses), out)


def compute_macd(block: Block) -> None:
    """Compute moving average convergence and divergence, its signal and their difference."""
    close = block.input("close")
    now = block.now(close)
    means: dict[int, Column] = {}
    lines: dict[tuple[int, ...], Column] = {}

    def mean(window: int) -> Column:
        if window not in means:
            means[window] = block.exponential_mean(close, span(window))
        return means[window]

    def line(values: Parameters) -> Column:
        key = (values["fast"], values["slow"])
        if key not in lines:
            lines[key] = block.scratch()
            kernels.difference(mean(key[0]), mean(key[1]), lines[key])
        return lines[key]

    def signal(values: Parameters) -> Column:
        key = (values["fast"], values["slow"], values["signal"])
        if key not in lines:
            lines[key] = block.exponential_mean(line(values), span(key[2]))
        return lines[key]

    for values, out in block.wanted("macd"):
        kernels.quotient(block.now(line(values)), now, 100.0, out)
    for values, out in block.wanted("macd_signal"):
        kernels.quotient(block.now(signal(values)), now, 100.0, out)
    for values, out in block.wanted("macd_histogram"):
        gap = block.scratch()
        kernels.difference(line(values), signal(values), gap)
        kernels.quotient(block.now(gap), now, 100.0, out)


def compute_bollinger(block: Block) -> None:
    """Compute the place of the close in its Bollinger bands, and their width."""
    close = block.input("close")
    moments = block.moments(close, block.windows("bollinger_position", "bollinger_width"))
    now = block.now(close)
    for values, out in block.wanted("bollinger_position"):
        window = values["window"]
        total, squares = moments[window]
        kernels.band_position(now, block.now(total), block.now(squares), window, out)
    for values, out in block.wanted("bollinger_width"):
        window = values["window"]
        total, squares = moments[window]
        kernels.band_width(block.now(total), block.now(squares), window, out)


def compute_channel(block: Block) -> None:
    """Compute where the close lies between the highest high and the lowest low."""
    close, high, low = block.input("close"), block.input("high"), block.input("low")
    highest = {
        window: block.highest(high, window)
        for window in block.windows("stochastic", "close_to_high")
    }
    for values, out in block.wanted("stochastic"):
        window = values["window"]
        lowest = block.lowest(low, window)
        kernels.place_between(
            block.now(close), block.now(lowest), block.now(highest[window]), 0.5, out
        )
    for values, out in block.wanted("close_to_high"):
        kernels.log_ratio(block.now(close), block.now(highest[values["window"]]), 100.0, out)


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
        lookback=lambda values: values["window"] + 1,
        unit="percent",
        formula="100·ln(C/C[window])",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        compute=compute_returns,
    ),
    Family(
        name="return_lag",
        inputs=("close",),
        parameters={"lag": Parameter(1)},
        lookback=lambda values: values["lag"] + 2,
        unit="percent",
        formula="100·ln(C/C[1]), lag bars ago",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
        compute=compute_returns,
    ),
    Family(
        name="roc",
        inputs=("close",),
        parameters={"window": Parameter(10)},
        lookback=lambda values: values["window"] + 1,
        unit="percent",
        formula="100·(C/C[window] − 1)",
        reference=_MURPHY,
        compute=compute_returns,
    ),
    Family(
        name="close_to_sma",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: values["window"],
        unit="percent",
        formula="100·(C/SMA(C, window) − 1)",
        reference=_MURPHY,
        compute=compute_averages,
    ),
    Family(
        name="close_to_ema",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: memory(span(values["window"])),
        unit="percent",
        formula="100·(C/EMA(C, span window) − 1)",
        reference=_MURPHY,
        compute=compute_averages,
        recursive=True,
    ),
    Family(
        name="rsi",
        inputs=("close",),
        parameters={"window": Parameter(14, minimum=2)},
        lookback=lambda values: memory(1.0 / values["window"]) + 1,
        unit="0 to 100",
        formula="100·G/(G + L), G and L Wilder means (α = 1/window) of rises and falls of C; "
        "50 where nothing moved",
        reference="Wilder (1978), New Concepts in Technical Trading Systems",
        compute=compute_rsi,
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
        compute=compute_macd,
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
        compute=compute_macd,
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
        compute=compute_macd,
        recursive=True,
    ),
    Family(
        name="bollinger_position",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: values["window"],
        unit="0 at the lower band, 1 at the upper",
        formula="(C − lower)/(upper − lower), bands SMA(C, window) ± 2·SD(C, window); "
        "0.5 where nothing moved",
        reference=_BOLLINGER,
        compute=compute_bollinger,
    ),
    Family(
        name="bollinger_width",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: values["window"],
        unit="percent of the average",
        formula="100·4·SD(C, window)/SMA(C, window)",
        reference=_BOLLINGER,
        compute=compute_bollinger,
    ),
    Family(
        name="stochastic",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(14)},
        lookback=lambda values: values["window"],
        unit="0 to 1",
        formula="(C − min(L, window))/(max(H, window) − min(L, window)); 0.5 where nothing moved",
        reference="Lane (1984), Lane's Stochastics",
        compute=compute_channel,
    ),
    Family(
        name="close_to_high",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(252)},
        lookback=lambda values: values["window"],
        unit="percent",
        formula="100·ln(C/max(H, window))",
        reference="George, Hwang (2004), The 52-Week High and Momentum Investing",
        compute=compute_channel,
    ),
)
