"""Gradient-boosted trees by XGBoost, kept as ONNX."""

from functools import partial
from typing import ClassVar, Self

from truecast.models.base import Vector, Windows
from truecast.models.boosting import ROUNDS, cores
from truecast.models.parameters import Count, Fraction, NotNegative, Seed, Several
from truecast.models.space import Range, Space
from truecast.models.treemodel import TreeModel, check_finite
from truecast.models.treeonnx import of_xgboost, write


class XGBoost(TreeModel):
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

    Notes
    -----
    What is fitted and forecast is said by :class:`truecast.models.treemodel.TreeModel`: squared
    error, or log loss for direction. Histograms on the processor give the same trees on any
    number of cores, so a refit is the same to the bit. Columns are known to XGBoost by their
    place only. XGBoost sums its leaves in float32 and the graph in float64, so the two agree to
    the seventh digit.

    References
    ----------
    Chen and Guestrin (2016), XGBoost: A Scalable Tree Boosting System.
    """

    name: ClassVar[str] = "xgboost"
    SPACE: ClassVar[Space] = {
        "rounds": Range(5, 400, log=True, whole=True),
        "learning_rate": Range(0.01, 0.1, log=True),
        "max_depth": Range(1, 6, whole=True),
        "min_child_weight": Range(5.0, 200.0, log=True),
        "colsample_bytree": Range(0.2, 1.0),
        "reg_lambda": Range(0.1, 100.0, log=True),
    }

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

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Grow the trees; see :class:`truecast.models.base.Model`."""
        import xgboost

        parameters, rows, label = self._prepared(X, y, target, horizon)
        check_finite(self, rows)
        rounds = parameters.pop("rounds") or ROUNDS[target]
        threads = cores(len(rows))
        settings = {
            **parameters,
            "objective": "binary:logistic" if target == "direction" else "reg:squarederror",
            "tree_method": "hist",
            "nthread": threads,
            "verbosity": 0,
        }
        binned = xgboost.QuantileDMatrix(rows, label, max_bin=self.max_bin, nthread=threads)
        booster = xgboost.train(settings, binned, rounds)
        del binned
        trees = list(of_xgboost(booster.save_raw("json")))
        content = write(trees, rows.shape[1], strict=True)
        booster.set_param({"nthread": 1})
        native = partial(booster.inplace_predict, predict_type="margin", validate_features=False)
        return self._keep(content, native, rows, y, target)
