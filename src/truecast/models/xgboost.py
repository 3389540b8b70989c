"""Gradient-boosted trees by XGBoost, kept in its own JSON."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from truecast.models.base import (
    ModelError,
    Vector,
    Windows,
    both_classes,
    check_fit,
    check_predict,
)
from truecast.models.boosting import ROUNDS, cores, label_of, newest_rows, smearing_of
from truecast.models.parameters import (
    Count,
    Fraction,
    NotNegative,
    Seed,
    Several,
    parameters_of,
)
from truecast.models.state import STATE_FILE, dump_state, load_state, number, target_of

TREES_FILE = "trees.json"


class XGBoost:
    """Many small trees, each correcting the ones before; a missing value goes its own way.

    The defaults are those of :class:`truecast.models.trees.LightGBM` in XGBoost's words: they
    suit about 1,000 rows of weak signal.

    Parameters
    ----------
    rounds : int or None
        Number of trees. None: by the target, ``ROUNDS``.
    learning_rate : float
        Share of each tree's correction that is applied, in (0, 1].
    max_depth : int
        Questions from a tree's root to a leaf at most, from 1.
    min_child_weight : float
        Sum of second derivatives in a leaf at least, from 0: training rows for a squared error,
        about a quarter of that for a probability near one half.
    colsample_bytree : float
        Share of the features that each tree may use, in (0, 1].
    subsample : float
        Share of the rows that each tree sees, in (0, 1].
    reg_lambda : float
        Penalty on squared leaf values, from 0.
    gamma : float
        What a split must gain at least, from 0.
    max_bin : int
        Bins that a feature's values are sorted into at most, from 2.
    seed : int
        Of the choices of rows and features; the same seed gives the same trees.

    Attributes
    ----------
    target_ : str or None
        The target that it was fitted for.
    smearing_ : float
        What ``exp`` of the fit is multiplied by to be right on average; 1 but for volatility.

    Notes
    -----
    return, price: squared error. direction: log loss, forecast as a probability. volatility:
    squared error of ``ln y`` (``y`` floored at one squared basis point); the forecast is
    ``exp(fit) · mean(y / exp(fit))``, the mean over the training rows (Duan's smearing).

    Histograms on the processor give the same trees on any number of cores, so a refit is the same
    to the bit. Columns are known to XGBoost by their place only. It sums leaves in float32.

    References
    ----------
    Chen and Guestrin (2016), XGBoost: A Scalable Tree Boosting System.
    Duan (1983), Smearing Estimate: A Nonparametric Retransformation Method.
    """

    name: ClassVar[str] = "xgboost"
    targets: ClassVar[frozenset[str]] = frozenset({"direction", "price", "return", "volatility"})
    window = 1
    target_: str | None = None
    smearing_: float
    trees_: Any

    def __init__(
        self,
        *,
        rounds: Count | None = None,
        learning_rate: Fraction = 0.03,
        max_depth: Count = 3,
        min_child_weight: NotNegative = 40.0,
        colsample_bytree: Fraction = 0.5,
        subsample: Fraction = 0.7,
        reg_lambda: NotNegative = 10.0,
        gamma: NotNegative = 0.0,
        max_bin: Several = 64,
        seed: Seed = 1,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.colsample_bytree = colsample_bytree
        self.subsample = subsample
        self.reg_lambda = reg_lambda
        self.gamma = gamma
        self.max_bin = max_bin
        self.seed = seed

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the recipe names."""
        return inputs

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Grow the trees; see :class:`truecast.models.base.Model`."""
        import xgboost

        parameters = parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        if target == "direction":
            both_classes(self, y)
        rounds = parameters.pop("rounds") or ROUNDS[target]
        settings = {
            **parameters,
            "objective": "binary:logistic" if target == "direction" else "reg:squarederror",
            "tree_method": "hist",
            "nthread": cores(len(X)),
            "verbosity": 0,
        }
        rows = newest_rows(X)
        binned = xgboost.QuantileDMatrix(
            rows, label_of(target, y), max_bin=self.max_bin, nthread=cores(len(X))
        )
        grown = xgboost.train(settings, binned, rounds)
        del binned
        # What is served is read from JSON, so what is fitted is too: the two cannot differ.
        self.trees_ = _booster(grown.save_raw("json"))
        self.target_, self.smearing_ = target, 1.0
        if target == "volatility":
            self.smearing_ = smearing_of(y, self._raw(rows))
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast by the trees; see :class:`truecast.models.base.Model`."""
        fitted = self.target_ is not None
        check_predict(self, X, columns=self.trees_.num_features() if fitted else None)
        values = self._raw(newest_rows(X))
        if self.target_ == "direction":
            return np.asarray(1.0 / (1.0 + np.exp(-values)))
        return np.exp(values) * self.smearing_ if self.target_ == "volatility" else values

    def _raw(self, rows: NDArray[np.float32]) -> Vector:
        """Return the sums of the leaves: for direction the log odds."""
        self.trees_.set_param({"nthread": cores(len(rows))})
        raw = self.trees_.inplace_predict(rows, predict_type="margin", validate_features=False)
        return np.asarray(raw, dtype=np.float64)

    def payload(self) -> dict[str, bytes]:
        """Return the trees as XGBoost's JSON, and the target and smearing factor as JSON."""
        if self.target_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {
            TREES_FILE: bytes(self.trees_.save_raw("json")),
            STATE_FILE: dump_state(target=self.target_, smearing=self.smearing_),
        }

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted model; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        state = load_state(cls.name, files, "target", "smearing")
        if TREES_FILE not in files:
            raise ModelError(f"{cls.name}: the payload lacks {TREES_FILE}")
        try:
            model.trees_ = _booster(files[TREES_FILE])
        except ValueError as error:
            raise ModelError(f"{cls.name}: {TREES_FILE} is not XGBoost's JSON: {error}") from error
        model.target_ = target_of(cls, state)
        model.smearing_ = number(cls.name, state, "smearing")
        return model


def _booster(content: bytes | bytearray) -> Any:
    import xgboost

    if not content.startswith(b"{"):
        raise ValueError("it does not begin with {")  # XGBoost would take it for a binary format
    try:
        return xgboost.Booster(model_file=bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise ValueError(str(error).splitlines()[0]) from error
