"""The model cards that an evaluation leaves: beside the report, and with the version in MLflow."""

from collections.abc import Callable

import pytest

from truecast.core.recipe import Recipe
from truecast.evaluation.versioncard import read_card
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import evaluate_and_report
from truecast.pipelines.studies import Studies

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]


def test_every_version_has_its_card(small_recipe: Make, studies: Open) -> None:
    recipe = small_recipe(
        targets={"price": {"models": ["ridge", {"lightgbm": {"rounds": 10}}]}},
        gates={"missing_share": 0.5},
    )
    opened = studies(recipe)
    (chosen,) = train_slots(opened)
    serving = {one.version for one in promote(opened.workspace, recipe)}
    assert serving == {chosen.version}
    card, page = evaluate_and_report(opened)
    (slot,) = card.slots
    registry = opened.workspace.registry
    trained = registry.versions(chosen.slot)
    assert {one.name for one in trained} == {"ridge", "lightgbm"}
    folder = page.parent / "cards" / "~5EGSPC-price-1"
    for one in trained:
        found = read_card(folder / one.version)
        assert found is not None
        manifest = registry.bundle(one.slot, one.version).manifest
        assert found.name == one.name
        assert found.role == ("champion" if one.version in serving else "candidate")
        assert found.reason == one.reason
        assert found.data.rows == manifest.rows
        assert found.data.series == manifest.data_versions
        assert found.features == manifest.models["point"].features
        assert set(found.importances) == set(found.features)
        assert found.model == slot.by_name[one.name]
        assert [base.name for base in found.baselines] == ["naive", "drift"]
        assert found.gates.asked == {"skill": "report", "missing_share": 0.5}
        assert found.gates.found["missing_share"] == pytest.approx(0.0, abs=0.5)
        with registry.catalogue._connection.open() as client:
            listed = client.list_artifacts(one.mlflow_run, "card")
        names = {artifact.path for artifact in listed}
        assert {"card/card.html", "card/card.json"} < names
        assert f"card/residuals-of-{one.name}-outcome-less-forecast.svg" in names
        assert f"card/what-{one.name}-uses-most.svg" in names

    before = {path: path.read_bytes() for path in folder.rglob("card.*")}
    evaluate_and_report(opened)
    assert {path: path.read_bytes() for path in folder.rglob("card.*")} == before
