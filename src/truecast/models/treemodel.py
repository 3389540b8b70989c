"""What trees of every library share: what they learn, and a graph that forecasts for them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import (
    Model,
    ModelError,
    Vector,
    Windows,
    both_classes,
    check_fit,
    check_predict,
)
from truecast.models.boosting import label_of, newest_rows, smearing_of
from truecast.models.onnx import ONNX_FILE, PARITY_ROWS, Session, parity
from truecast.models.parameters import parameters_of
from truecast.models.state import STATE_FILE, dump_state, load_state, number, target_of

Rows = NDArray[np.float32]


class TreeModel(ABC):
    """Trees that are grown by a library, and forecast without it.

    Attributes
    ----------
    target_ : str or None
        The target that it was fitted for.
    graph_ : Session
        The trees as ONNX.
    smearing_ : float
        What ``exp`` of the fit is multiplied by to be right on average; 1 but for volatility.
    parity_ : float
        How far the graph is from the library on training rows, see
        :func:`truecast.models.onnx.parity`.

    Notes
    -----
    return, price: the trees are grown on ``y``. direction: on ``y``, and they say log odds or,
    where :attr:`odds` is false, a probability. volatility: on ``ln y`` (``y`` floored at one
    squared basis point); the forecast is ``exp(fit) · mean(y / exp(fit))``, the mean over the
    training rows (Duan's smearing). The graph sends each row where the library does, missing
    values too.
    """

    name: ClassVar[str]
    targets: ClassVar[frozenset[str]] = frozenset({"direction", "price", "return", "volatility"})
    odds: ClassVar[bool] = True
    window = 1
    target_: str | None = None
    graph_: Session
    smearing_: float
    parity_: float

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the recipe names."""
        return inputs

    @abstractmethod
    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Grow the trees; see :class:`truecast.models.base.Model`."""

    def predict(self, X: Windows) -> Vector:
        """Forecast by the trees; see :class:`truecast.models.base.Model`."""
        target = self.target_
        check_predict(self, X, columns=None if target is None else self.graph_.columns)
        said = self.graph_.run(newest_rows(X))
        if target == "volatility":
            return np.exp(said) * self.smearing_
        if target == "direction" and self.odds:
            return np.asarray(1.0 / (1.0 + np.exp(-said)))
        return said

    def payload(self) -> dict[str, bytes]:
        """Return the trees as ONNX, and target, smearing factor and parity as JSON."""
        if self.target_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        state = dump_state(target=self.target_, smearing=self.smearing_, parity=self.parity_)
        return {ONNX_FILE: self.graph_.content, STATE_FILE: state}

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        if ONNX_FILE not in files:
            raise ModelError(
                f"{cls.name}: the payload lacks {ONNX_FILE}, found {', '.join(sorted(files))}; "
                "what an earlier version wrote is trained again"
            )
        state = load_state(cls.name, files, "target", "smearing", "parity")
        model.graph_ = Session(files[ONNX_FILE], model=cls.name)
        model.target_ = target_of(cls, state)
        model.smearing_ = number(cls.name, state, "smearing")
        model.parity_ = number(cls.name, state, "parity")
        return model

    def _prepared(
        self, X: Windows, y: Vector, target: str, horizon: int
    ) -> tuple[dict[str, Any], Rows, Vector]:
        """Check what is given; return parameters, rows, and what the trees are grown on."""
        parameters = parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        if target == "direction":
            both_classes(self, y)
        return parameters, newest_rows(X), label_of(target, y)

    def _keep(
        self,
        content: bytes,
        native: Callable[[Rows], Any],
        rows: Rows,
        y: Vector,
        target: str,
        fitted: Vector | None = None,
    ) -> Self:
        """Take the graph as the fitted state, once it says what the library says.

        ``fitted`` is what smearing is measured on; without it, what the graph says to ``rows``.
        """
        graph = Session(content, model=self.name)
        some = rows[:: -(-len(rows) // PARITY_ROWS)]
        self.parity_ = parity(
            self.name, graph.run(some), np.asarray(native(some), dtype=np.float64)
        )
        self.graph_, self.target_, self.smearing_ = graph, target, 1.0
        if target == "volatility":
            self.smearing_ = smearing_of(y, graph.run(rows) if fitted is None else fitted)
        return self


def check_finite(model: Model, rows: Rows) -> None:
    """Refuse infinite features, for a library that cannot learn from them.

    Raises
    ------
    ModelError
        If there is one; NaN, a missing value, is none.
    """
    infinite = np.isinf(rows)
    if infinite.any():
        row, column = (int(place) for place in np.argwhere(infinite)[0])
        raise ModelError(
            f"{model.name}: feature {column} of training row {row} is {rows[row, column]}: "
            "expected a finite number, or NaN where it is missing"
        )
