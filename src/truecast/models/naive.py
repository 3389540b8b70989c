"""The naive forecasts that every other model is held against."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from truecast.core.labels import REGIMES
from truecast.core.units import VARIANCE_FLOOR
from truecast.models.base import (
    Matrix,
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    last_rows,
)
from truecast.models.state import (
    STATE_FILE,
    dump_state,
    load_state,
    number,
    target_of,
    vector,
)


class Naive:
    """No change for price, return and volatility; climatology for direction and regime.

    Attributes
    ----------
    target_ : str or None
        The target that it was fitted for.
    level_ : float or array of float64, shape (3,)
        What is forecast for direction: the share of training rows that rose. For regime: the
        share of each. 0.0 for price and return; unused for volatility.

    Notes
    -----
    price, return: ``0`` percent, the random walk. direction: ``mean(y)`` of the training rows.
    regime: the most frequent of them, with its share as probability. volatility:
    ``return_sd_22²``, the sample variance of the last 22 one-bar returns, floored at one squared
    basis point. ``return_sd_22`` is asked for whatever the target is, so that one model has one
    input.
    """

    name: ClassVar[str] = "naive"
    targets: ClassVar[frozenset[str]] = frozenset(
        {"direction", "price", "regime", "return", "volatility"}
    )
    window = 1

    target_: str | None = None
    level_: float | Vector

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return ``("return_sd_22",)``."""
        return ("return_sd_22",)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Keep the share of rises, or of each regime; see :class:`truecast.models.base.Model`."""
        check_fit(self, X, y, target=target, horizon=horizon)
        self.target_ = target
        self.level_ = float(y.mean()) if target == "direction" else 0.0
        if target == "regime":
            self.level_ = np.bincount(y.astype(np.intp), minlength=len(REGIMES)) / len(y)
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast no change, or climatology; see :class:`truecast.models.base.Model`."""
        check_predict(self, X, columns=None if self.target_ is None else 1)
        if self.target_ == "volatility":
            return np.maximum(last_rows(X)[:, 0] ** 2, VARIANCE_FLOOR)
        if self.target_ == "regime":
            return np.full(len(X), float(np.argmax(self.level_)))
        return np.full(len(X), self.level_)

    def probabilities(self, X: Windows) -> Matrix:
        """Return the share of each regime in training, the same for every row, shape (n, 3)."""
        check_predict(self, X, columns=1 if self.target_ == "regime" else None)
        return np.tile(self.level_, (len(X), 1))

    def payload(self) -> dict[str, bytes]:
        """Return the target and the level as JSON."""
        if self.target_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {STATE_FILE: dump_state(target=self.target_, level=self.level_)}

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        state = load_state(cls.name, files, "target", "level")
        model.target_ = target_of(cls, state)
        if model.target_ == "regime":
            model.level_ = vector(cls.name, state, "level", len(REGIMES))
        else:
            model.level_ = number(cls.name, state, "level")
        return model
