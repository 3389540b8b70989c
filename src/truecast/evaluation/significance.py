"""Whether a difference in loss is more than luck, after counting how many models were tried.

Everything here compares losses on identical dates, oldest first. Positive figures say that the
model is better than the baseline. Neighbouring losses are alike (volatile days cluster, horizons
overlap), so the test's variance is a long-run one.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from truecast.evaluation.arrays import Floats, paired
from truecast.evaluation.bootstrap import improvement, improvement_interval

Verdict = Literal["beats naive", "no skill shown"]

#: Fewer rows than this show no skill, whatever they say.
LEAST_ROWS = 30
#: The share of models without skill that may be called skilled.
SIGNIFICANCE = 0.05


class DieboldMariano(NamedTuple):
    """Outcome of the test.

    Parameters
    ----------
    statistic : float
        With the HLN correction; positive if the model is better than the baseline.
    p_value : float
        Two-sided, from Student's t with n - 1 degrees of freedom.
    lag : int
        Autocovariances of the loss difference that entered its long-run variance.
    """

    statistic: float
    p_value: float
    lag: int


class Versus(BaseModel):
    """A model beside one baseline on one loss.

    ``improvement_pct`` is ``100 (1 - mean loss / baseline's mean loss)`` with its 95% bootstrap
    interval ``ci95``; ``dm`` and ``p_value`` are the Diebold-Mariano test with the HLN correction,
    before any trials are counted; ``n`` counts the rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: str
    metric: str
    improvement_pct: float
    dm: float
    p_value: float
    ci95: tuple[float, float]
    n: int


def bartlett_lag(n: int, horizon: int = 1) -> int:
    """Return how many autocovariances enter the long-run variance.

    Parameters
    ----------
    n : int
        Rows.
    horizon : int
        Bars from a forecast to its outcome; overlapping outcomes correlate up to lag horizon - 1.

    Returns
    -------
    int
        ``max(horizon - 1, floor(4 (n / 100)^(2/9)))``, less than n.

    References
    ----------
    Newey, W. K. and West, K. D. (1994), Review of Economic Studies 61.

    Examples
    --------
    >>> bartlett_lag(1250)
    7
    """
    return min(max(horizon - 1, int(4 * (n / 100) ** (2 / 9))), n - 1)


def diebold_mariano(
    loss_model: ArrayLike, loss_baseline: ArrayLike, horizon: int = 1
) -> DieboldMariano:
    """Test whether two forecasts lose the same on average.

    Parameters
    ----------
    loss_model, loss_baseline : array of float, shape (n,)
        Losses on identical dates, oldest first.
    horizon : int
        Bars from a forecast to its outcome, >= 1.

    Returns
    -------
    DieboldMariano
        Statistic 0 and p 1 where the losses never differ, or there are fewer than two rows or
        too few for the horizon. A constant difference has no sampling error: its statistic is
        infinite in the limit, and is given as 0 and 1 too, since it tells nothing of luck.

    Raises
    ------
    EvaluationError
        If the losses do not pair up or are not finite.

    References
    ----------
    Diebold, F. X. and Mariano, R. S. (1995), JBES 13; Harvey, D., Leybourne, S. and Newbold, P.
    (1997), International Journal of Forecasting 13.
    """
    model, baseline = paired(loss_model, loss_baseline)
    n = len(model)
    difference = baseline - model
    lag = bartlett_lag(n, horizon)
    if n < 2 * horizon or np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return DieboldMariano(0.0, 1.0, lag)
    from scipy.special import stdtr

    error = np.sqrt(long_run_variance(difference, lag) / n)
    small_sample = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = float(difference.mean() / error * small_sample)
    return DieboldMariano(statistic, float(2 * stdtr(n - 1, -abs(statistic))), lag)


def long_run_variance(values: Floats, lag: int) -> float:
    """Return the variance of a mean times the number of rows, with neighbours counted.

    Parameters
    ----------
    values : array of float, shape (n,)
        In time order.
    lag : int
        Autocovariances that enter, by Bartlett's weights: so it cannot be negative.

    References
    ----------
    Newey, W. K. and West, K. D. (1987), Econometrica 55.
    """
    centred = values - values.mean()
    n = len(centred)
    total = float(centred @ centred)
    for step in range(1, lag + 1):
        total += 2 * (1 - step / (lag + 1)) * float(centred[step:] @ centred[:-step])
    return total / n


def compare(
    baseline: str,
    metric: str,
    loss_model: ArrayLike,
    loss_baseline: ArrayLike,
    *,
    horizon: int = 1,
    seed: int = 0,
) -> Versus:
    """Put a model beside a baseline: improvement, its interval, and the test.

    Parameters
    ----------
    baseline, metric : str
        Names, for the scorecard.
    loss_model, loss_baseline : array of float, shape (n,)
        Losses on identical dates, oldest first.
    horizon : int
        Bars from a forecast to its outcome.
    seed : int
        Of the bootstrap.

    Raises
    ------
    EvaluationError
        If the losses do not pair up or are not finite.
    """
    test = diebold_mariano(loss_model, loss_baseline, horizon)
    return Versus(
        baseline=baseline,
        metric=metric,
        improvement_pct=improvement(loss_model, loss_baseline),
        dm=test.statistic,
        p_value=test.p_value,
        ci95=improvement_interval(loss_model, loss_baseline, horizon=horizon, seed=seed),
        n=len(np.asarray(loss_model)),
    )


def adjusted_p(p_value: float, trials: int) -> float:
    """Return the p-value after counting the trials, by Bonferroni: ``min(1, p * trials)``.

    Parameters
    ----------
    p_value : float
        Of one comparison, in [0, 1].
    trials : int
        How many models were compared on these dates, this one included, >= 1.

    Raises
    ------
    ValueError
        If there is not even one trial.

    Notes
    -----
    It holds however the trials depend on each other, so it is conservative for models that are
    alike.
    """
    if trials < 1:
        raise ValueError(f"expected at least one trial, the model itself; got {trials}")
    return min(1.0, p_value * trials)


def verdict(versus: Sequence[Versus], trials: int) -> Verdict:
    """Say whether a model beats the naive forecasts.

    Parameters
    ----------
    versus : sequence of Versus
        The model beside each naive baseline, on the loss that decides.
    trials : int
        How many models were compared on these dates, this one included, >= 1.

    Returns
    -------
    {"beats naive", "no skill shown"}
        ``beats naive`` only if, beside every one of them, the improvement is positive, its 95%
        interval excludes zero, and ``p * trials < 0.05``. Without a baseline, or with fewer than
        :data:`LEAST_ROWS` rows, no skill is shown.
    """
    beats = [
        one.n >= LEAST_ROWS
        and one.improvement_pct > 0
        and one.ci95[0] > 0
        and adjusted_p(one.p_value, trials) < SIGNIFICANCE
        for one in versus
    ]
    return "beats naive" if beats and all(beats) else "no skill shown"
