"""The recipe ``stocks``: one forest over all shares, tuned, and tested on the last 30 bars."""

import os
from pathlib import Path

import polars as pl
import pytest

from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.recipe_parts import Choice, Tuning
from truecast.core.settings import Settings
from truecast.pipelines.stages import RunResult, check_recipe, run
from truecast.pipelines.studies import Studies
from truecast.serving.planning import slots_of
from truecast.serving.workspace import Workspace


def _few(recipe: Recipe, **changes: object) -> Recipe:
    """Leave the recipe what it is, with fewer shares, targets, sessions and trials."""
    forest = Choice(name="random_forest", parameters={"n_estimators": 50, "max_depth": 4})
    fewer = {
        "instruments": recipe.instruments[-2:],
        "targets": {"price": recipe.targets["price"].model_copy(update={"models": (forest,)})},
        "tune": Tuning(trials=2),
        "split": recipe.split.model_copy(update={"validate_": 60}),
    }
    return Recipe.model_validate(
        recipe.model_copy(update={**fewer, **changes}).model_dump(by_alias=True)
    )


def _run(recipe: Recipe, home: Path) -> RunResult:
    return run(Studies(Workspace(Settings(home=home)), recipe))


def test_the_recipe_names_what_there_is() -> None:
    recipe = load_recipe("stocks")
    check_recipe(recipe)
    assert recipe.pooled
    assert 5 <= len(recipe.instruments) <= 10
    assert {one.name for spec in recipe.targets.values() for one in spec.models} == {
        "random_forest"
    }
    assert recipe.split.test == 30
    assert recipe.tune is not None


def test_the_last_thirty_bars_of_each_share_are_the_test(tmp_path: Path) -> None:
    recipe = _few(load_recipe("stocks"), simulation={"start": "2018-01-02", "end": "2020-12-31"})
    recipe = recipe.with_source("simulated")
    found = _run(recipe, tmp_path)
    (card,) = found.scorecard.slots
    # The newest bar is forecast from, and has no outcome yet.
    assert card.window.n == 2 * 29
    assert card.judged.trials >= 2  # those of the tuning count
    assert card.simulated
    assert [one.instrument for one in found.forecasts] == ["WMT", "XOM"]
    assert {one.model_type for one in found.forecasts} == {"random_forest"}
    lake = Workspace(Settings(home=tmp_path)).lake
    for slot in slots_of(recipe):
        rows = lake.read_gold(f"datasets/stocks/{slot.source}/{slot.instrument}").frame
        tested = rows.filter(part="test")
        assert (len(tested), tested["session"].min()) == (30, rows["session"][-30])
        assert rows["part"][-31] == "validate"


@pytest.mark.realdata
def test_real_shares_of_one_file(tmp_path: Path) -> None:
    if not (folder := os.environ.get("TRUECAST_REALDATA")):
        pytest.skip("needs the folder of real market data: set TRUECAST_REALDATA")
    path = Path(folder) / "daily/djia31_2006_2017.parquet"
    bars = pl.read_parquet(path).filter(pl.col("symbol").is_in(["WMT", "XOM"]))
    bars.write_parquet(tmp_path / "shares.parquet")
    recipe = _few(load_recipe("stocks")).with_source(f"files:{tmp_path / 'shares.parquet'}")
    found = _run(recipe, tmp_path / "home")
    (card,) = found.scorecard.slots
    assert card.window.n == 2 * 29
    assert card.window.to == bars["date"].max()
    assert not card.simulated
    closes = {one.instrument: one.last_close for one in found.forecasts}
    last = bars.filter(date=bars["date"].max())
    assert closes == dict(zip(last["symbol"], last["close"], strict=True))
