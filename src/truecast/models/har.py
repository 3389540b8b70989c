"""The heterogeneous autoregression of log variance, with leverage and implied volatility."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from truecast.core.units import VARIANCE_FLOOR
from truecast.models.base import (
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    check_rows,
    last_rows,
)
from truecast.models.state import STATE_FILE, dump_state, load_state, number, vector, whole

#: Past variances of a day, a week and a month.
VARIANCES = ("log_gk_1", "log_gk_5", "log_gk_22")
#: Those, and past losses and gains.
TERMS = (*VARIANCES, "downside_1", "downside_5", "downside_22", "upside_1")
RATIO = "gk_ratio_1000"


class Har:
    """Log variance as a line in past variances over a day, a week and a month.

    Attributes
    ----------
    coefficients_ : array of float64, shape (1 + number of terms,), or None
        Intercept, then one coefficient for each term.
    smearing_ : float
        What ``exp`` of the fit is multiplied by to be right on average.
    dropped_ : int
        Training rows that were left out because a feature was missing.

    Notes
    -----
    With ``g = max(y / ratio, 1e-4)`` the open-to-close variance in percent², ``ratio`` the
    trailing ratio of squared returns to Garman–Klass variance: ordinary least squares of
    ``ln g = b₀ + Σ bᵢ·termᵢ``; the forecast is ``exp(fit) · mean(g / exp(fit)) · ratio``, the
    mean over the training rows (Duan's smearing). A row with a missing feature has no forecast
    (NaN). The ratio is the one known at the row, so the forecast is knowable with the row's bar.

    References
    ----------
    Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility.
    Duan (1983), Smearing Estimate: A Nonparametric Retransformation Method.
    """

    name: ClassVar[str] = "har"
    targets: ClassVar[frozenset[str]] = frozenset({"volatility"})
    window = 1
    coefficients_: Vector | None = None
    smearing_: float
    dropped_: int

    @property
    def terms(self) -> tuple[str, ...]:
        """What the line is in."""
        return VARIANCES

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return the terms, then the ratio."""
        return (*self.terms, RATIO)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit the line; see :class:`truecast.models.base.Model`."""
        check_fit(self, X, y, target=target, horizon=horizon)
        rows = last_rows(X)
        present = _present(rows)
        check_rows(self, int(present.sum()), rows.shape[1])
        rows = rows[present]
        variance = np.maximum(y[present] / rows[:, -1], VARIANCE_FLOOR)
        design = np.column_stack([np.ones(len(rows)), rows[:, :-1]])
        coefficients = np.linalg.lstsq(design, np.log(variance), rcond=None)[0]
        self.coefficients_ = coefficients
        self.smearing_ = float(np.mean(variance / np.exp(_line(coefficients, rows))))
        self.dropped_ = len(y) - len(rows)
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast the variance a bar; see :class:`truecast.models.base.Model`."""
        coefficients = self.coefficients_
        check_predict(self, X, columns=None if coefficients is None else len(coefficients))
        assert coefficients is not None  # noqa: S101 (check_predict has raised)
        rows = last_rows(X)
        rows[~_present(rows)] = np.nan
        return np.exp(_line(coefficients, rows)) * self.smearing_ * rows[:, -1]

    def payload(self) -> dict[str, bytes]:
        """Return coefficients, smearing factor and dropped rows as JSON."""
        if self.coefficients_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {
            STATE_FILE: dump_state(
                coefficients=self.coefficients_, smearing=self.smearing_, dropped=self.dropped_
            )
        }

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        state = load_state(cls.name, files, "coefficients", "smearing", "dropped")
        model.coefficients_ = vector(cls.name, state, "coefficients", len(model.terms) + 1)
        model.smearing_ = number(cls.name, state, "smearing")
        model.dropped_ = whole(cls.name, state, "dropped")
        return model


class HarLeverage(Har):
    """:class:`Har` with past losses, which raise the variance more than gains do.

    References
    ----------
    Corsi and Renò (2012), Discrete-Time Volatility Forecasting With Persistent Leverage Effect.
    """

    name: ClassVar[str] = "har_leverage"

    @property
    def terms(self) -> tuple[str, ...]:
        """What the line is in."""
        return TERMS


class HarVix(HarLeverage):
    """:class:`HarLeverage` with the logarithm of an index of implied volatility.

    Parameters
    ----------
    index : str
        The feature that holds that logarithm: of another index than ``^VIX`` such as
        ``log_close__gvz``. The recipe must have the index in its ``context``. The term is its last
        close known at the decision.

    References
    ----------
    Bekaert and Hoerova (2014), The VIX, the Variance Premium and Stock Market Volatility.
    """

    name: ClassVar[str] = "har_vix"

    def __init__(self, *, index: Annotated[str, Field(min_length=1)] = "log_close__vix") -> None:
        self.index = index

    @property
    def terms(self) -> tuple[str, ...]:
        """What the line is in."""
        return (*TERMS, self.index)


def _present(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark rows in which every feature is present and the ratio is above 0."""
    return np.isfinite(rows).all(axis=1) & (rows[:, -1] > 0)


def _line(coefficients: Vector, rows: NDArray[np.float64]) -> Vector:
    # A sum along each row, so that a row alone gives what it gives among others.
    terms = rows[:, :-1] * coefficients[1:]
    return np.asarray(coefficients[0] + terms.sum(axis=1))
