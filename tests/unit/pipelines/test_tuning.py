"""Tuning and selection see nothing of the evaluation, and what they find is what is trained."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.settings import Settings
from truecast.datasets.assembly import Dataset
from truecast.pipelines.champions import train_slots
from truecast.pipelines.stages import check_recipe
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher
from truecast.pipelines.tuning import tuned
from truecast.serving.answering.labels import POINT
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace
from truecast.training.select import strongest
from truecast.training.tune import Tuned

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]


def spoiled(dataset: Dataset, rows: slice) -> Dataset:
    """Return the dataset with other features in some rows, and other outcomes of them."""
    X = dataset.X.copy()
    X[rows] = np.random.default_rng(1).standard_normal(X[rows].shape) * 100
    changed, plain = replace(dataset, X=X), dataset.outcomes(1)
    returns = plain.log_return.copy()
    returns[rows] *= -50
    changed._outcomes[1] = replace(plain, log_return=returns)
    return changed


def test_tuning_sees_nothing_of_the_evaluation(
    small_recipe: Make, studies: Open, tmp_path: Path
) -> None:
    """With everything changed from the evaluation's first row on, each trial scores the same."""
    recipe = small_recipe(targets={"price": {"models": ["ridge"]}}, tune={"trials": 4, "seed": 5})
    slot, plain = slots_of(recipe)[0], studies(recipe).researcher("^GSPC")
    begin = plain.parts.evaluation.start

    def search(name: str, dataset: Dataset) -> tuple[list[tuple[object, ...]], object]:
        workspace = Workspace(Settings(home=tmp_path / name))
        (found,) = tuned(workspace, Researcher(recipe, dataset), slot).values()
        with sqlite3.connect(tmp_path / name / "tuning.db") as opened:
            steps = opened.execute("select * from trial_intermediate_values").fetchall()
            (study,) = opened.execute("select study_name from studies").fetchall()
        return steps, (found, study)

    expected = search("plain", plain.dataset)
    assert len({choice.parameters.get("alpha") for choice in expected[1][0].tried}) == 4  # type: ignore[index]
    assert search("later", spoiled(plain.dataset, slice(begin, None))) == expected
    last = slice(begin - 40, begin - 20)
    assert search("earlier", spoiled(plain.dataset, last))[0] != expected[0]


def test_what_tuning_finds_is_walked_trained_and_counted(small_recipe: Make, studies: Open) -> None:
    recipe = small_recipe(
        targets={"price": {"models": ["ridge", "naive"]}}, tune={"trials": 3, "seed": 2}
    )
    opened, (slot,) = studies(recipe), slots_of(recipe)
    study = opened.study(slot)
    alpha = study.choices["ridge"].parameters["alpha"]
    assert study.choices["naive"].parameters == {}  # nothing of it can be tuned
    assert [len(one.parameters) for one in study.tried] == [0, 1, 1]
    assert alpha in [one.parameters.get("alpha") for one in study.tried]
    # Three trials of ridge, the first of which is the candidate as it is; and the naive one.
    assert opened.trials(slot) == 4

    stored = opened.workspace.lake.read_gold(f"walkforward/small/sample/~5EGSPC/{slot.target}-1")
    assert json.loads(stored.lineage["tuned"]) == {"ridge": {"alpha": alpha}}
    train_slots(opened)
    version = opened.workspace.registry.newest(slot, "ridge").version
    bundle = opened.workspace.bundles.load(slot, version)
    assert bundle.manifest.models[POINT].parameters == {"alpha": alpha}

    again = Studies(opened.workspace, recipe)
    assert again.study(slot).choices == study.choices
    assert again.trials(slot) == 4


@pytest.mark.parametrize("family", ["ridge", "har_leverage"])
def test_a_member_of_an_ensemble_has_the_candidate_s_parameters(
    small_recipe: Make, studies: Open, family: str
) -> None:
    target, other = ("price", "naive") if family == "ridge" else ("volatility", "garch")
    ensemble = {"ensemble": {"of": [family, other]}}
    recipe = small_recipe(targets={target: {"models": [family, other, ensemble]}})
    researcher, (slot,) = studies(recipe).researcher("^GSPC"), slots_of(recipe)
    found = Choice(name=family, parameters={"alpha": 5.0} if family == "ridge" else {"window": 500})
    researcher.adopt(slot, {family: Tuned(found, 0.0, (found,))})
    choices = researcher.choices(slot)
    assert choices[family] == found
    assert choices["ensemble"].parameters["of"] == [{family: found.parameters}, other]
    assert researcher.fits(slot) % len(researcher.folds_over(researcher._rows)) == 0


def test_a_column_that_only_later_rows_speak_for_is_not_kept(
    small_recipe: Make, studies: Open
) -> None:
    """Each fold chooses by its own training rows: a leak into the test rows finds no way in."""
    recipe = small_recipe(targets={"price": {"models": ["ridge"], "keep": 2}})
    researcher, (slot,) = studies(recipe).researcher("^GSPC"), slots_of(recipe)
    dataset, begin = researcher.dataset, researcher.parts.evaluation.start
    y = dataset.outcomes(1).log_return
    place = dataset.plan.names.index("rsi_14")
    X = dataset.X.copy()
    X[begin:, place] = 52 + 10 * y[begin:]  # as large as it is before
    leaking = Researcher(recipe, replace(dataset, X=X))
    known = np.flatnonzero(np.isfinite(y) & np.isfinite(X[:, place]))
    columns = [dataset.plan.names.index(name) for name in dataset.inputs]
    assert columns.index(place) in strongest(X[np.ix_(known, columns)], y[known], 1)

    choice = leaking.choices(slot)["ridge"]
    folds = leaking.folds_over(range(begin, begin + 60))
    kept = [leaking.fit(choice, slot, fold)[1] for fold in folds]
    assert all(len(names) == 2 for names in kept)
    first = kept[0]
    assert first == researcher.fit(choice, slot, folds[0])[1]
    rows = leaking.trainer.rows("price", 1, folds[0])
    assert rows.max() < begin
    expected = strongest(X[np.ix_(rows, columns)], y[rows], 2)
    assert first == tuple(dataset.inputs[one] for one in expected)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["naive"], "no candidate has any: name a model that has some"),
        ([{"ridge": {"alpha": 10}}], r"leave one open \(ridge has alpha\), or leave tune out"),
        ([{"ensemble": {"of": ["ridge", "naive"]}}], "no candidate has any"),
    ],
)
def test_a_search_for_nothing_is_refused_before_any_work(
    small_recipe: Make, models: list[object], message: str
) -> None:
    check_recipe(small_recipe(targets={"price": {"models": models}}))
    with pytest.raises(UsageError, match=message):
        check_recipe(small_recipe(targets={"price": {"models": models}}, tune={"trials": 4}))
    one_open = {"price": {"models": [*models, "lightgbm"]}}
    check_recipe(small_recipe(targets=one_open, tune={"trials": 4}))


def test_a_parent_without_children_is_refused_before_any_work(small_recipe: Make) -> None:
    asked = {"targets": {"price": {"models": ["mlp"]}}, "transfer": {"parent": "^GSPC"}}
    check_recipe(small_recipe(**asked, instruments=["^GSPC", "^IXIC"]))
    with pytest.raises(UsageError, match=r"from \^GSPC, the only instrument, to nobody"):
        check_recipe(small_recipe(**asked, instruments=["^GSPC"]))
