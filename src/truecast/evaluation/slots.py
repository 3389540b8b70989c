"""A slot's forecasts and outcomes as arrays: what a walk-forward hands over to be judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from truecast.evaluation.arrays import Floats
from truecast.evaluation.metrics import METRICS
from truecast.evaluation.scorecard import Champion, PartCard

#: The losses that models are compared by, the deciding one first.
COMPARED: Mapping[str, tuple[str, ...]] = {
    "price": ("mape",),
    "return": ("mse",),
    "direction": ("brier",),
    "regime": ("error_rate",),
    "volatility": ("qlike_gk", "qlike_r2", "mse_gk"),
}
#: What is shown besides.
SHOWN: Mapping[str, tuple[str, ...]] = {
    "price": ("mape", "mae", "mse", "rmse"),
    "return": ("mse", "rmse", "mae"),
    "direction": ("brier", "log_loss", "auc", "accuracy"),
    "regime": ("error_rate", "balanced_accuracy"),
    "volatility": ("qlike_gk", "qlike_r2", "mse_gk"),
}
#: The naive forecasts that the verdict is about.
BASELINES: Mapping[str, tuple[str, ...]] = {
    "price": ("naive",),
    "return": ("naive",),
    "direction": ("naive",),
    "regime": ("naive",),
    "volatility": ("naive", "garch"),
}
#: The naive forecast that a price goes on as it went on average. Whoever forecasts a rise each day
#: of a rising market beats no change by that alone.
DRIFT = "drift"
#: Good forecasts that every model is compared with as well, without part in the verdict.
REFERENCES: Mapping[str, tuple[str, ...]] = {"volatility": ("har_leverage",)}


@dataclass(frozen=True)
class IntervalForecasts:
    """One model's intervals, in the unit of its forecasts (a price, percent, or percent^2 a day).

    Parameters
    ----------
    nominal : float
        The coverage that was promised, in (0, 1).
    lower, upper : array of float64, shape (n,)
        The ends.
    levels : tuple of float
        Probabilities of the quantiles, increasing; empty if only the ends were forecast.
    quantiles : array of float64, shape (n, len(levels)), or None
        The quantiles.
    """

    nominal: float
    lower: Floats
    upper: Floats
    levels: tuple[float, ...] = ()
    quantiles: Floats | None = None


def one_of(baselines: tuple[str, ...]) -> str:
    """Return the baseline that is shown where there is room for one: the last but for drift."""
    others = [name for name in baselines if name != DRIFT]
    return (others or baselines)[-1]


def drift_of(target: str, mean_return: Floats, last_close: Floats | None) -> Floats | None:
    """Return the forecast of the mean return so far, in the unit of a target.

    Parameters
    ----------
    target : str
        Price or return; all others have no drift.
    mean_return : array of float64, shape (n,)
        Mean of the horizon returns known at each ``as_of``, percent.
    last_close : array of float64, shape (n,), or None
        The closes forecast from, for price.

    Returns
    -------
    array of float64, shape (n,), or None
        Prices, or percent.
    """
    if target == "return":
        return mean_return
    if target != "price" or last_close is None:
        return None
    return np.asarray(last_close * np.exp(mean_return / 100), dtype=np.float64)


@dataclass(frozen=True)
class Trading:
    """What a backtest needs of the same rows.

    Parameters
    ----------
    log_return : array of float64, shape (n,)
        From the close that was forecast from to that of the outcome, percent.
    due : array of datetime64[us], shape (n,), UTC
        When the bar of the outcome closes.
    years : float
        Length of the window by the sessions of the calendar, above 0.
    cost_bps : float
        Cost of a unit of turnover, basis points.
    position : {"sign", "size"}
        How a forecast becomes a position.
    """

    log_return: Floats
    due: NDArray[np.datetime64]
    years: float
    cost_bps: float = 5.0
    position: Literal["sign", "size"] = "sign"


@dataclass(frozen=True)
class SlotForecasts:
    """Every model's forecasts for one slot on identical dates, with what happened.

    Rows are in time order. Each forecast was made from what was known at its row's ``as_of``.

    Parameters
    ----------
    slot, instrument, target : str
        The slot's text, and its parts.
    horizon : int
        Bars from a forecast to its outcome.
    champion : Champion
        Whose name is one of the forecasts'.
    event_time : array of datetime64[us], shape (n,), UTC
        Close of the bar that was forecast from.
    session : array of datetime64[D], shape (n,)
        Session in which the outcome ends: the predicted date.
    outcomes : mapping of str to array of float64, shape (n,)
        ``value`` (price; log return in percent; 1 for up, else 0; code of the regime), or for
        volatility ``gk`` and ``r2``: variance a day over the horizon, percent^2, close to close,
        by Garman-Klass times its trailing ratio, and by squared returns.
    forecasts : mapping of str to array of float64, shape (n,)
        By model, the baselines included; the unit of the outcomes, for direction the
        probability of up, for volatility the variance a day.
    trials : int
        Models that were compared on these dates, earlier ones included.
    model_types : mapping of str to str
        By model; its name where there is none.
    baselines, references : tuple of str, or None
        None for those of the target, see :data:`BASELINES` and :data:`REFERENCES`.
    last_close : array of float64, shape (n,), or None
        For price: the close forecast from. It turns prices into returns for intervals and R2.
    mean_return : array of float64, shape (n,), or None
        For price and return: mean of the horizon returns known at each ``as_of``, percent. With
        it the losses have ``r2_oos``, of returns and not of levels.
    naive_scale : float or None
        For price: in-sample loss of no change. With it the losses have ``mase``.
    intervals : mapping of str to IntervalForecasts
        By model; those that have any.
    volatility : array of float64, shape (n,), or None
        Volatility as known at each ``as_of``, for coverage by tercile.
    simulated : bool
        Whether any input was simulated.
    assumed_share : float or None
        Share of rows whose ``known_at`` was assumed.
    importances : mapping of str to float
        The champion's, by feature, >= 0; empty if it has none.
    provenance, data_versions : mapping of str to str
        What the report states of the data.
    notes : tuple of str
        What else a reader must know.
    parts : mapping of str to mapping of str to PartCard
        By model and part of the split.
    trading : Trading or None
        With it, models are backtested, as an illustration.
    seed : int
        Of the bootstrap.
    pooled : bool
        Whether rows are of several instruments: then losses are averaged over those of a session
        before models are compared.
    """

    slot: str
    instrument: str
    target: str
    horizon: int
    champion: Champion
    event_time: NDArray[np.datetime64]
    session: NDArray[np.datetime64]
    outcomes: Mapping[str, Floats]
    forecasts: Mapping[str, Floats]
    trials: int
    model_types: Mapping[str, str] = field(default_factory=dict)
    baselines: tuple[str, ...] | None = None
    references: tuple[str, ...] | None = None
    last_close: Floats | None = None
    mean_return: Floats | None = None
    naive_scale: float | None = None
    intervals: Mapping[str, IntervalForecasts] = field(default_factory=dict)
    volatility: Floats | None = None
    simulated: bool = False
    assumed_share: float | None = None
    importances: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    data_versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, PartCard]] = field(default_factory=dict)
    trading: Trading | None = None
    seed: int = 0
    pooled: bool = False

    @property
    def naive(self) -> tuple[str, ...]:
        """The baselines that the verdict is about, no change before drift."""
        return BASELINES[self.target] if self.baselines is None else self.baselines

    def with_drift(self) -> "SlotForecasts":
        """Return these with the mean return so far as a further baseline, where it is known."""
        if self.mean_return is None or DRIFT in self.naive:
            return self
        said = drift_of(self.target, self.mean_return, self.last_close)
        if said is None:
            return self
        return replace(
            self, forecasts={**self.forecasts, DRIFT: said}, baselines=(*self.naive, DRIFT)
        )

    @property
    def compared_with(self) -> tuple[str, ...]:
        """All that models are compared with, the naive forecast first."""
        wanted = REFERENCES.get(self.target, ()) if self.references is None else self.references
        return (*self.naive, *(name for name in wanted if name not in self.naive))

    @property
    def proxy(self) -> str:
        """Key of the outcomes that decide."""
        return METRICS[COMPARED[self.target][0]].proxy
