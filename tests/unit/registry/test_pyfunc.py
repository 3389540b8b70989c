"""What MLflow loads is the bundle, checked as everywhere, and forecasts as its model does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from tests.unit.registry.conftest import ROWS, SLOT, register

from truecast.models.bundle import Part
from truecast.models.garch import Garch
from truecast.models.manifest import BundleError, Training
from truecast.registry.registry import Registry

MODEL = "gold__sample__GC_3DF__price__1"


@pytest.fixture
def by_default(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Let MLflow's own functions look where the registry's home is."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.catalogue.settings.tracking_uri)
    return registry


def loaded(uri: str) -> Any:
    return mlflow.pyfunc.load_model(uri)


def test_the_alias_loads_the_champion_and_forecasts_as_it_does(by_default: Registry) -> None:
    version = register(by_default)
    by_default.promote(SLOT, version, reason="")
    champion = loaded(f"models:/{MODEL}@champion")
    expected = by_default.bundle(SLOT, version).models["point"].predict(ROWS[:5])
    rows = pd.DataFrame(ROWS[:5, 0, ::-1], columns=["b", "a"])
    for kind in ("float32", "float64"):
        said = champion.predict(rows.astype(kind))
        assert said.tolist() == expected.tolist()
    with pytest.raises(mlflow.exceptions.MlflowException, match="missing inputs"):
        champion.predict(rows[["a"]])


def test_what_mlflow_keeps_is_the_bundle_and_no_pickle(by_default: Registry, home: Path) -> None:
    version = register(by_default)
    (model,) = home.glob("mlartifacts/*/artifacts/model")
    files = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    bundle = {
        f"data/{version}/{name}"
        for name in ("manifest.json", "n.json", "point/model.json", "point/canary.json")
    }
    described = {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"}
    assert files - {"registered_model_meta"} == bundle | described
    flavor = yaml.safe_load((model / "MLmodel").read_text())["flavors"]["python_function"]
    assert flavor["loader_module"] == "truecast.registry.pyfunc"
    assert flavor["data"] == f"data/{version}"


def test_a_changed_file_is_refused_by_mlflow_too(by_default: Registry, home: Path) -> None:
    register(by_default)
    (path,) = home.glob("mlartifacts/**/point/model.json")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"point/model\.json has been changed"):
        loaded(f"models:/{MODEL}/1")


def test_a_model_with_a_window_takes_arrays(by_default: Registry) -> None:
    slot = replace(SLOT, target="volatility")
    returns = np.random.default_rng(1).standard_normal(300).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(returns, 50)[:, :, np.newaxis]
    model = Garch(window=50).fit(windows, np.ones(len(windows)), target="volatility", horizon=1)
    training = Training(
        slot=str(slot),
        recipe="gold",
        recipe_hash="ab" * 32,
        target="volatility",
        horizon=1,
        trained_from="2010-01-04T00:00Z",
        trained_through="2013-01-04T00:00Z",
        rows=300,
    )
    part = Part(model, ("log_return_1",), windows[:3])
    manifest = by_default.store.save(slot, training, {"point": part}, {})
    by_default.register(slot, manifest, name="garch", reason="", metrics={})
    said = loaded("models:/gold__sample__GC_3DF__volatility__1/1").predict(windows[:7])
    assert said.tolist() == model.predict(windows[:7]).tolist()
