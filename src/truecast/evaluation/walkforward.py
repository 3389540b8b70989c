"""Walk forward through the rows: fit on what was known, forecast until the next fit."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from truecast.core.recipe_parts import Choice
from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import Fold
from truecast.datasets.targets import F64
from truecast.models.base import Model

#: Fits a named model for a fold, and says which columns it takes. Given by whoever may train.
Fit = Callable[[Choice, Fold], tuple[Model, tuple[str, ...]]]
#: Told of each fit: the model's name in the result, its fold, itself, and its columns.
Watch = Callable[[str, Fold, Model, tuple[str, ...]], None]


def walk_forward(
    dataset: Dataset,
    folds: Sequence[Fold],
    choices: Mapping[str, Choice],
    fit: Fit,
    *,
    watch: Watch = lambda _name, _fold, _model, _features: None,
) -> dict[str, F64]:
    """Forecast the rows of each fold by models fitted at the fold's own moment.

    Parameters
    ----------
    dataset : Dataset
        Rows of one instrument, n of them.
    folds : sequence of Fold
        Which rows to forecast, and when their models are fitted.
    choices : mapping of str to Choice
        The models by the name that they have in the result.
    fit : callable
        Called once a model and fold.
    watch : callable
        Called after each fit, with what was fitted.

    Returns
    -------
    dict of str to array of float64, shape (n,)
        What each model predicts (see :class:`truecast.models.base.Model`); NaN outside the folds.

    Notes
    -----
    A prediction for a row is made from the features known at that row's decision, by a model
    that saw outcomes known at the fold's first decision at the latest.
    """
    predictions = {name: np.full(len(dataset), np.nan) for name in choices}
    for fold in folds:
        rows = np.arange(fold.start, fold.stop)
        for name, choice in choices.items():
            model, features = fit(choice, fold)
            predictions[name][rows] = model.predict(dataset.windows(features, model.window, rows))
            watch(name, fold, model, features)
    return predictions
