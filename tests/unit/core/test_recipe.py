import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from truecast.core.errors import RecipeError, UsageError
from truecast.core.hashing import hash_of
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe, shipped_recipes
from truecast.core.recipe_parts import Choice

BASE = {
    "name": "mine",
    "instruments": ["^GSPC"],
    "features": ["sp500_daily", {"rsi": {"window": 21}}],
    "targets": {"price": {"horizon": [1, 5], "models": ["ridge", {"lightgbm": {"rounds": 5}}]}},
}


def _write(tmp_path: Path, **changes: object) -> str:
    path = tmp_path / "mine.yaml"
    content = {**BASE, **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != ""}))
    return str(path)


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(_write(tmp_path))
    assert recipe.instruments == ("^GSPC",)
    assert recipe.features[1] == Choice(name="rsi", parameters={"window": 21})
    assert recipe.targets["price"].horizon == (1, 5)
    assert recipe.targets["price"].coverage == 0.9
    assert recipe.decision_delay == timedelta(minutes=30)
    assert recipe.source == Choice(name="sample")
    assert recipe.gates.skill == "report"


def test_intraday_decides_at_the_close(tmp_path: Path) -> None:
    assert load_recipe(_write(tmp_path, interval="5m")).decision_delay == timedelta()
    assert load_recipe(_write(tmp_path, decide_after="2h")).decision_delay == timedelta(hours=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"featurs": ["x"]}, "unknown key 'featurs': did you mean 'features'?"),
        (
            {"evaluate": {"refit_evry": 5}},
            "unknown key 'refit_evry' in evaluate: did you mean 'refit_every'?",
        ),
        (
            {"targets": {"price": {"models": ["ridge"], "selct": "mape"}}},
            "unknown key 'selct' in targets.price: did you mean 'select'?",
        ),
        (
            {"targets": {"volatlity": {"models": ["garch"]}}},
            "unknown target 'volatlity': did you mean 'volatility'?",
        ),
        ({"targets": {"price": {"models": []}}}, "targets.price.models"),
        ({"targets": {"price": {"horizon": 0, "models": ["ridge"]}}}, "(got 0)"),
        ({"targets": {"price": {"horizon": [5, 0], "models": ["ridge"]}}}, "(got 0)"),
        (
            {"targets": {"price": {"horizon": [], "models": ["ridge"]}}},
            "targets.price.horizon: expected horizons, each once, such as [1, 5], got []",
        ),
        (
            {"targets": {"price": {"horizon": [1, 1], "models": ["ridge"]}}},
            "targets.price.horizon: expected horizons, each once, such as [1, 5], got [1, 1]",
        ),
        ({"tune": 20}, "tune: expected keys with values (trials, seconds, seed) (got 20)"),
        ({"evaluate": {"refit_every": "parts"}}, "or input should be 'part' (got 'parts')"),
        (
            {"evaluate": {"refit_every": 0}},
            "evaluate.refit_every: input should be greater than or equal to 1, or",
        ),
        (
            {"evaluate": {"from": date(2014, 1, 2), "to": date(2013, 1, 2)}},
            "evaluate: dates are the wrong way round: from 2014-01-02, to 2013-01-02",
        ),
        (
            {"split": {"train": date(2012, 1, 2), "validate": date(2011, 1, 2)}},
            "split: dates are the wrong way round: train ends 2012-01-02, validate ends 2011-01-02",
        ),
        (
            {
                "split": {"train": date(2010, 1, 4), "validate": date(2014, 1, 2)},
                "evaluate": {"from": date(2013, 1, 2)},
            },
            "selection may only see rows before evaluate.from (2013-01-02)",
        ),
        (
            {"history": {"start": date(2015, 1, 1)}, "evaluate": {"from": date(2014, 1, 2)}},
            "history starts 2015-01-01, evaluate.from is 2014-01-02",
        ),
        ({"split": {"train": 0.5, "validate": 0.2, "test": 0.2}}, "these sum to 0.9"),
        ({"split": {"train": 0.5, "validate": 100, "test": 0.5}}, "give all parts as fractions"),
        ({"interval": "7x"}, "'7x' is not an interval"),
        ({"instruments": []}, "instruments"),
        ({"instruments": ["A", "A"]}, "A is named twice"),
        ({"name": ""}, "name: this key is required"),
        ({"decide_after": "soon"}, "write minutes or hours such as 30m or 2h, got 'soon'"),
        ({"decide_after": 30}, "write minutes or hours such as 30m or 2h, got 30"),
        ({"evaluate": {"to": date(9999, 12, 31)}}, "evaluate.to"),
        ({"evaluate": {"from": date(1, 1, 1)}}, "evaluate.from"),
        ({"history": {"start": date(1, 1, 1)}}, "history.start"),
        ({"targets": {"price": {"models": [{"ridge": 0}]}}}, "models.0.parameters: input should"),
        ({"decide_after": "9999999h"}, "decide_after: 9999999h is longer than a year"),
        ({"decide_after": "9" * 40 + "h"}, "decide_after: write minutes or hours"),
        ({"interval": "9" * 40 + "h"}, "is not an interval"),
    ],
)
def test_each_mistake_gets_one_clear_message(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = _write(tmp_path, **changes)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


#: Keys that take a number, a truth value or a day, and a value of each that is valid.
_KEYS: dict[str, object] = {
    "targets.price.horizon": 5,
    "targets.price.coverage": 0.8,
    "targets.price.keep": 5,
    "targets.price.cross_sessions": True,
    "tune.trials": 5,
    "tune.seconds": 60.5,
    "tune.seed": 7,
    "transfer.learning_rate": 0.01,
    "split.train": 0.6,
    "split.validate": 0.2,
    "split.test": 0.2,
    "split.embargo": 3,
    "evaluate.from": date(2014, 1, 2),
    "evaluate.to": date(2014, 1, 2),
    "evaluate.refit_every": 5,
    "evaluate.window": 500,
    "evaluate.prior_trials": 4,
    "evaluate.backtest.cost_bps": 2.0,
    "history.start": date(2001, 1, 2),
    "gates.oot_auc": 0.5,
    "gates.overfit_gap": 0.1,
    "gates.missing_share": 0.2,
    "gates.outliers_sd": 5.0,
    "gates.latency_ms": 20.0,
    "pooled": True,
}


def _with(key: str, value: object) -> dict[str, Any]:
    content: dict[str, Any] = {
        **BASE,
        "instruments": ["^GSPC", "^IXIC"],
        "targets": {"price": {"models": ["ridge"]}},
    }
    content["transfer"] = {"parent": "^GSPC"} if key.startswith("transfer") else None
    content["split"] = {"train": 0.6, "validate": 0.2, "test": 0.2}
    if key.startswith("gates"):
        content["split"] = {"train": 0.5, "validate": 0.2, "test": 0.2, "oot": 0.1}
        content["targets"] = {"direction": {"models": ["logistic"]}}
    place = content
    for part in key.split(".")[:-1]:
        place[part] = {**(place.get(part) or {})}
        place = place[part]
    place[key.split(".")[-1]] = value
    return content


@pytest.mark.parametrize(("key", "valid"), _KEYS.items())
def test_nothing_is_made_a_number_or_a_day(key: str, valid: object) -> None:
    """YAML reads ``yes`` as true and ``.inf`` as a number: neither is a count, nor is text."""
    Recipe.model_validate(_with(key, valid))
    # JSON holds days as text; worker processes read recipes from it.
    again = Recipe.model_validate(_with(key, valid)).model_dump(mode="json", by_alias=True)
    assert Recipe.model_validate(again).hash == Recipe.model_validate(_with(key, valid)).hash
    wrong = [math.inf, -math.inf, math.nan, "1", "86400", [math.nan], {"a": 1}]
    wrong += [1] if isinstance(valid, bool) else [True, False, [True]]
    wrong += [86400, 1.5e9] if isinstance(valid, date) else []
    wrong += [float(valid), 2.5] if isinstance(valid, int) and not isinstance(valid, bool) else []
    for value in wrong:
        with pytest.raises(ValidationError):
            Recipe.model_validate(_with(key, value))


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: [")
    with pytest.raises(RecipeError, match="is not YAML"):
        load_recipe(str(path))
    path.write_text("split: {train: 2020-13-45}")
    with pytest.raises(RecipeError, match=r"is not YAML: month must be in 1\.\.12"):
        load_recipe(str(path))
    path.write_text("[" * 5000)
    with pytest.raises(RecipeError, match="is not YAML"):
        load_recipe(str(path))
    path.write_bytes(b"name: caf\xe9\n")
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        load_recipe(str(path))
    path.write_text("- a\n- b\n")
    with pytest.raises(RecipeError, match="expected keys such as name"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        load_recipe(str(tmp_path / "absent.yaml"))
    with pytest.raises(UsageError, match="did you mean 'sp500-daily'"):
        load_recipe("sp500-dayly")


def test_the_hash_follows_what_is_run_not_how_it_is_described(tmp_path: Path) -> None:
    first = load_recipe(_write(tmp_path))
    assert load_recipe(_write(tmp_path, description="words")).hash == first.hash
    assert load_recipe(_write(tmp_path, evaluate={"refit_every": 5})).hash != first.hash
    assert first.with_source("files:prices.csv").hash != first.hash
    assert len(first.hash) == 64


def test_another_source_keeps_the_options_of_the_same_source(tmp_path: Path) -> None:
    recipe = load_recipe(_write(tmp_path, source={"files": {"path": "a", "adjustment": "split"}}))
    moved = recipe.with_source("files:b")
    assert moved.source == Choice(name="files", parameters={"path": "b", "adjustment": "split"})
    assert recipe.with_source("sample").source == Choice(name="sample")
    assert recipe.with_source(None) is recipe


def _reading(source: object, *news: object) -> Recipe:
    return Recipe.model_validate({**BASE, "source": source, "news": [*news]})


def test_news_stay_with_the_source_that_they_belong_to() -> None:
    gdelt = {"gdelt": {"query": "stock market"}}
    recipe = _reading("yahoo", gdelt)
    assert recipe.with_source("yahoo") is recipe
    assert recipe.with_source("files:x.csv").news == ()
    simulated = recipe.with_source("simulated")
    assert simulated.news == (Choice(name="simulated", parameters={"instruments": ["^GSPC"]}),)
    assert _reading("yahoo").with_source("simulated").news == ()
    assert simulated.with_source("yahoo").news == ()


def test_a_recipe_says_what_its_simulation_is() -> None:
    recipe = Recipe.model_validate({**BASE, "source": "oanda", "simulation": {"years": 17}})
    assert recipe.with_source("simulated").source.parameters == {"years": 17}
    assert recipe.with_source("simulated:years=2,seed=1").source.parameters == {
        "years": 2,
        "seed": 1,
    }
    assert recipe.with_source("sample").source.parameters == {}


def test_simulated_news_are_of_the_market_of_the_bars() -> None:
    recipe = _reading({"simulated": {"seed": 3, "years": 2}}, "rss")
    changed = recipe.with_source(None, "simulated")
    market = {"seed": 3, "years": 2, "instruments": ["^GSPC"]}
    assert changed.news == (Choice(name="simulated", parameters=market),)
    assert changed.source == recipe.source
    assert recipe.with_source("simulated") is recipe


def test_news_that_are_typed_take_the_place_of_the_recipe_s() -> None:
    recipe = _reading("yahoo", {"gdelt": {"query": "gold", "language": "english"}}, "rss")
    assert recipe.with_source(None, "none").news == ()
    assert recipe.with_source("files:b", "gdelt").news == recipe.news[:1]
    asked = {"query": "stock market", "language": "english"}
    assert recipe.with_source(None, "gdelt:stock market").news == (
        Choice(name="gdelt", parameters=asked),
    )
    assert recipe.with_source(None, "files:n.csv").news == (
        Choice(name="files", parameters={"path": "n.csv"}),
    )


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipes_are_valid_and_named_after_their_file(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description


def test_a_recipe_round_trips_through_its_own_json(tmp_path: Path) -> None:
    recipe = load_recipe(_write(tmp_path, split={"validate": 100, "test": 50}))
    again = Recipe.model_validate(recipe.model_dump(mode="json", by_alias=True))
    assert again.hash == recipe.hash
    assert again.split.kind == "counts"


def test_a_recipe_means_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = Recipe.model_validate(
        {**BASE, "source": {"files": {"path": "bars"}}, "news": ["rss", {"files": {"path": "n"}}]}
    )
    settled = recipe.anywhere()
    assert settled.source.parameters == {"path": str(tmp_path / "bars")}
    assert [choice.parameters for choice in settled.news] == [{}, {"path": str(tmp_path / "n")}]
    assert Recipe.model_validate(BASE).anywhere() == Recipe.model_validate(BASE)


def test_a_key_that_is_not_used_leaves_the_hash_what_it_was_before_there_was_one() -> None:
    recipe = Recipe.model_validate(BASE)
    said = recipe.model_dump(mode="json", by_alias=True, exclude={"description"})
    later = {"news", "adjust", "checks", "simulation"}
    before = {key: value for key, value in said.items() if key not in later}
    assert recipe.hash == hash_of(before)
    for key, value in {
        "news": ["rss"],
        "adjust": "total",
        "checks": {"stale": {}},
        "simulation": {"years": 2},
    }.items():
        assert Recipe.model_validate({**BASE, key: value}).hash != recipe.hash


def test_what_was_typed_names_a_recipe_in_commands_and_changes_nothing_else(tmp_path: Path) -> None:
    path = _write(tmp_path)
    read, made = load_recipe(path), Recipe.model_validate(BASE)
    assert (read.typed, made.typed) == (path, "mine")
    assert read.with_source("simulated").anywhere().typed == path
    assert read.typed_as("my file.yaml", "--source", "yahoo").typed == (
        "'my file.yaml' --source yahoo"
    )
    assert read.typed_as("x").hash == made.hash
    assert read.typed_as("x").model_dump() == made.model_dump()
