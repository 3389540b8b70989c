"""A trained recipe in the registry: what MLflow shows forecasts as what answers does."""

from collections.abc import Callable

import mlflow
import pandas as pd
import pytest

from truecast.core.clock import now
from truecast.core.recipe import Recipe
from truecast.pipelines.studies import Studies
from truecast.pipelines.train import final_fold, train
from truecast.registry.registry import open_registry
from truecast.serving.answering.forecaster import Forecaster
from truecast.serving.planning import slots_of
from truecast.serving.workspace import series_of


def test_a_trained_champion_says_the_same_through_mlflow(
    small_recipe: Callable[..., Recipe],
    studies: Callable[[Recipe], Studies],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = studies(small_recipe())
    (slot,) = slots_of(opened.recipe)
    workspace, researcher = opened.workspace, opened.researcher(slot.instrument)
    study = opened.study(slot)
    fold = final_fold(study, len(researcher.dataset) - 1)
    manifest = train(workspace.bundles, opened.recipe, researcher, study, fold)

    registry = open_registry(workspace.settings)
    record = registry.register(
        slot, manifest, name=study.champion, reason="best", metrics=dict(study.validation_losses)
    )
    registry.promote(slot, record.version, reason="first")
    assert (record.name, record.model_type) == ("logistic", "logistic")
    assert record.recipe_hash == opened.recipe.hash
    assert record.trained_through == manifest.trained_through

    champion = registry.champion(slot)
    bundle = registry.bundle(slot, champion.version)
    forecast = Forecaster(bundle).forecast(
        series_of(workspace, opened.recipe, slot.instrument), now(), mode="historical", skill="x"
    )
    features = bundle.manifest.models["point"].features
    newest = pd.DataFrame(
        {name: researcher.dataset.feature(name)[-3:].astype("float32") for name in features}
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.settings.tracking_uri)
    said = mlflow.pyfunc.load_model(f"models:/{record.mlflow_model}@champion").predict(newest)
    assert said[-1] == pytest.approx(forecast.probability, rel=1e-9)
    assert forecast.model_version == champion.version
