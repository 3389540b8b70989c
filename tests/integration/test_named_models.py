"""Every candidate has a version that answers by its name; a challenger meets the champion fairly;
and a version can be built again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from truecast.core.clock import frozen_at, to_datetime64
from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.evaluation.metrics import METRICS
from truecast.ledger.query import Query
from truecast.pipelines import stages
from truecast.pipelines.champions import judge_versions, promote, train_slots
from truecast.pipelines.contest import contest
from truecast.pipelines.predict import predict, predict_by
from truecast.pipelines.reproduce import ReproduceError, difference, reproduce
from truecast.pipelines.studies import Studies
from truecast.serving.answering.labels import POINT
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]

TWO = {"price": {"models": ["ridge", {"ridge": {"alpha": 1000.0}}]}}
#: When an older version is trained: months of the evaluation are still to come.
EARLIER = datetime(2014, 2, 3, 12, tzinfo=UTC)


@pytest.fixture
def opened(small_recipe: Make, studies: Open) -> Studies:
    return studies(small_recipe(targets=TWO))


def test_every_candidate_answers_by_its_name(small_recipe: Make, studies: Open) -> None:
    opened = studies(small_recipe(targets={"price": {"models": ["ridge", "lightgbm"]}}))
    workspace, recipe, (slot,) = opened.workspace, opened.recipe, slots_of(opened.recipe)
    (chosen,) = train_slots(opened)
    study = opened.study(slot)
    versions = workspace.registry.versions(slot)
    assert {one.name for one in versions} == {"ridge", "lightgbm"}
    assert [one.name for one in versions if one.chosen] == [study.champion] == [chosen.name]
    losses = study.validation_losses
    assert losses[chosen.name] == min(losses.values())
    assert {one.name: one.metrics["validation_mape"] for one in versions} == losses
    (other,) = (one for one in versions if not one.chosen)
    assert other.reason.startswith(f"{chosen.name} was chosen; mape on the validation rows: ")

    again = Studies(workspace, recipe)
    assert train_slots(again) == [chosen]
    assert workspace.registry.versions(slot) == versions  # nothing new

    promote(workspace, recipe)
    card, _ = stages.evaluate(opened)
    judge_versions(workspace, card)
    verdicts = {one.name: one.verdict for one in card.slots[0].models}
    assert workspace.registry.find(slot, other.version).skill == verdicts[other.name]

    (own,) = predict(workspace, recipe)
    assert predict_by(workspace, recipe, chosen.name) == [own]
    (said,) = predict_by(workspace, recipe, other.name)
    assert (said.model_name, said.model_version) == (other.name, other.version)
    assert (own.mode, said.mode) == ("historical", "whatif")
    assert said.skill == verdicts[other.name]
    assert not said.degraded
    assert workspace.ledger.read(said.id).forecast == said  # type: ignore[union-attr]
    bundle = workspace.bundles.load(slot, other.version)
    entry, rows = bundle.manifest.models[POINT], study.dataset
    (last,) = bundle.models[POINT].predict(rows.windows(entry.features, entry.window)[-1:])
    assert said.prediction == pytest.approx(rows.last_close[-1] * np.exp(last / 100), rel=1e-12)
    scored = workspace.ledger.history(Query(slot=str(slot), mode="historical"))
    assert [one.forecast.id for one in scored] == [own.id]
    with pytest.raises(UnknownNameError, match=r"unknown model 'rigde' .*: did you mean 'ridge'"):
        predict_by(workspace, recipe, "rigde")
    with pytest.raises(UsageError, match="has no version of a model 'ridge'"):
        predict_by(workspace, recipe.model_copy(update={"context": ("^VIX",)}), "ridge")


def test_a_challenger_meets_the_champion_on_identical_dates(opened: Studies) -> None:
    """Both of one recipe: on its evaluation. Far worse is held, far better is let through."""
    workspace, recipe, (slot,) = opened.workspace, opened.recipe, slots_of(opened.recipe)
    (chosen,) = train_slots(opened)
    study = opened.study(slot)
    (other,) = (one for one in workspace.registry.versions(slot) if one.name != chosen.name)
    promote(workspace, recipe, [other], by_hand=True)
    assert workspace.registry.champion(slot).reason == f"named by hand: {other.reason}"

    def doctored(name: str) -> Any:
        noise = np.random.default_rng(3).standard_normal(len(study.dataset)) * 3
        spoiled = {**study.predictions, name: study.predictions[name] + noise}
        return contest(workspace, recipe, replace(study, predictions=spoiled))

    worse, better = doctored(study.champion), doctored(other.name)
    assert not worse.won
    assert worse.said.startswith(f"beside the champion {other.version} ({other.name}) on ")
    assert worse.said.endswith(": it is worse")
    assert better.won
    plain = contest(workspace, recipe, study)
    assert plain is not None
    assert plain.won  # neither is better beyond chance
    strict = recipe.model_copy(
        update={"gates": recipe.gates.model_copy(update={"skill": "require"})}
    )
    # Another recipe, by its hash: no rows are left that the champion has not seen.
    few = contest(workspace, strict, study)
    assert few is not None
    assert (
        "on 0 common dates, too few to compare (30 at least), and the recipe requires" in few.said
    )
    assert not few.won
    assert contest(workspace, strict, study, shown=False).won  # type: ignore[union-attr]

    (again,) = train_slots(Studies(workspace, recipe))
    assert (again.version, again.held) == (chosen.version, None)
    assert again.reason == f"{chosen.reason}; {plain.said}"
    (champion,) = promote(workspace, recipe)
    assert (champion.version, champion.reason) == (chosen.version, again.reason)
    assert train_slots(Studies(workspace, recipe)) == [again]  # the champion's reason stays


def test_a_champion_of_another_recipe_speaks_of_the_rows_after_it(
    small_recipe: Make, studies: Open
) -> None:
    old = studies(small_recipe(targets={"price": {"models": ["ridge"]}}, features=["rsi_14"]))
    workspace, (slot,) = old.workspace, slots_of(old.recipe)
    with frozen_at(EARLIER):
        (first,) = train_slots(old)
    promote(workspace, old.recipe, [first])
    new = Studies(workspace, small_recipe(targets={"price": {"models": ["ridge"]}}))
    study = new.study(slot)
    met = contest(workspace, new.recipe, study)
    assert met is not None
    assert met.won

    part = study.parts.evaluation
    rows = np.arange(part.start, part.stop)
    rows = rows[study.dataset.decisions.as_of[rows] > to_datetime64(first.trained_through)]
    bundle = workspace.bundles.load(slot, first.version)
    entry, own = bundle.manifest.models[POINT], old.researcher("^GSPC").dataset
    said = bundle.models[POINT].predict(own.windows(entry.features, entry.window, rows))
    close, truth = study.dataset.last_close[rows], study.outcomes.close[rows]
    ape = METRICS["mape"].loss
    assert ape is not None
    before = np.mean(ape(truth, close * np.exp(said / 100)))
    after = np.mean(ape(truth, close * np.exp(study.predictions["ridge"][rows] / 100)))
    assert len(rows) > 90
    assert f"({first.name}) on {len(rows)} common dates: mape {after:.5g} against" in met.said
    assert f"against {before:.5g}, Diebold-Mariano " in met.said


def test_a_held_version_is_promoted_by_its_own_name_only(
    opened: Studies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: Any
) -> None:
    workspace, recipe, (slot,) = opened.workspace, opened.recipe, slots_of(opened.recipe)
    (chosen,) = train_slots(opened)
    (other,) = (one for one in workspace.registry.versions(slot) if one.name != chosen.name)
    promote(workspace, recipe, [other], by_hand=True)
    strict = recipe.model_copy(update={"features": recipe.features[:2]})
    path = tmp_path / "strict.yaml"
    content = strict.model_dump(mode="json", by_alias=True, exclude_none=True)
    path.write_text(yaml.safe_dump({**content, "gates": {"skill": "require"}}))
    home = workspace.settings.home
    # The naive forecast takes any champion's place where no skill is shown; so let one be shown.
    monkeypatch.setattr("truecast.pipelines.studies.verdict", lambda *_: "beats naive")
    trained = typed("train", str(path), "--json", home=home)
    assert trained.code == 0, trained.err
    (held,) = json.loads(trained.out)["versions"]
    done = typed("promote", str(path), home=home)
    assert done.code == 0
    assert f"{held['version']} is not promoted: beside the champion {other.version}" in done.err
    assert (
        f"`truecast promote {path} --version {held['version']}` makes it the champion" in done.err
    )
    assert workspace.registry.champion(slot).version == other.version
    asked = typed("predict", str(path), home=home)
    assert asked.code == 2
    assert "the champion was trained by another version of the recipe; " in asked.err
    assert f"`truecast promote {path} --version {held['version']}`" in asked.err
    by_hand = typed("promote", str(path), "--version", held["version"], home=home)
    assert by_hand.code == 0, by_hand.err
    assert workspace.registry.champion(slot).version == held["version"]
    assert typed("predict", str(path), home=home).code == 0
    wrong = typed("predict", str(path), "--model", "ridge", "--as-of", "2014-03-03", home=home)
    assert wrong.code == 2
    assert "--as-of asks the models of then" in wrong.err


def revise(home: Path, known_at: datetime, session: str = "2012-05-15") -> None:
    """Let the lake say that a bar was another one, known from a moment on."""
    place = str(home / "lake" / "silver" / "bars")
    bars = pl.read_delta(place)
    (row,) = bars.filter(
        (pl.col("instrument") == "^GSPC") & (pl.col("session").cast(pl.String) == session)
    ).to_dicts()
    moved = {
        **row,
        "version": row["version"] + 1,
        "known_at": known_at,
        "received_at": known_at,
        **{name: row[name] * 1.02 for name in ("open", "high", "low", "close")},
    }
    pl.DataFrame([moved], schema=bars.schema).write_delta(place, mode="append")


def test_a_version_is_built_again_as_of_then(
    small_recipe: Make, studies: Open, home: Path, typed: Any
) -> None:
    recipe = small_recipe(
        targets={
            "price": {"models": ["ridge", "lightgbm"], "keep": 2},
            "volatility": {"models": ["har_leverage"]},
        }
    )
    opened = studies(recipe)
    with frozen_at(EARLIER):
        train_slots(opened)
    workspace = opened.workspace
    versions = [one for slot in slots_of(recipe) for one in workspace.registry.versions(slot)]
    assert len(versions) == 3
    revise(home, datetime(2014, 2, 10, tzinfo=UTC))  # became known later: not looked at
    for one in versions:
        found = reproduce(workspace, one.version)
        assert (found.slot, found.version) == (one.slot, one.version)
        assert [(part.difference, part.canary_difference) for part in found.models] == [(0, 0)] * 3
        assert all(part.rows == 250 and part.tolerance == 0 for part in found.models)
        assert found.reproduced
        assert found.differing == ()
    told = typed("reproduce", f"{versions[0].slot}@{versions[0].version}", "--json", home=home)
    assert told.code == 0
    document = json.loads(told.out)
    assert document["reproduced"]
    assert [one["same"] for one in document["models"]] == [True] * 3

    revise(home, datetime(2013, 9, 2, tzinfo=UTC), session="2012-06-15")  # before the training
    told = typed("reproduce", versions[0].version, "--json", home=home)
    assert told.code == 1
    document = json.loads(told.out)
    assert not document["reproduced"]
    (said,) = document["data_differs"]
    assert said.startswith("^GSPC is another one as of then: sha256:")
    with pytest.raises(UsageError, match="no version 'v000000000000' is known"):
        reproduce(workspace, "v000000000000")
    with pytest.raises(UsageError, match="is not a slot: expected recipe@source"):
        reproduce(workspace, "what@v000000000000")

    shutil.rmtree(home / "lake" / "silver" / "bars")
    with pytest.raises(ReproduceError, match=r"cannot be built again .*\^GSPC") as missing:
        reproduce(Workspace(Settings(home=home)), versions[0].version)
    assert "2014-01-31" in str(missing.value)


def test_a_difference_is_told_in_parts_of_what_is_said() -> None:
    nan = float("nan")
    assert difference(np.array([1.0, nan]), np.array([1.0, nan])) == 0.0
    assert difference(np.array([1.0, -2.0]), np.array([1.0, -2.5])) == pytest.approx(0.2)
    assert difference(np.array([nan]), np.array([1.0])) == float("inf")
    assert difference(np.array([0.0]), np.array([0.0])) == 0.0
