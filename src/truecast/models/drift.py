"""The random walk with drift: prices go on rising as they rose on average."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from truecast.models.base import (
    ModelError,
    Vector,
    Windows,
    check_fit,
    check_predict,
    check_rows,
    newest_returns,
)
from truecast.models.state import STATE_FILE, dump_state, load_state, number, whole


class Drift:
    """The mean return of a bar in training, times the horizon.

    Attributes
    ----------
    level_ : float or None
        What is forecast, percent.
    dropped_ : int
        Training rows that were left out because their return was missing.

    Notes
    -----
    ``horizon · mean(r)`` over the newest one-bar log return of each training row. All of these
    are known at the fit, those too whose own outcome is not.
    """

    name: ClassVar[str] = "drift"
    targets: ClassVar[frozenset[str]] = frozenset({"price", "return"})
    window = 1
    level_: float | None = None
    dropped_: int

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Return ``("log_return_1",)``."""
        return ("log_return_1",)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Keep the mean; see :class:`truecast.models.base.Model`."""
        check_fit(self, X, y, target=target, horizon=horizon)
        returns, self.dropped_ = newest_returns(X)
        check_rows(self, len(returns), 1)
        self.level_ = horizon * float(returns.mean())
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast the drift; see :class:`truecast.models.base.Model`."""
        check_predict(self, X, columns=None if self.level_ is None else 1)
        return np.full(len(X), self.level_, dtype=np.float64)

    def payload(self) -> dict[str, bytes]:
        """Return the level and the dropped rows as JSON."""
        if self.level_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {STATE_FILE: dump_state(level=self.level_, dropped=self.dropped_)}

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        state = load_state(cls.name, files, "level", "dropped")
        model.level_ = number(cls.name, state, "level")
        model.dropped_ = whole(cls.name, state, "dropped")
        return model
