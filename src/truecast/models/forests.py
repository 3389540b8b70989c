"""Random forests and extremely randomised trees by scikit-learn, kept as ONNX."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from truecast.models.base import Vector, Windows
from truecast.models.boosting import cores
from truecast.models.parameters import Count, Fraction, Seed
from truecast.models.space import Range, Space
from truecast.models.treemodel import TreeModel, check_finite
from truecast.models.treeonnx import of_sklearn, write

#: Training rows in a leaf at least, for each target, unless a recipe says otherwise: many where
#: next to nothing can be forecast.
LEAF_ROWS = {"direction": 100, "price": 100, "return": 100, "volatility": 10}

#: With fewer trees some training row may be in the sample of every one of them.
Trees = Annotated[int, Field(ge=50)]


class _Forest(TreeModel):
    """The mean of many trees, each grown on rows drawn with replacement.

    Notes
    -----
    What is fitted and forecast is said by :class:`truecast.models.treemodel.TreeModel`: squared
    error for every target, which for direction is Gini's impurity, and a leaf says the share of
    rises. The smearing factor of volatility takes for each training row the mean of those trees
    that did not see it, since the others know its outcome. A missing value goes where it lowers
    the training error more, or with most rows where training had none; the graph keeps that.
    A refit gives the same trees on any number of cores.
    """

    odds: ClassVar[bool] = False
    SPACE: ClassVar[Space] = {
        "max_depth": Range(2, 12, whole=True),
        "min_samples_leaf": Range(5, 200, log=True, whole=True),
        "max_features": Range(0.05, 1.0, log=True),
    }

    def __init__(
        self,
        *,
        n_estimators: Trees = 200,
        max_depth: Count = 8,
        min_samples_leaf: Count | None = None,
        max_features: Fraction = 0.33,
        seed: Seed = 1,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.seed = seed

    @abstractmethod
    def _kind(self) -> Callable[..., Any]:
        """Return scikit-learn's class."""

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Grow the trees; see :class:`truecast.models.base.Model`."""
        parameters, rows, label = self._prepared(X, y, target, horizon)
        check_finite(self, rows)
        rows = np.require(rows, requirements="W")  # scikit-learn fails on read-only gaps
        forest = self._kind()(
            n_estimators=self.n_estimators,
            max_depth=self.max_depth,
            min_samples_leaf=parameters["min_samples_leaf"] or LEAF_ROWS[target],
            max_features=self.max_features,
            bootstrap=True,
            oob_score=target == "volatility",
            random_state=self.seed,
            n_jobs=cores(len(rows)),
        )
        forest.fit(rows, label)
        content = write(list(of_sklearn(forest.estimators_)), rows.shape[1], mean=True)
        forest.n_jobs = 1  # with more its sums are rounded in any order
        unseen = forest.oob_prediction_ if target == "volatility" else None
        return self._keep(content, forest.predict, rows, y, target, unseen)


class RandomForest(_Forest):
    """The mean of many trees, each asking the best question among a few features drawn anew.

    The defaults suit about 1,000 rows of weak signal.

    Parameters
    ----------
    n_estimators : int
        Number of trees, from 50.
    max_depth : int
        Questions from a tree's root to a leaf at most, from 1.
    min_samples_leaf : int or None
        Training rows in a leaf at least. None: by the target, ``LEAF_ROWS``.
    max_features : float
        Share of the features that each question may be about, in (0, 1].
    seed : int
        Of the draws of rows and features; the same seed gives the same trees.

    References
    ----------
    Breiman (2001), Random Forests.
    Duan (1983), Smearing Estimate: A Nonparametric Retransformation Method.
    """

    name: ClassVar[str] = "random_forest"

    def _kind(self) -> Callable[..., Any]:
        from sklearn.ensemble import RandomForestRegressor

        kind: Callable[..., Any] = RandomForestRegressor
        return kind


class ExtraTrees(_Forest):
    """A random forest whose questions are drawn too: one threshold for each feature at random.

    Parameters
    ----------
    n_estimators, max_depth, min_samples_leaf, max_features, seed
        As for :class:`RandomForest`.

    Notes
    -----
    Rows are drawn with replacement here as well, which the authors do not do, so that every row
    has trees that did not see it.

    References
    ----------
    Geurts, Ernst and Wehenkel (2006), Extremely Randomized Trees.
    """

    name: ClassVar[str] = "extra_trees"

    def _kind(self) -> Callable[..., Any]:
        from sklearn.ensemble import ExtraTreesRegressor

        kind: Callable[..., Any] = ExtraTreesRegressor
        return kind
