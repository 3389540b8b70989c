"""Whose volatility scales the intervals: what was there before the validation decides."""

from collections.abc import Callable

import numpy as np
import pytest

from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.pipelines.judge import interval_of
from truecast.pipelines.studies import Studies
from truecast.serving.planning import feature_plan, scales

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]
RETURNS = {"return": {"models": ["ridge"]}}


def test_the_index_counts_where_the_context_has_it(small_recipe: Make) -> None:
    assert [one.name for one in scales(small_recipe())] == ["har_leverage", "garch"]
    recipe = small_recipe(context=["^VIX"])
    assert [one.name for one in scales(recipe)] == ["har_vix", "har_leverage", "garch"]
    assert "log_close__vix" in feature_plan(recipe)[0].names
    assert "log_close__vix" not in feature_plan(small_recipe(context=["^IXIC"]))[0].names


def test_an_index_that_begins_after_the_validation_scales_nothing(
    small_recipe: Make, studies: Open
) -> None:
    # The sample's index begins in 2014.
    recipe = small_recipe(context=["^VIX"], targets=RETURNS)
    assert studies(recipe).researcher("^GSPC").scale.name == "har_leverage"


def test_an_index_that_was_there_scales_from_its_250th_session_on(
    small_recipe: Make, studies: Open
) -> None:
    recipe = small_recipe(
        context=["^VIX"],
        targets=RETURNS,
        split={"train": "2015-12-31", "validate": "2016-12-30"},
        evaluate={"from": "2017-01-03", "to": "2017-03-31", "refit_every": 21},
    )
    researcher = studies(recipe).researcher("^GSPC")
    assert researcher.scale.name == "har_vix"
    variance = researcher.variance(1)
    session = researcher.dataset.decisions.session
    first = session[np.isfinite(variance)][0]
    assert np.datetime64("2014-12-20") < first < np.datetime64("2015-02-15")
    assert np.isfinite(variance[session > first]).all()
    study = researcher.study(
        Slot("small", "sample", "^GSPC", "return", 1),
        {name: np.zeros(len(session)) for name in ("naive", "drift", "ridge")},
        variance,
    )
    assert study.scaled_by == "har_vix"


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_what_a_model_says_moves_no_interval(
    small_recipe: Make, studies: Open, shift: float
) -> None:
    """A forecast far from zero, as of a model gone wrong, leaves the interval where it was."""
    recipe = small_recipe(targets=RETURNS)
    researcher = studies(recipe).researcher("^GSPC")
    slot = Slot("small", "sample", "^GSPC", "return", 1)
    said = {name: np.full(len(researcher.dataset), shift) for name in ("naive", "drift", "ridge")}
    study = researcher.study(slot, said, researcher.variance(1))
    rows = np.arange(study.parts.evaluation.start, study.parts.evaluation.stop)
    found = interval_of(study, rows, recipe)
    lower, upper = study.scale.return_band(
        study.variance[rows], study.dataset.decisions.as_of[rows], coverage=0.9
    )
    np.testing.assert_array_equal(found.lower, lower)
    np.testing.assert_array_equal(found.upper, upper)
    outcomes = study.outcomes.log_return[rows]
    assert 0.8 < np.mean((lower <= outcomes) & (outcomes <= upper)) < 1
