"""What trading by the forecasts would have made: an illustration, never part of a verdict.

A trade is opened at the close of the bar that was forecast from, and closed at that of the bar
that settles the forecast; the next begins when it has ended. So trades do not overlap, whatever
the horizon, and each return is counted once. Nobody can trade exactly at the close that a decision
follows, at any size, for a fixed cost: that is why it is an illustration.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from truecast.evaluation.arrays import Floats, finite
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.scorecard import BacktestCard
from truecast.evaluation.slots import SlotForecasts, Trading

_EULER: Final = 0.5772156649015329


def backtest_of(slot: SlotForecasts, name: str) -> BacktestCard | None:
    """Trade by one model's forecasts; None where they do not say which way, and for a pool.

    Parameters
    ----------
    slot : SlotForecasts
        Forecasts with :class:`truecast.evaluation.slots.Trading`.
    name : str
        One of its models.
    """
    trading = _trading(slot)
    if trading is None:
        return None
    return trade(slot, trading, positions(slot, trading, name), trials=slot.trials)


def buy_and_hold(slot: SlotForecasts) -> BacktestCard | None:
    """Hold one unit all the time that models trade; None where they do not."""
    trading = _trading(slot)
    if trading is None:
        return None
    return trade(slot, trading, np.ones(len(slot.event_time)), trials=1)


def _trading(slot: SlotForecasts) -> Trading | None:
    """Return what trades are made from; one capital trades one instrument, so not in a pool."""
    return None if slot.pooled or slot.target in {"volatility", "regime"} else slot.trading


def positions(slot: SlotForecasts, trading: Trading, name: str) -> Floats:
    """Return the share of the capital that a forecast puts at risk, shape (n,), in [-1, 1].

    Notes
    -----
    ``sign``: 1 where a rise is forecast (a probability above 0.5), -1 for a fall, 0 for neither.
    ``size``: the return forecast over the standard deviation that was expected of it at
    ``as_of``, or twice the probability less one; cut off at 1.
    """
    values = finite(slot.forecasts[name], f"{slot.slot}: forecasts of {name}")
    if slot.target == "direction":
        leaning = 2 * values - 1
    elif slot.target == "price":
        if slot.last_close is None:
            raise EvaluationError(f"{slot.slot}: prices need last_close to be traded by")
        leaning = 100 * np.log(values / slot.last_close)
    else:
        leaning = values
    if trading.position == "sign":
        return np.sign(leaning)
    if slot.target != "direction":
        if slot.volatility is None:
            raise EvaluationError(f"{slot.slot}: sizes need the volatility known at each as_of")
        leaning = leaning / (slot.volatility * np.sqrt(slot.horizon))
    return np.clip(leaning, -1.0, 1.0)


def trade(slot: SlotForecasts, trading: Trading, position: Floats, *, trials: int) -> BacktestCard:
    """Follow the positions and say what is left.

    Parameters
    ----------
    slot : SlotForecasts
        Whose rows they are.
    trading : Trading
        Returns, moments and costs of the same rows.
    position : array of float, shape (n,), in [-1, 1]
        As of each row.
    trials : int
        Over how many the Sharpe ratio is deflated.

    Notes
    -----
    A trade gains ``position (exp(r / 100) - 1)``. Turnover is the change of the position: from
    trade to trade where one begins as the other ends, else out of the old and into the new. Each
    unit of it costs ``cost_bps``. Gains within a session are added up, and sessions compounded.
    The Sharpe ratio is that of these, without a rate of interest.
    """
    rows = apart(slot.event_time, trading.due)
    held = position[rows]
    gross = held * np.expm1(trading.log_return[rows] / 100)
    turnover = _turnover(held, slot.event_time[rows], trading.due[rows])
    cost = turnover * trading.cost_bps / 1e4
    gains = [_by_session(values, slot.session[rows]) for values in (gross, gross - cost)]
    net = gains[1]
    worth = np.cumprod(np.maximum(1 + net, 0.0))
    highest = np.maximum.accumulate(np.concatenate([[1.0], worth]))[1:]
    years = trading.years
    sharpe = sharpe_ratio(net)
    return BacktestCard(
        position=trading.position,
        cost_bps=trading.cost_bps,
        trades=int(np.count_nonzero(held)),
        years=years,
        gross_return_pct=100 * float(np.prod(np.maximum(1 + gains[0], 0.0)) - 1),
        net_return_pct=100 * float(worth[-1] - 1),
        turnover_a_year=float(turnover.sum()) / years,
        max_drawdown_pct=100 * float(np.min(worth / highest - 1)),
        sharpe=None if sharpe is None else sharpe * float(np.sqrt(len(net) / years)),
        deflated_sharpe=deflated_sharpe(net, trials),
        trials=trials,
    )


def apart(event_time: NDArray[np.datetime64], due: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Return rows, the first one included, each of which begins when the one before has ended.

    Parameters
    ----------
    event_time, due : array of datetime64, shape (n,), increasing
        When each row's bar closes, and that of its outcome.

    Examples
    --------
    >>> days = np.arange("2024-01-01", "2024-01-09", dtype="datetime64[D]")
    >>> apart(days[:-3], days[3:]).tolist()
    [0, 3]
    """
    following = np.searchsorted(event_time, due, side="left").tolist()
    rows, row = [], 0
    while row < len(event_time):
        rows.append(row)
        row = max(row + 1, following[row])
    return np.array(rows, dtype=np.intp)


def _turnover(held: Floats, begins: NDArray[np.datetime64], ends: NDArray[np.datetime64]) -> Floats:
    """Return what is bought and sold to enter each trade, and after it where none follows on."""
    follows = begins[1:] == ends[:-1]
    before = np.concatenate([[0.0], np.where(follows, held[:-1], 0.0)])
    leaving = np.concatenate([np.where(follows, 0.0, np.abs(held[:-1])), [abs(held[-1])]])
    return np.asarray(np.abs(held - before) + leaving, dtype=np.float64)


def _by_session(values: Floats, session: NDArray[np.datetime64]) -> Floats:
    _, place = np.unique(session, return_inverse=True)
    return np.asarray(np.bincount(place, weights=values), dtype=np.float64)


def sharpe_ratio(returns: ArrayLike) -> float | None:
    """Return mean over standard deviation, for one period; None where returns do not differ."""
    values = finite(returns, "returns")
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()) / spread if spread > 1e-15 else None


def luckiest_sharpe(trials: int, deviation: float) -> float:
    r"""Return the Sharpe ratio that the best of so many trials without skill is expected to have.

    Parameters
    ----------
    trials : int
        At least 1; one trial expects zero.
    deviation : float
        Standard deviation of the trials' Sharpe ratios, of the same period.

    Notes
    -----
    :math:`\sigma [(1-\gamma) Z^{-1}(1 - 1/N) + \gamma Z^{-1}(1 - 1/(N e))]` with Euler's
    :math:`\gamma`.
    """
    if trials < 2:
        return 0.0
    from scipy.special import ndtri

    first, second = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * math.e))
    return float(deviation * ((1 - _EULER) * first + _EULER * second))


def deflated_sharpe(
    returns: ArrayLike, trials: int, deviation: float | None = None
) -> float | None:
    r"""Return the probability that the true Sharpe ratio is above what luck gives the best trial.

    Parameters
    ----------
    returns : array of float, shape (n,)
        Of one period each.
    trials : int
        How many strategies were tried on these dates, this one included.
    deviation : float or None
        Standard deviation of their Sharpe ratios a period. None for what independent trials
        without skill have, :math:`1/\sqrt{n-1}`: those of others are not known here.

    Returns
    -------
    float or None
        In [0, 1]; skill is claimed above 0.95 at the earliest. None where returns do not differ.

    References
    ----------
    Bailey, D. H. and Lopez de Prado, M. (2014), "The deflated Sharpe ratio: correcting for
    selection bias, backtest overfitting and non-normality", Journal of Portfolio Management 40.
    """
    values = finite(returns, "returns")
    sharpe = sharpe_ratio(values)
    if sharpe is None:
        return None
    scaled = (values - values.mean()) / values.std()
    skewness, kurtosis = float(np.mean(scaled**3)), float(np.mean(scaled**4))
    n = len(values)
    luck = luckiest_sharpe(trials, 1 / np.sqrt(n - 1) if deviation is None else deviation)
    return probabilistic_sharpe(sharpe, luck, n, skewness, kurtosis)


def probabilistic_sharpe(
    sharpe: float, threshold: float, n: int, skewness: float, kurtosis: float
) -> float:
    """Return the probability that the true Sharpe ratio of a period is above a threshold.

    Parameters
    ----------
    sharpe, threshold : float
        Of one period.
    n : int
        Periods.
    skewness, kurtosis : float
        Of the returns; a normal distribution has 0 and 3.
    """
    from scipy.special import ndtr

    variance = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return float(ndtr((sharpe - threshold) * np.sqrt((n - 1) / max(variance, 1e-12))))
