from collections.abc import Callable

import pytest

from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.recipe_parts import Backtest

Make = Callable[..., Recipe]


def test_a_backtest_that_is_not_asked_for_changes_no_hash(small_recipe: Make) -> None:
    window = {"from": "2014-01-14", "refit_every": 21}
    plain = small_recipe(evaluate=window)
    assert plain.evaluate.backtest == Backtest(cost_bps=5.0, position="sign")
    told = small_recipe(evaluate={**window, "backtest": {"cost_bps": 5}})
    assert told.hash == plain.hash
    assert "backtest" not in plain.evaluate.model_dump()
    dearer = small_recipe(evaluate={**window, "backtest": {"cost_bps": 8, "position": "size"}})
    assert dearer.hash != plain.hash
    assert dearer.evaluate.model_dump(mode="json")["backtest"] == {
        "cost_bps": 8.0,
        "position": "size",
    }


@pytest.mark.parametrize(
    ("backtest", "where"),
    [
        ("{cost_bps: -1}", "evaluate.backtest.cost_bps"),
        ("{position: half}", "evaluate.backtest.position"),
        ("{cost_bp: 1}", "cost_bps"),
    ],
)
def test_a_backtest_that_cannot_be_is_refused(tmp_path, backtest: str, where: str) -> None:
    text = f"""
name: small
instruments: [^GSPC]
features: [log_return_1]
targets: {{price: {{models: [ridge]}}}}
evaluate: {{backtest: {backtest}}}
"""
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=where):
        load_recipe(str(path))
