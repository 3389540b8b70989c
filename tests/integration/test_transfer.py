"""Networks that begin with a parent's weights, and the recipes of networks from end to end."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import numpy_helper
from pydantic import ValidationError

from truecast.core.errors import UsageError
from truecast.core.hashing import sha256_of
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.settings import Settings
from truecast.models.scaling import Scaling
from truecast.pipelines.stages import RunResult, check_recipe, ingest, run
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify import check_cut_forecasts
from truecast.serving.planning import slots_of, source_of
from truecast.serving.workspace import Workspace

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]
PARENT, CHILD = "^GSPC", "^IXIC"
BAR = ("open", "high", "low", "close", "volume")
TINY = {"window": 4, "units": 3, "epochs": 2}
FAMILY = {
    "instruments": [PARENT, CHILD],
    "features": ["log_return_1", "log_gk_1", "log_gk_22"],
    "targets": {"volatility": {"models": [{"lstm": TINY}]}},
    "transfer": {"parent": PARENT},
}


def family(make: Make, **changes: object) -> Recipe:
    return make(**{**FAMILY, **changes})


def numbers(content: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_from_string(content).graph
    return {value.name: numpy_helper.to_array(value) for value in graph.initializer}


def test_a_parent_is_one_of_the_instruments(small_recipe: Make) -> None:
    assert small_recipe().transfer is None
    assert "transfer" not in small_recipe().model_dump(by_alias=True)
    assert family(small_recipe).hash != family(small_recipe, transfer=None).hash
    with pytest.raises(ValidationError, match=r"one of the instruments, \^IXIC; \^GSPC is not"):
        family(small_recipe, instruments=[CHILD])
    with pytest.raises(ValidationError, match="pooled has one model"):
        family(small_recipe, pooled=True, targets={"price": {"models": ["mlp"]}})
    with pytest.raises(ValidationError, match=r"leave targets.price.keep out"):
        family(small_recipe, targets={"price": {"models": ["mlp"], "keep": 2}})


def test_transfer_is_about_networks(small_recipe: Make) -> None:
    check_recipe(family(small_recipe))
    with pytest.raises(UsageError, match="no candidate is one: name mlp, cnn or lstm"):
        check_recipe(family(small_recipe, targets={"price": {"models": ["ridge"]}}))
    mixed = {"price": {"models": ["mlp", {"ensemble": {"of": ["mlp", "ridge"]}}]}}
    with pytest.raises(UsageError, match="leave networks out of it, or transfer out"):
        check_recipe(family(small_recipe, targets=mixed))


def test_a_child_begins_with_what_its_parent_knew_at_that_moment(
    small_recipe: Make, studies: Open
) -> None:
    recipe = family(small_recipe, transfer={"parent": PARENT, "mode": "frozen"})
    opened = studies(recipe)
    child, parent = opened.researcher(CHILD), opened.researcher(PARENT)
    slot = next(slot for slot in slots_of(recipe) if slot.instrument == CHILD)
    fold, (choice,) = child.folds_over(child._rows)[3], recipe.targets["volatility"].models
    trained = child.trained(choice, slot, fold)

    # The parent alone, at the same moment, has the graph that is written down.
    own = next(one for one in parent.folds if one.as_of == fold.as_of)
    alone = parent.trained(choice, replace(slot, instrument=PARENT), own)
    origin = trained.origin
    assert origin is not None
    assert alone.origin is None
    graphs = [one.model.payload()["model.onnx"] for one in (trained, alone)]
    assert origin.graph == sha256_of(graphs[1])
    assert (origin.instrument, origin.model, origin.mode) == (PARENT, "lstm", "frozen")
    assert origin.trained_through == trained.trained_through == alone.trained_through

    # Frozen: hidden weights are the parent's; scaling is by the child's own past.
    mine, given = (numbers(graph) for graph in graphs)
    for name in ("lstm0.kernel", "lstm0.recurrent", "lstm0.bias"):
        np.testing.assert_array_equal(mine[name], given[name])
    rows = child.trainer.rows("volatility", 1, fold)
    scaling = Scaling.of(child.dataset.windows(trained.features, 1, rows))
    np.testing.assert_array_equal(mine["features.mean"], scaling.mean)
    assert (mine["features.mean"] != given["features.mean"]).all()

    # With all that comes later made nonsense, child and parent are what they were.
    later = parent.dataset.decisions.as_of >= fold.as_of
    X = parent.dataset.X.copy()
    X[later] = 7.0
    dataset = replace(parent.dataset, X=X)
    outcomes = parent.dataset.outcomes(1)
    unknown = ~(outcomes.known_at <= fold.as_of)
    dataset._outcomes[1] = replace(
        outcomes, garman_klass=np.where(unknown, 1e3, outcomes.garman_klass)
    )
    before = child.trainer.parent
    assert before is not None
    spoiled = replace(before, trainer=replace(before.trainer, dataset=dataset), _fitted={})
    again = replace(child.trainer, parent=spoiled).fit(
        choice, target="volatility", horizon=1, fold=fold
    )
    assert again.model.payload() == trained.model.payload()
    assert again.origin == origin


def test_a_parent_is_fitted_once_a_moment(
    small_recipe: Make, studies: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = studies(family(small_recipe))
    child = opened.researcher(CHILD)
    slot = next(slot for slot in slots_of(opened.recipe) if slot.instrument == CHILD)
    (choice,) = opened.recipe.targets["volatility"].models
    first, second = child.folds_over(child._rows)[:2]
    parent = child.trainer.parent
    assert parent is not None
    for fold in (first, first, second):
        child.trained(choice, slot, fold)
    assert len(parent._fitted) == 2
    assert opened.researcher(PARENT).trainer.parent is None


def shortened(name: str) -> Recipe:
    """A shipped recipe with six years of bars, few instruments and tiny networks."""
    recipe = load_recipe(name)
    told = recipe.model_dump(mode="json", by_alias=True)
    for target, spec in told["targets"].items():
        names = [choice.name for choice in recipe.targets[target].models]
        spec |= {"models": [{one: TINY} for one in names], "horizon": spec["horizon"][-1:]}
    told |= {"instruments": told["instruments"][:2], "simulation": {"years": 6, "seed": 3}}
    told |= {"tune": None, "evaluate": {**told["evaluate"], "refit_every": "part"}}
    return Recipe.model_validate(told).with_source("simulated")


def finished(name: str, home: Path) -> tuple[Studies, RunResult]:
    opened = Studies(Workspace(Settings(home=home)), shortened(name))
    return opened, run(opened)


def test_index_to_stocks_runs_on_simulated_bars(tmp_path: Path) -> None:
    studies, result = finished("index-to-stocks", tmp_path)
    slots = slots_of(studies.recipe)
    assert [str(one.slot) for one in result.forecasts] == [str(slot) for slot in slots]
    assert {one.model_type for one in result.forecasts} == {"lstm"}
    assert not any(one.degraded for one in result.forecasts)
    for slot in slots:
        champion = studies.workspace.registry.champion(slot)
        bundle = studies.workspace.bundles.load(slot, champion.version)
        if slot.instrument == PARENT:
            assert "parent" not in bundle.documents
            continue
        document = bundle.documents["parent"]
        assert document["instrument"] == PARENT
        assert document["trained_through"] == bundle.manifest.trained_through.isoformat()
        assert PARENT in bundle.manifest.data_versions
        # The parent's own version, trained at the same moment, is what the child began with.
        own = replace(slot, instrument=PARENT)
        first = studies.workspace.registry.champion(own).version
        manifest = studies.workspace.bundles.manifest(own, first)
        assert document["graph"] == manifest.files["point/model.onnx"]
    child = slots[-1]
    study = studies.study(child)
    checked = check_cut_forecasts(
        study, studies.researcher(child.instrument), [study.parts.evaluation.start + 5]
    )
    assert checked.passed, checked.detail


@pytest.mark.skipif(
    not os.environ.get("TRUECAST_SOAK"), reason="`make soak` runs the other recipe of networks too"
)
def test_gold_runs_on_simulated_bars(tmp_path: Path) -> None:
    _, result = finished("gold", tmp_path)
    (forecast,), (slot,) = result.forecasts, result.scorecard.slots
    assert forecast.model_type in {"mlp", "cnn", "lstm"}
    assert {one.name for one in slot.models} >= {"naive", "mlp", "cnn", "lstm"}
    json.dumps(slot.model_dump(mode="json"))


def written(recipe: Recipe, folder: Path) -> dict[str, pl.DataFrame]:
    """Write the simulated bars of a recipe's series as people have them; return them by symbol."""
    market = Workspace(Settings(home=folder / "made"))
    ingest(market, recipe)
    bars = {}
    for symbol in (*recipe.instruments, *recipe.context):
        known = market.lake.history(source_of(recipe).name, symbol, recipe.bar_interval).known()
        rows = known.select(date="session", **{key: key for key in BAR}).with_columns(
            pl.col("open", "high", "low", "close").round(4)
        )
        bars[symbol] = rows
    frames = [rows.with_columns(symbol=pl.lit(symbol)) for symbol, rows in bars.items()]
    pl.concat(frames).write_csv(folder / "prices.csv")
    return bars


@pytest.mark.parametrize("name", ["gold", "index-to-stocks"])
def test_recipes_of_networks_run_on_files(name: str, tmp_path: Path) -> None:
    recipe = shortened(name)
    spec = recipe.model_dump(mode="json", by_alias=True)
    # One network a target: the others are fitted in the runs on simulated bars.
    for target in spec["targets"].values():
        target["models"] = target["models"][:1]
    recipe = Recipe.model_validate(spec)
    bars = written(recipe, tmp_path)
    from_files = recipe.with_source(f"files:{tmp_path / 'prices.csv'}")
    studies = Studies(Workspace(Settings(home=tmp_path / "home")), from_files)
    result = run(studies)
    slots = slots_of(from_files)
    assert [one.slot for one in result.forecasts] == [str(slot) for slot in slots]
    for one in result.forecasts:
        last = bars[one.instrument].row(-1, named=True)
        assert (one.today_date, one.last_close) == (last["date"], last["close"])
        assert (one.simulated, one.degraded, one.mode) == (False, False, "historical")
        assert one.model_type == recipe.targets[one.target].models[0].name
    # No change is judged on exactly the closes of the file.
    assert not result.scorecard.slots[0].simulated
    for card, slot in zip(result.scorecard.slots, slots, strict=True):
        losses = card.by_name["naive"].losses
        if slot.target == "price":
            rows = bars[slot.instrument].filter(
                pl.col("date").is_between(card.window.from_, card.window.to)
            )
            ahead = (
                bars[slot.instrument]
                .with_columns(before=pl.col("close").shift(slot.horizon))
                .join(rows.select("date"), on="date")
            )
            expected = 100 * (ahead["before"] / ahead["close"] - 1).abs().mean()  # type: ignore[operator]
            assert card.window.n == len(ahead)
            assert losses["mape"] == pytest.approx(expected)
