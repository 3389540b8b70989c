"""Losses of point forecasts, one a row, and the metrics that a recipe may select by.

A row's loss uses that row's outcome and forecast only. An outcome is known when its horizon has
passed; so a loss may be used for selection at ``as_of`` only if the outcome's ``known_at`` is not
later. Means of losses are plain means over rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from truecast.core.names import Registry
from truecast.core.units import VARIANCE_FLOOR
from truecast.evaluation.arrays import Floats, by_session, finite, paired
from truecast.evaluation.errors import EvaluationError
from truecast.evaluation.probabilities import accuracy, auc, brier_loss, log_loss


def absolute_error(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Return ``|y - f|``, shape (n,), in the unit of the outcomes.

    Raises
    ------
    EvaluationError
        If the arrays do not pair up or hold a value that is not finite.

    Examples
    --------
    >>> absolute_error([1.0, 2.0], [1.5, 1.0]).tolist()
    [0.5, 1.0]
    """
    y, f = paired(outcomes, forecasts)
    return np.abs(y - f)


def squared_error(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Return ``(y - f)^2``, shape (n,), in the squared unit of the outcomes.

    Raises
    ------
    EvaluationError
        If the arrays do not pair up or hold a value that is not finite.
    """
    y, f = paired(outcomes, forecasts)
    return np.square(y - f)


def absolute_percentage_error(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Return ``100 |y - f| / |y|``, shape (n,), in percent.

    Raises
    ------
    EvaluationError
        If the arrays do not pair up, a value is not finite, or an outcome is zero.
    """
    y, f = paired(outcomes, forecasts)
    if not y.all():
        raise EvaluationError(
            f"a percentage error is not defined for an outcome of zero (row "
            f"{np.flatnonzero(y == 0)[0]}): select by mae or rmse instead"
        )
    return 100.0 * np.abs((y - f) / y)


def qlike(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    r"""Return the QLIKE loss of variance forecasts, shape (n,), no unit, zero if perfect.

    Parameters
    ----------
    outcomes : array of float, shape (n,), percent^2 a day, >= 0
        Realised variance by a proxy; floored at :data:`VARIANCE_FLOOR`.
    forecasts : array of float, shape (n,), percent^2 a day, > 0
        Variance as forecast.

    Raises
    ------
    EvaluationError
        If the arrays do not pair up, or a forecast is not above zero.

    Notes
    -----
    :math:`x/h - \ln(x/h) - 1`. It ranks forecasts by a noisy but unbiased proxy of variance as it
    would by the variance itself.

    References
    ----------
    Patton, A. J. (2011), "Volatility forecast comparison using imperfect volatility proxies",
    Journal of Econometrics 160.

    Examples
    --------
    >>> qlike([1.0], [1.0]).tolist()
    [0.0]
    """
    x, h = paired(outcomes, forecasts)
    if h.min() <= 0:
        raise EvaluationError(
            f"expected variance forecasts above zero, got {h.min():g} in row {h.argmin()}"
        )
    ratio = np.maximum(x, VARIANCE_FLOOR) / h
    return ratio - np.log(ratio) - 1.0


def wrong(outcomes: ArrayLike, forecasts: ArrayLike) -> Floats:
    """Return 1 where another regime came than was forecast, else 0, shape (n,).

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,)
        Codes: 0 bear, 1 neutral, 2 bull.

    Raises
    ------
    EvaluationError
        If the arrays do not pair up.

    Examples
    --------
    >>> wrong([0, 1, 2], [0, 2, 2]).tolist()
    [0.0, 1.0, 0.0]
    """
    y, f = paired(outcomes, forecasts)
    return np.asarray(y != f, dtype=np.float64)


def balanced_accuracy(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
    """Return the mean over regimes of the share of its rows that were forecast right.

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,)
        Codes: 0 bear, 1 neutral, 2 bull. A regime that never came does not count.

    Returns
    -------
    float
        In [0, 1]; of three regimes a constant forecast has 1/3, however often it is right.

    References
    ----------
    Brodersen, K. H. et al. (2010), "The balanced accuracy and its posterior distribution", ICPR.

    Examples
    --------
    >>> balanced_accuracy([0, 1, 1, 2], [1, 1, 1, 2])
    0.6666666666666666
    """
    y, f = paired(outcomes, forecasts)
    return float(np.mean([np.mean(f[y == regime] == regime) for regime in np.unique(y)]))


def naive_scale(values: ArrayLike, horizon: int = 1) -> float:
    """Return the mean absolute change over the horizon: the in-sample loss of no change.

    Parameters
    ----------
    values : array of float, shape (n,), n > horizon
        The series before the first forecast, one value a bar.
    horizon : int
        Bars from a forecast to its outcome.

    Raises
    ------
    EvaluationError
        If the series is too short, or never changes.
    """
    series = finite(values, "the series before the first forecast")
    if len(series) <= horizon:
        raise EvaluationError(
            f"expected more than {horizon} values before the first forecast, got {len(series)}"
        )
    scale = float(np.mean(np.abs(series[horizon:] - series[:-horizon])))
    if scale == 0:
        raise EvaluationError(
            "the series before the first forecast never changes: no scale for MASE"
        )
    return scale


def mase(outcomes: ArrayLike, forecasts: ArrayLike, scale: float) -> float:
    """Return the mean absolute error over the in-sample mean absolute error of no change.

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,)
        In one unit.
    scale : float
        From :func:`naive_scale`, on values known before the first forecast.

    References
    ----------
    Hyndman, R. J. and Koehler, A. B. (2006), "Another look at measures of forecast accuracy",
    International Journal of Forecasting 22.
    """
    return float(absolute_error(outcomes, forecasts).mean()) / scale


def rmse(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
    """Return the root of the mean squared error, in the unit of the outcomes."""
    return float(np.sqrt(squared_error(outcomes, forecasts).mean()))


def r2_out_of_sample(outcomes: ArrayLike, forecasts: ArrayLike, benchmark: ArrayLike) -> float:
    """Return ``1 - SSE(forecasts) / SSE(benchmark)``: positive if better than the benchmark.

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,), percent
        Returns. On price levels the figure is near 1 for any forecast and says nothing.
    benchmark : array of float, shape (n,), percent
        What would be said without a model: the mean of the returns known at ``as_of``, or zero.

    Raises
    ------
    EvaluationError
        If the benchmark is without any error.

    References
    ----------
    Campbell, J. Y. and Thompson, S. B. (2008), "Predicting excess stock returns out of sample",
    Review of Financial Studies 21.
    """
    total = float(squared_error(outcomes, benchmark).sum())
    if total == 0:
        raise EvaluationError("the benchmark has no error: an R2 beside it is not defined")
    return 1.0 - float(squared_error(outcomes, forecasts).sum()) / total


#: What :func:`r2_of_level` is called among the losses, so that nobody quotes it.
LEVEL_R2 = "r2_level_uninformative"


def r2_of_level(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
    """Return the R2 of price levels beside their mean over the window, which says nothing.

    Parameters
    ----------
    outcomes, forecasts : array of float, shape (n,)
        Prices. No change alone reaches 0.99 on years of them: a price moves far, and is mostly
        what it was the bar before.

    Returns
    -------
    float
        At most 1; NaN where all prices are the same.
    """
    y, f = paired(outcomes, forecasts)
    total = float(np.square(y - y.mean()).sum())
    return 1.0 - float(np.square(y - f).sum()) / total if total > 0 else float("nan")


Loss = Callable[[ArrayLike, ArrayLike], Floats]
Score = Callable[[ArrayLike, ArrayLike], float]


@dataclass(frozen=True)
class Metric:
    """One figure for a series of forecasts.

    Parameters
    ----------
    name : str
        As a recipe's ``select`` and a scorecard's ``losses`` name it.
    targets : frozenset of str
        The targets that it is defined for.
    score : callable
        Outcomes and forecasts, both (n,), to the figure.
    loss : callable or None
        Outcomes and forecasts to the loss of each row, if the figure is a mean of such.
    proxy : str
        Key of the outcomes that it is computed on: ``value``, or ``gk`` or ``r2`` for volatility.
    lower_is_better : bool
        Which way is better.
    """

    name: str
    targets: frozenset[str]
    score: Score
    loss: Loss | None = None
    proxy: str = "value"
    lower_is_better: bool = True

    def score_by_session(
        self, session: NDArray[np.datetime64], outcomes: Floats, forecasts: Floats
    ) -> float:
        """Return the figure of a pool: the mean over sessions of the mean loss in each.

        A figure that is no mean of losses, such as the AUC, is of all rows.
        """
        if self.loss is None:
            return self.score(outcomes, forecasts)
        return float(by_session(session, self.loss(outcomes, forecasts))[1].mean())

    def better(self, value: float, than: float) -> bool:
        """Say whether a figure is strictly better than another; NaN never is."""
        return value < than if self.lower_is_better else value > than


def _mean_of(name: str, loss: Loss, *targets: str, proxy: str = "value") -> Metric:
    def score(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
        return float(loss(outcomes, forecasts).mean())

    return Metric(name, frozenset(targets), score, loss, proxy)


def _unscaled_mase(outcomes: ArrayLike, forecasts: ArrayLike) -> float:
    return mase(outcomes, forecasts, scale=1.0)


_DIRECTION = frozenset({"direction"})

#: What a recipe's ``select`` may say. For ``mase`` the scale is left at 1, since it is the same for
#: every model and so changes no selection; a scorecard divides by the real one.
METRICS = Registry(
    "metric",
    {
        metric.name: metric
        for metric in (
            _mean_of("mape", absolute_percentage_error, "price"),
            _mean_of("mae", absolute_error, "price", "return"),
            _mean_of("mse", squared_error, "price", "return"),
            Metric("rmse", frozenset({"price", "return"}), rmse),
            Metric("mase", frozenset({"price"}), _unscaled_mase),
            _mean_of("brier", brier_loss, "direction"),
            _mean_of("log_loss", log_loss, "direction"),
            Metric("auc", _DIRECTION, auc, lower_is_better=False),
            Metric("accuracy", _DIRECTION, accuracy, lower_is_better=False),
            _mean_of("error_rate", wrong, "regime"),
            Metric(
                "balanced_accuracy",
                frozenset({"regime"}),
                balanced_accuracy,
                lower_is_better=False,
            ),
            _mean_of("qlike_gk", qlike, "volatility", proxy="gk"),
            _mean_of("qlike_r2", qlike, "volatility", proxy="r2"),
            _mean_of("mse_gk", squared_error, "volatility", proxy="gk"),
        )
    },
)


def metric_for(name: str, target: str, where: str = "") -> Metric:
    """Return the metric of that name for a target.

    Parameters
    ----------
    name : str
        As typed in ``select``.
    target : str
        The target it is to judge.
    where : str
        Where it was typed, for the message.

    Raises
    ------
    UnknownNameError
        If no such metric is defined for the target; the message gives the nearest one.
    """
    valid = {key: metric for key, metric in METRICS.items() if target in metric.targets}
    return Registry(f"metric for {target}", valid).find(name, where)
