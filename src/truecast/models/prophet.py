"""Prophet: trend, seasons and regressors, added up; fitted by Stan, served by its own numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from truecast.core.errors import UsageError
from truecast.models.base import (
    Matrix,
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    check_rows,
)
from truecast.models.linear import scaling, standardised
from truecast.models.parameters import Count, Order, Positive, Seed, parameters_of
from truecast.models.quiet import quiet
from truecast.models.space import Range, Space
from truecast.models.state import STATE_FILE, dump_state, load_state, number, vector

if TYPE_CHECKING:
    import pandas as pd

#: Days of a year and of a week, as Prophet has them.
YEAR, WEEK = 365.25, 7.0


class Prophet:
    """Prophet on the return over the horizon, at the date of the decision.

    Parameters
    ----------
    growth : {"flat", "linear"}
        Trend of the return: constant, or linear with changepoints. A constant return is a linear
        trend of the price's logarithm.
    n_changepoints : int
        Places where a linear trend may bend, from 0, evenly over the first 80% of the rows.
    changepoint_prior_scale, seasonality_prior_scale, regressor_prior_scale : float
        Spread of what is expected before any data, above 0, beside the largest return taught: of
        the trend's bends, and of the weights of seasons and regressors. Returns are so nearly
        unpredictable that the last two defaults keep little: of a weight that 2,500 daily returns
        would give, about a seventh. Prophet's own, 10, keeps all of it.
    yearly, weekly : int
        Pairs of sine and cosine of the year's and the week's season, from 0: none.
    window : int
        Rows among which the last known value of a missing regressor is looked for, from 1.
    seed : int
        Of the search.

    Attributes
    ----------
    trend_ : array of float64, shape (2,), or None
        Slope and level at the first training row; the slope is 0 where growth is flat.
    bends_, bends_at_ : array of float64, shape (c,)
        Changes of the slope, and when; time runs from 0 at the first training row to 1 at the
        last.
    span_ : array of float64, shape (2,)
        The first training row's day since 1970-01-01, and days from it to the last.
    scale_ : float
        Largest absolute return of training, percent: what the others are in units of.
    weights_ : array of float64, shape (2·yearly + 2·weekly + k,)
        Of the seasons' sines and cosines, then of the standardised regressors.
    mean_, sd_ : array of float64, shape (k,)
        Of each regressor in training; 0 and 1 for one that is not used.
    last_ : array of float64, shape (k,)
        Last known value of each regressor in training.

    Notes
    -----
    ``return = scale · (trend(t) + Σ weight · season(day) + Σ weight · (x - mean) / sd)``.

    Prices are forecast as returns. Fitted to the level, what Prophet leaves over is a random walk,
    which it takes for seasons and bends. Fitted to the return over the horizon, whose date is the
    decision's, it says how returns go with the calendar and with what is known.

    The recipe's features are the regressors, as known at the decision: none of them has to be
    forecast. A missing one counts as its last known value among the rows of its window, else as
    the last known in training; never as 0. A regressor that is constant, or missing in more than
    half of the rows, is not used; rows before the first known value of one teach nothing.

    Seasons go by the session's date. Prophet's own intervals, which take errors for normal and
    alike, are not used: those that go out are scaled by the volatility forecast.

    References
    ----------
    Taylor and Letham (2018), Forecasting at Scale, The American Statistician 72.
    """

    name: ClassVar[str] = "prophet"
    targets: ClassVar[frozenset[str]] = frozenset({"price", "return"})
    SPACE: ClassVar[Space] = {
        "seasonality_prior_scale": Range(0.0001, 1.0, log=True),
        "regressor_prior_scale": Range(0.0001, 1.0, log=True),
        "yearly": Range(0, 6, whole=True),
        "weekly": Range(0, 3, whole=True),
    }
    trend_: Vector | None = None
    bends_: Vector
    bends_at_: Vector
    span_: Vector
    scale_: float
    weights_: Vector
    mean_: Vector
    sd_: Vector
    last_: Vector

    def __init__(
        self,
        *,
        growth: Literal["flat", "linear"] = "flat",
        n_changepoints: Order = 25,
        changepoint_prior_scale: Positive = 0.05,
        seasonality_prior_scale: Positive = 0.001,
        regressor_prior_scale: Positive = 0.001,
        yearly: Order = 4,
        weekly: Order = 2,
        window: Count = 5,
        seed: Seed = 0,
    ) -> None:
        self.growth = growth
        self.n_changepoints = n_changepoints
        self.changepoint_prior_scale = changepoint_prior_scale
        self.seasonality_prior_scale = seasonality_prior_scale
        self.regressor_prior_scale = regressor_prior_scale
        self.yearly = yearly
        self.weekly = weekly
        self.window = window
        self.seed = seed

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``epoch_day``, then all that the recipe names."""
        return ("epoch_day", *inputs)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit trend, seasons and regressors; see :class:`truecast.models.base.Model`."""
        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        days, rows = X[:, -1, 0].astype(np.float64), _carried(_newest(X[:, :, 1:]))
        mean, sd, used = scaling(rows)
        whole = np.isfinite(rows[:, used]).all(axis=1)
        check_rows(self, int(whole.sum()), X.shape[2])
        days, rows, y = days[whole], rows[whole], y[whole]
        if days[0] == days[-1]:
            raise ModelError(f"{self.name}: all training rows are of one day: no season in them")
        found = self._search(days, standardised(rows, mean, sd)[:, used], y)
        seasons = 2 * (self.yearly + self.weekly)
        weights = found.params["beta"].mean(axis=0)
        self.weights_ = np.zeros(seasons + len(mean))
        self.weights_[:seasons] = weights[:seasons]
        self.weights_[seasons:][used] = weights[seasons : seasons + int(used.sum())]
        bends = self.growth == "linear" and self.n_changepoints > 0
        slope = float(found.params["k"].mean()) if self.growth == "linear" else 0.0
        self.trend_ = np.array([slope, float(found.params["m"].mean())])
        self.bends_ = found.params["delta"].mean(axis=0) if bends else np.zeros(0)
        self.bends_at_ = np.asarray(found.changepoints_t, dtype=np.float64)[: len(self.bends_)]
        self.span_ = np.array([days[0], days[-1] - days[0]])
        self.scale_ = float(found.y_scale)
        self.mean_, self.sd_ = mean, sd
        self.last_ = np.where(used, rows[-1], 0.0)
        return self

    def _search(self, days: Vector, regressors: Matrix, y: Vector) -> Any:
        """Let Prophet find the parameters."""
        import pandas as pd

        with quiet("prophet", "prophet.plot", "prophet.models", "cmdstanpy"):
            try:
                from prophet import Prophet as Search
            except ImportError as error:
                raise UsageError(
                    f"{self.name} needs a library that is not installed: "
                    "pip install 'truecast[prophet]'"
                ) from error
            search = Search(
                growth=self.growth,
                n_changepoints=self.n_changepoints,
                changepoint_prior_scale=self.changepoint_prior_scale,
                yearly_seasonality=self.yearly or False,
                weekly_seasonality=self.weekly or False,
                daily_seasonality=False,
                seasonality_prior_scale=self.seasonality_prior_scale,
                uncertainty_samples=0,
            )
            frame = pd.DataFrame({"ds": _dates(days), "y": y})
            for place, column in enumerate(regressors.T):
                frame[f"x{place}"] = column
                search.add_regressor(
                    f"x{place}", prior_scale=self.regressor_prior_scale, standardize=False
                )
            try:
                return search.fit(frame, seed=self.seed)
            except RuntimeError as error:
                raise ModelError(f"{self.name}: Stan found no parameters: {error}") from error

    def predict(self, X: Windows) -> Vector:
        """Forecast the return; see :class:`truecast.models.base.Model`."""
        check_predict(self, X, columns=None if self.trend_ is None else 1 + len(self.mean_))
        assert self.trend_ is not None  # noqa: S101 (check_predict has raised)
        days, rows = X[:, -1, 0].astype(np.float64), _newest(X[:, :, 1:])
        rows = np.where(np.isfinite(rows), rows, self.last_)
        time = (days - self.span_[0]) / self.span_[1]
        # A bend changes the slope from its place on: the line stays in one piece.
        beyond = np.maximum(time[:, None] - self.bends_at_, 0.0)
        trend = self.trend_[0] * time + self.trend_[1] + (beyond * self.bends_).sum(axis=1)
        parts = [_season(days, YEAR, self.yearly), _season(days, WEEK, self.weekly)]
        terms = np.column_stack([*parts, standardised(rows, self.mean_, self.sd_)])
        # A sum along each row and not a matrix product, whose rounding depends on the other rows.
        return np.asarray(self.scale_ * (trend + (terms * self.weights_).sum(axis=1)))

    def payload(self) -> dict[str, bytes]:
        """Return trend, weights and scaling as JSON."""
        if self.trend_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {STATE_FILE: dump_state(**{key: getattr(self, f"{key}_") for key in _STATE})}

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        state = load_state(cls.name, files, *_STATE)
        regressors = len(vector(cls.name, state, "mean"))
        sizes = {
            "trend": 2,
            "span": 2,
            "bends_at": len(vector(cls.name, state, "bends")),
            "weights": 2 * (model.yearly + model.weekly) + regressors,
            "sd": regressors,
            "last": regressors,
        }
        for key in _STATE:
            if key != "scale":
                setattr(model, f"{key}_", vector(cls.name, state, key, sizes.get(key)))
        model.scale_ = number(cls.name, state, "scale")
        return model


_STATE = ("trend", "bends", "bends_at", "span", "scale", "weights", "mean", "sd", "last")


def _dates(days: Vector) -> "pd.DatetimeIndex":
    import pandas as pd

    return pd.DatetimeIndex(days.astype("datetime64[D]").astype("datetime64[ns]"))


def _newest(values: Windows) -> Matrix:
    """Return the last known value of each column in each window, shape (n, k); NaN if none is."""
    found = np.full((values.shape[0], values.shape[2]), np.nan)
    for step in range(values.shape[1]):
        row = values[:, step, :].astype(np.float64)
        np.copyto(found, row, where=np.isfinite(row))
    return found


def _carried(rows: Matrix) -> Matrix:
    """Return each column with the last known value of the rows before where it is missing."""
    places = np.where(np.isfinite(rows), np.arange(len(rows))[:, None], 0)
    last = np.maximum.accumulate(places, axis=0)
    return np.asarray(np.take_along_axis(rows, last, axis=0))


def _season(days: Vector, period: float, order: int) -> Matrix:
    """Return sine and cosine of each multiple of the frequency, shape (n, 2·order)."""
    angles = 2 * np.pi * days[:, None] * (np.arange(1, order + 1) / period)
    waves = np.empty((len(days), 2 * order))
    waves[:, 0::2], waves[:, 1::2] = np.sin(angles), np.cos(angles)
    return waves
