"""Gradient-boosted trees by LightGBM, kept as ONNX."""

from functools import partial
from typing import ClassVar, Self

from truecast.models.base import Vector, Windows
from truecast.models.boosting import ROUNDS, cores
from truecast.models.parameters import Count, Fraction, NotNegative, Seed, Several
from truecast.models.space import Range, Space
from truecast.models.treemodel import TreeModel
from truecast.models.treeonnx import of_lightgbm, write


class LightGBM(TreeModel):
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

    Notes
    -----
    What is fitted and forecast is said by :class:`truecast.models.treemodel.TreeModel`: squared
    error, or log loss for direction. Row-wise histograms and LightGBM's ``deterministic`` make a
    refit give the same trees on the same machine, on any number of cores. Columns are known to
    LightGBM by their place only. What the graph says is LightGBM's own to the bit.

    References
    ----------
    Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree.
    """

    name: ClassVar[str] = "lightgbm"
    SPACE: ClassVar[Space] = {
        "rounds": Range(5, 400, log=True, whole=True),
        "learning_rate": Range(0.01, 0.1, log=True),
        "num_leaves": Range(3, 24, log=True, whole=True),
        "min_data_in_leaf": Range(10, 200, log=True, whole=True),
        "feature_fraction": Range(0.2, 1.0),
        "lambda_l2": Range(0.1, 100.0, log=True),
    }

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

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Grow the trees; see :class:`truecast.models.base.Model`."""
        import lightgbm

        parameters, rows, label = self._prepared(X, y, target, horizon)
        rounds = parameters.pop("rounds") or ROUNDS[target]
        settings = {
            **parameters,
            "objective": "binary" if target == "direction" else "regression",
            "bagging_freq": 1,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": cores(len(rows)),
            "verbosity": -1,
        }
        booster = lightgbm.train(settings, lightgbm.Dataset(rows, label, params=settings), rounds)
        content = write(list(of_lightgbm(booster.model_to_string())), rows.shape[1])
        native = partial(booster.predict, raw_score=True, num_threads=1)
        return self._keep(content, native, rows, y, target)
