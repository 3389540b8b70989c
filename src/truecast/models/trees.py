"""Gradient-boosted trees by LightGBM, kept in its own text format."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

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

TREES_FILE = "model.txt"


class LightGBM:
    """Many small trees, each correcting the ones before; a missing value goes its own way.

    The defaults suit about 1,000 rows of weak signal: shallow trees, large leaves, little learned
    from each.

    Parameters
    ----------
    rounds : int or None
        Number of trees. None: by the target, ``ROUNDS``: many for volatility, which can be
        forecast, and few for the others, which hardly can.
    learning_rate : float
        Share of each tree's correction that is applied, in (0, 1].
    num_leaves : int
        Leaves of a tree at most, from 2.
    min_data_in_leaf : int
        Training rows in a leaf at least.
    feature_fraction : float
        Share of the features that each tree may use, in (0, 1].
    bagging_fraction : float
        Share of the rows that each tree sees, in (0, 1].
    lambda_l2 : float
        Penalty on squared leaf values, from 0.
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

    Row-wise histograms and LightGBM's ``deterministic`` make a refit give the same trees on the
    same machine, on any number of cores, so the text says one. Columns are known to LightGBM by
    their place only.

    References
    ----------
    Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree.
    Duan (1983), Smearing Estimate: A Nonparametric Retransformation Method.
    """

    name: ClassVar[str] = "lightgbm"
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
        num_leaves: Several = 6,
        min_data_in_leaf: Count = 40,
        feature_fraction: Fraction = 0.5,
        bagging_fraction: Fraction = 0.7,
        lambda_l2: NotNegative = 10.0,
        max_bin: Several = 63,
        seed: Seed = 1,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.lambda_l2 = lambda_l2
        self.max_bin = max_bin
        self.seed = seed

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return all that the recipe names."""
        return inputs

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Grow the trees; see :class:`truecast.models.base.Model`."""
        import lightgbm

        parameters = parameters_of(self)
        check_fit(self, X, y, target=target, horizon=horizon)
        if target == "direction":
            both_classes(self, y)
        rounds = parameters.pop("rounds") or ROUNDS[target]
        threads = cores(len(X))
        settings = {
            **parameters,
            "objective": "binary" if target == "direction" else "regression",
            "bagging_freq": 1,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbosity": -1,
        }
        rows = newest_rows(X)
        binned = lightgbm.Dataset(rows, label_of(target, y), params=settings)
        text = lightgbm.train(settings, binned, rounds).model_to_string()
        # What is served is read from text, so what is fitted is too: the two cannot differ.
        self.trees_ = _booster(text.replace(f"[num_threads: {threads}]", "[num_threads: 1]"))
        self.target_, self.smearing_ = target, 1.0
        if target == "volatility":
            self.smearing_ = smearing_of(y, self._raw(rows))
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast by the trees; see :class:`truecast.models.base.Model`."""
        fitted = self.target_ is not None
        check_predict(self, X, columns=self.trees_.num_feature() if fitted else None)
        values = self._raw(newest_rows(X))
        return np.exp(values) * self.smearing_ if self.target_ == "volatility" else values

    def _raw(self, rows: Any) -> Vector:
        return np.asarray(self.trees_.predict(rows, num_threads=cores(len(rows))), dtype=np.float64)

    def payload(self) -> dict[str, bytes]:
        """Return the trees as LightGBM's text, and the target and smearing factor as JSON."""
        if self.target_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        return {
            TREES_FILE: self.trees_.model_to_string().encode(),
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
            model.trees_ = _booster(files[TREES_FILE].decode())
        except (UnicodeDecodeError, ValueError) as error:
            raise ModelError(f"{cls.name}: {TREES_FILE} is not LightGBM's text: {error}") from error
        model.target_ = target_of(cls, state)
        model.smearing_ = number(cls.name, state, "smearing")
        return model


def _booster(text: str) -> Any:
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(str(error)) from error
