"""Networks of windows of features: dense, convolutional and recurrent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from truecast.core.errors import UsageError
from truecast.models.base import (
    Model,
    ModelError,
    Vector,
    Windows,
    both_classes,
    check_fit,
    check_predict,
)
from truecast.models.boosting import label_of, smearing_of
from truecast.models.netgraphs import Kind, Layout, Output, Weights, read_weights, write_graph
from truecast.models.networks import Plan, Watch, teach
from truecast.models.onnx import ONNX_FILE, PARITY_ROWS, Session, parity
from truecast.models.parameters import Count, Positive, Seed, Several, parameters_of
from truecast.models.scaling import Scaling, Standard
from truecast.models.space import Choices, Range, Space
from truecast.models.state import STATE_FILE, dump_state, load_state, number, target_of, whole

#: A share that leaves something over.
Share = Annotated[float, Field(ge=0, lt=1)]

_OUTPUTS: Mapping[str, Output] = {"direction": "logistic", "volatility": "exponential"}


@dataclass(frozen=True)
class Start:
    """What a network begins with instead of chance.

    Parameters
    ----------
    weights : mapping of str to array of float32
        Of a fitted network of the same shape.
    frozen : bool
        Whether the head alone learns.
    learning_rate : float or None
        Of Adam; None for the model's own.
    """

    weights: Weights
    frozen: bool
    learning_rate: float | None


class Net:
    """What the networks share: windows in, early stopping, an ONNX graph out.

    Parameters
    ----------
    window : int
        Rows of features that a forecast looks at.
    units, layers : int
        Width and number of the hidden layers.
    dropout : float
        Share of the last hidden units left out at each step, from 0, below 1.
    learning_rate : float
        Of Adam.
    epochs, patience : int
        Passes over the rows at most, and passes without a better loss after which it ends.
    batch_size : int
        Rows a step.
    seed : int
        Of the first weights, the order of the rows, and what dropout leaves out.

    Attributes
    ----------
    target_ : str or None
        The target that it was fitted for.
    session_ : Session
        The ONNX graph, from the features as they are to the forecast.
    parity_ : float
        How far the graph is from the network in Keras, on up to 1,000 training rows.
    epoch_ : int
        Whose weights they are; 0 if no pass over the rows made them better.
    loss_ : float
        On the rows that say when to stop; of what is learned in units of its standard deviation.

    Notes
    -----
    Features are scaled by mean and standard deviation of the training rows, cut at ±5 of them; a
    missing value counts as the training mean (:class:`truecast.models.scaling.Scaling`). What is
    learned is standardised alike: ``y`` for return and price, ``ln y`` for volatility (``y``
    floored at one squared basis point), by squared error; direction by log loss. The forecast of
    a volatility is ``exp(fit) · mean(y / exp(fit))``, the mean over the training rows (Duan's
    smearing).

    The first weights of the head are 0, so that a network that learns nothing says the mean of the
    training rows: the last fifth of the rows decides how many passes are worth it
    (:mod:`truecast.models.networks`). One core and fixed seeds make a refit give the same weights
    on the same machine.

    References
    ----------
    Kingma and Ba (2015), Adam: A Method for Stochastic Optimization.
    Duan (1983), Smearing Estimate: A Nonparametric Retransformation Method.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    targets: ClassVar[frozenset[str]] = frozenset({"direction", "price", "return", "volatility"})
    #: Its graph computes in float32: another machine may differ in the seventh digit.
    canary_tolerance: ClassVar[float] = 1e-5
    refit_tolerance: ClassVar[float] = 1e-6
    SPACE: ClassVar[Space] = {
        "window": Choices((5, 10, 20, 40)),
        "units": Range(8, 64, log=True, whole=True),
        "dropout": Range(0.0, 0.5),
        "learning_rate": Range(0.0003, 0.01, log=True),
    }
    target_: str | None = None
    session_: Session
    parity_: float
    epoch_: int
    loss_: float

    def __init__(
        self,
        *,
        window: Count = 20,
        units: Count = 16,
        layers: Count = 1,
        dropout: Share = 0.1,
        learning_rate: Positive = 0.003,
        epochs: Count = 60,
        patience: Count = 6,
        batch_size: Count = 64,
        seed: Seed = 1,
    ) -> None:
        self.window = window
        self.units = units
        self.layers = layers
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.seed = seed

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the recipe names."""
        return inputs

    def layout(self, columns: int) -> Layout:
        """Return the network's shape for so many features."""
        return Layout(self.kind, self.window, columns, self.units, self.layers)

    def begin_with(self, parent: Model, *, frozen: bool, learning_rate: float | None) -> "Start":
        """Read what a fit of this model may begin with from a fitted one.

        Parameters
        ----------
        parent : Model
            Fitted, of the same family and shape.
        frozen : bool
            Whether the head alone shall learn.
        learning_rate : float or None
            Of Adam; None for the model's own.

        Raises
        ------
        ModelError
            If the parent is of another family or shape, or not fitted.
        """
        if not isinstance(parent, Net) or parent.kind != self.kind or parent.target_ is None:
            raise ModelError(
                f"{self.name}: expected a fitted {self.name} to begin with, got {parent.name}"
            )
        layout = self.layout(parent.session_.columns)
        weights = read_weights(parent.session_.content, layout, model=self.name)
        return Start(weights, frozen, learning_rate)

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Teach the network; see :class:`truecast.models.base.Model`."""
        return self.fit_from(None, X, y, target=target, horizon=horizon)

    def fit_from(
        self,
        start: Start | None,
        X: Windows,
        y: Vector,
        *,
        target: str,
        horizon: int,
        watch: Watch = lambda _epoch, _loss: None,
    ) -> Self:
        """Teach the network, beginning with given weights.

        Parameters
        ----------
        start : Start or None
            See :meth:`begin_with`; None for chance.
        X, y, target, horizon
            See :class:`truecast.models.base.Model`.
        watch : callable
            Told after each epoch: its number, and the loss on the rows that say when to stop.
        """
        parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        if target == "direction":
            both_classes(self, y)
        layout, scaling = self.layout(X.shape[2]), Scaling.of(X)
        label = label_of(target, y)
        unit = Standard(0.0, 1.0) if target == "direction" else Standard.of(label)
        taught = teach(
            layout,
            self._plan(target, start),
            X,
            unit.apply(label),
            scaling,
            horizon=horizon,
            start=None if start is None else start.weights,
            watch=watch,
        )

        def graph(mean: float) -> Session:
            output = _OUTPUTS.get(target, "plain")
            content = write_graph(layout, taught.weights, scaling, output, mean, unit.sd)
            return Session(content, model=self.name)

        shift = unit.mean
        if target == "volatility":
            shift += float(np.log(smearing_of(y, np.log(graph(shift).run(X)))))
        self.session_ = graph(shift)
        native = _in_unit(target, shift + unit.sd * taught.said.astype(np.float64))
        self.parity_ = parity(self.name, self.session_.run(X[-PARITY_ROWS:]), native)
        self.epoch_, self.loss_ = taught.epoch, taught.loss
        self.target_ = target
        return self

    def _plan(self, target: str, start: Start | None) -> Plan:
        rate = None if start is None else start.learning_rate
        return Plan(
            loss="logistic" if target == "direction" else "squared",
            dropout=self.dropout,
            batch_size=self.batch_size,
            learning_rate=rate or self.learning_rate,
            epochs=self.epochs,
            patience=self.patience,
            seed=self.seed,
            frozen=start is not None and start.frozen,
        )

    def predict(self, X: Windows) -> Vector:
        """Forecast by the graph; see :class:`truecast.models.base.Model`."""
        check_predict(self, X, columns=None if self.target_ is None else self.session_.columns)
        return self.session_.run(X)

    def payload(self) -> dict[str, bytes]:
        """Return the graph as ONNX, and what is to be known of the fit as JSON."""
        if self.target_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        state = dump_state(
            target=self.target_, parity=self.parity_, epoch=self.epoch_, loss=self.loss_
        )
        return {ONNX_FILE: self.session_.content, STATE_FILE: state}

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        state = load_state(cls.name, files, "target", "parity", "epoch", "loss")
        if ONNX_FILE not in files:
            raise ModelError(f"{cls.name}: the payload lacks {ONNX_FILE}")
        model.session_ = Session(files[ONNX_FILE], model=cls.name)
        if model.session_.shape[:-1] != (model.window,):
            raise ModelError(
                f"{cls.name}: {ONNX_FILE} takes rows of shape {model.session_.shape}, expected "
                f"({model.window}, features)"
            )
        model.parity_ = number(cls.name, state, "parity")
        model.epoch_ = whole(cls.name, state, "epoch")
        model.loss_ = number(cls.name, state, "loss")
        model.target_ = target_of(cls, state)
        return model


def _in_unit(target: str, value: Vector) -> Vector:
    if target == "direction":
        return 1 / (1 + np.exp(-value))
    return np.exp(value) if target == "volatility" else value


class MLP(Net):
    """Dense layers over all rows of a window at once; see :class:`Net`."""

    name: ClassVar[str] = "mlp"
    kind: ClassVar[Kind] = "mlp"


class LSTM(Net):
    """Recurrent layers that read a window row by row, oldest first; see :class:`Net`.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long Short-Term Memory.
    """

    name: ClassVar[str] = "lstm"
    kind: ClassVar[Kind] = "lstm"


class CNN(Net):
    """Convolutions along a window; see :class:`Net`.

    Parameters
    ----------
    kernel_size : int
        Rows that a convolution spans, from 2.
    **others
        See :class:`Net`.
    """

    name: ClassVar[str] = "cnn"
    kind: ClassVar[Kind] = "cnn"

    def __init__(
        self,
        *,
        window: Count = 20,
        units: Count = 16,
        layers: Count = 1,
        kernel_size: Several = 3,
        dropout: Share = 0.1,
        learning_rate: Positive = 0.003,
        epochs: Count = 60,
        patience: Count = 6,
        batch_size: Count = 64,
        seed: Seed = 1,
    ) -> None:
        super().__init__(
            window=window,
            units=units,
            layers=layers,
            dropout=dropout,
            learning_rate=learning_rate,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            seed=seed,
        )
        self.kernel_size = kernel_size

    def layout(self, columns: int) -> Layout:
        """Return the network's shape for so many features."""
        if self.window <= self.layers * (self.kernel_size - 1):
            raise UsageError(
                f"{self.name}: {self.layers} convolutions of {self.kernel_size} rows need a window "
                f"of at least {self.layers * (self.kernel_size - 1) + 1}, got {self.window}"
            )
        return Layout(self.kind, self.window, columns, self.units, self.layers, self.kernel_size)
