"""A bundle as a model that MLflow can load: ``mlflow.pyfunc.load_model("models:/NAME@champion")``.

The folder that MLflow keeps has its ``MLmodel`` file and the bundle, unchanged; nothing is
pickled. Loading passes every check of :func:`truecast.models.bundle.load_bundle`.
"""

from pathlib import Path
from typing import Any

import numpy as np

import truecast
from truecast.models.base import Vector
from truecast.models.bundle import Bundle, load_bundle
from truecast.models.manifest import Manifest, ModelEntry

#: Label of the model that forecasts; the others of a bundle make its interval and its baseline.
POINT = "point"


class PointModel:
    """What MLflow calls: a bundle's point model.

    Parameters
    ----------
    bundle : Bundle
        Loaded and checked.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Vector:
        """Forecast each row.

        Parameters
        ----------
        model_input : DataFrame, or array of float, shape (n, window, k)
            Columns by the names of the features; an array where the model looks at a window.
        params : None
            There are none; MLflow asks for the argument.

        Returns
        -------
        array of float64, shape (n,)
            As models forecast (see :class:`truecast.models.base.Model`): the log return in
            percent for price and return, the probability of a rise for direction, the variance a
            day in percent squared for volatility, 0 bear, 1 neutral or 2 bull for regime. NaN
            where a row lacks a value.
        """
        del params
        entry = self.bundle.manifest.models[POINT]
        if hasattr(model_input, "columns"):
            rows = model_input[list(entry.features)].to_numpy(dtype=np.float32)[:, np.newaxis, :]
        else:
            rows = np.asarray(model_input, dtype=np.float32)
        return self.bundle.models[POINT].predict(rows)


def _load_pyfunc(path: str) -> PointModel:
    """Load what :func:`write_model` wrote; MLflow calls this with the bundle's folder."""
    folder = Path(path)
    return PointModel(load_bundle(folder, expected_version=folder.name))


def write_model(folder: Path, bundle: Path, manifest: Manifest) -> None:
    """Write a bundle in MLflow's form.

    Parameters
    ----------
    folder : Path
        Where; it must not exist yet.
    bundle : Path
        The bundle's folder, whose name is its version.
    manifest : Manifest
        Of the bundle.
    """
    from mlflow.pyfunc import save_model

    save_model(
        folder,
        loader_module=__name__,
        data_path=str(bundle),
        signature=_signature(manifest.models[POINT]),
        pip_requirements=[f"truecast=={truecast.__version__}"],
    )


def _signature(entry: ModelEntry) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    answer = Schema([ColSpec(DataType.double)])
    if entry.window > 1:
        shape = (-1, entry.window, len(entry.features))
        return ModelSignature(Schema([TensorSpec(np.dtype(np.float32), shape)]), answer)
    # MLflow takes float32 where double is declared, but not the other way round.
    return ModelSignature(
        Schema([ColSpec(DataType.double, name) for name in entry.features]), answer
    )
