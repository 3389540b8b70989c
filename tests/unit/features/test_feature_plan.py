import sys
import types
import unittest.mock

import pytest

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.core.recipe_files import load_recipe
from truecast.core.recipe_parts import Choice
from truecast.features.catalog import description, members
from truecast.features.declaration import FeatureError
from truecast.features.plan import FeaturePlan
from truecast.features.user import feature, load_family


def plan(*choices, context=("^VIX",), required=()):
    parsed = [Choice.model_validate(choice) for choice in choices]
    return FeaturePlan.from_choices(parsed, context=context, required=required)


def refusal(*choices, **options):
    with pytest.raises(UsageError) as caught:
        plan(*choices, **options)
    return str(caught.value)


def test_a_feature_is_named_in_several_ways():
    found = plan("rsi_14", {"rsi": {"window": 20}}, "macd", {"macd": {"fast": 5, "slow": 35}})
    assert found.names == ("rsi_14", "rsi_20", "macd", "macd_5_35")
    assert plan("rsi").names == ("rsi_14",)
    assert plan("macd_5_35").features == plan({"macd": {"fast": 5, "slow": 35}}).features


def test_order_is_as_asked_and_each_once():
    found = plan(
        "log_return_5", "log_return_1", "log_return_5", required=["log_return_1", "log_gk_5"]
    )
    assert found.names == ("log_return_5", "log_return_1", "log_gk_5")


def test_of_applies_a_family_to_a_context_series():
    found = plan({"log_close": {"of": "^VIX"}}, {"log_return": {"window": 5, "of": "^VIX"}})
    assert found.names == ("log_close__vix", "log_return_5__vix")
    assert found.context == ("^VIX",)
    assert found == plan("log_close__vix", "log_return_5__vix")
    assert [feature.series for feature in found.features] == ["^VIX", "^VIX"]


def test_lookback_is_the_longest_of_each_series():
    found = plan("log_return_5", "gk_ratio_1000", "log_return_10__vix", "log_premium_22__vix")
    assert found.lookback(None) == 1001
    assert found.lookback("^VIX") == 11
    assert found.lookback("^VXN") == 0
    assert plan("log_premium_22__vix").lookback("^VIX") == 1


def test_the_shipped_recipe_resolves():
    recipe = load_recipe("sp500-daily")
    found = FeaturePlan.from_choices(recipe.features, context=recipe.context)
    assert len(found.names) == 46
    assert found.context == ("^VIX",)
    assert found.features == members("sp500_daily")
    for required in ("return_sd_22", "log_gk_1", "log_gk_5", "log_gk_22", "log_return_1"):
        assert required in found.names


def test_the_hash_is_of_the_definitions():
    assert plan("rsi_14").hash == plan({"rsi": {"window": 14}}).hash
    assert plan("rsi_14").hash != plan("rsi_15").hash
    assert plan("rsi_14", "macd").hash != plan("macd", "rsi_14").hash
    assert plan("log_return_1").hash != plan("log_return_1__vix").hash


def test_mistakes_say_where_and_what_is_nearest():
    assert "unknown feature 'rsii_14' in features[1]: did you mean 'rsi_14'" in refusal(
        "macd", "rsii_14"
    )
    assert "'windw' in features[0]: did you mean 'window'" in refusal({"rsi": {"windw": 3}})
    assert "features[0]: window must be a whole number from 2 to 10000" in refusal("rsi_1")
    assert "got 2.5" in refusal({"rsi": {"window": 2.5}})
    assert "unknown feature" in refusal("rsi_" + "9" * 5000)
    assert "rsi_14_3 does not fit rsi, which takes parameters: window" in refusal("rsi_14_3")
    assert "not both" in refusal({"rsi_14": {"window": 3}})
    assert "unknown context symbol '^VXN' in features[0].of: did you mean '^VIX'" in refusal(
        {"rsi": {"of": "^VXN"}}
    )
    assert "log_close is for a context series" in refusal("log_close")
    assert "the set sp500_daily reads ^VIX" in refusal("sp500_daily", context=())
    assert "takes no parameters, got window" in refusal({"daily": {"window": 3}})
    assert "features of the models (log_gkk_1): did you mean 'log_gk_1'" in refusal(
        "macd", required=["log_gkk_1"]
    )


def test_two_symbols_that_are_written_alike_are_refused():
    message = refusal(
        {"log_close": {"of": "^VIX"}},
        {"log_return": {"of": "VIX"}},
        {"log_close": {"of": "VIX"}},
        context=("^VIX", "VIX"),
    )
    assert "features[2]: log_close__vix already means another feature" in message


def test_descriptions_say_which_set():
    rows = {row["name"]: row for row in description()}
    assert {"daily", "sp500_daily", "sp500_114"} <= set(str(rows["rsi_14"]["set"]).split(", "))
    assert rows["log_close__vix"]["set"] == "sp500_daily"
    assert rows["positive_prob_360"]["set"] == ""
    assert rows["log_close__vix"]["inputs"] == ["^VIX:close"]
    assert rows["log_premium_22__vix"]["inputs"] == ["close", "^VIX:close"]
    assert "EMA(C, span 12)" in rows["macd"]["formula"]
    assert len(description("sp500_daily")) == 46
    with pytest.raises(UnknownNameError, match="did you mean 'sp500_daily'"):
        description("sp500_dayly")


def declared(name="mine", inputs=("close",)):
    def function(**columns):
        return columns[inputs[0]]

    function.__name__ = name
    return feature(inputs=inputs, lookback=3, unit="u", formula="f")(function)


def test_a_users_function_is_found_by_module_and_name(monkeypatch, tmp_path):
    (tmp_path / "my_own_features.py").write_text(
        "from truecast.features.user import feature\n\n"
        "@feature(inputs=['high', 'low'], lookback=1, unit='percent', formula='100·(H/L − 1)')\n"
        "def width(high, low):\n    return 100 * (high / low - 1)\n\n"
        "def plain(high):\n    return high\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    found = plan("my_own_features:width")
    assert sys.path == before
    assert found.names == ("width",)
    assert (found.features[0].inputs, found.features[0].lookback) == (("high", "low"), 1)
    assert "did you mean 'my_own_features:width'" in refusal("my_own_features:widt")
    assert "my_own_features:plain is not declared: write @feature(" in refusal(
        "my_own_features:plain"
    )
    monkeypatch.delitem(sys.modules, "my_own_features")


def test_a_module_that_cannot_be_imported_is_refused(monkeypatch, tmp_path):
    (tmp_path / "broken_features.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    assert "features[0]: cannot import module 'broken_features'" in refusal("broken_features:x")
    assert "ZeroDivisionError" in refusal("broken_features:x")
    assert "put absent_features.py in the folder" in refusal("absent_features:x")


def test_a_module_that_ends_the_program_is_refused(monkeypatch, tmp_path):
    (tmp_path / "quitting_features.py").write_text("import sys\n\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    assert "quitting_features:x': SystemExit: 0" in refusal("quitting_features:x")


def test_a_file_that_a_module_of_python_hides_is_refused(monkeypatch, tmp_path):
    (tmp_path / "calendar.py").write_text("")
    monkeypatch.chdir(tmp_path)
    said = refusal("calendar:own")
    assert f"calendar:own does not reach {tmp_path / 'calendar.py'}" in said
    assert "rename the file" in said
    assert "unknown feature 'json:own'" in refusal("json:own")


@pytest.mark.parametrize("name", ["as_of", "event_time", "session", "part", "outcome_price_1"])
def test_a_users_feature_is_not_called_as_a_column_of_every_row(monkeypatch, name):
    module = types.ModuleType("own")
    module.mine = declared(name)
    monkeypatch.setitem(sys.modules, "own", module)
    assert f"every row has a column {name!r}; rename the function" in refusal("own:mine")


def test_a_users_module_may_hold_anything_besides(monkeypatch):
    module = types.ModuleType("own")
    module.mine, module.mocked, module.short = declared(), unittest.mock.call, declared("<lambda>")
    monkeypatch.setitem(sys.modules, "own", module)
    assert plan("own:mine").names == ("mine",)
    assert "own:mocked is not declared" in refusal("own:mocked")
    assert "<lambda> names no column; write it with def" in refusal("own:short")


def test_a_users_source_is_part_of_the_hash(monkeypatch):
    hashes = set()
    for text in ("return close", "return 2 * close"):
        module = types.ModuleType("own")
        monkeypatch.setitem(sys.modules, "own", module)
        module.mine = declared()
        hashes.add(plan("own:mine").hash)
        monkeypatch.setattr("truecast.features.plan.source_hash", lambda family, text=text: text)
        hashes.add(plan("own:mine").hash)
    assert len(hashes) == 3


def test_a_wrong_declaration_is_refused():
    with pytest.raises(UsageError, match="did you mean 'close'"):
        declared(inputs=("closs",))
    with pytest.raises(UsageError, match="lookback of at least 1"):
        feature(inputs=["close"], lookback=0, unit="", formula="")
    with pytest.raises(UsageError):
        load_family("truecast.features.user:feature", "features[0]")


def test_feature_errors_are_no_usage_errors():
    assert not issubclass(FeatureError, UsageError)
