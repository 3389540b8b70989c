"""Which slot a question is about."""

import pytest

from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe
from truecast.core.slot import Slot
from truecast.serving.answering.choosing import choose
from truecast.serving.errors import AmbiguousError, NotReadyError, UnknownError
from truecast.serving.schemas import Asked

DAILY = [
    Slot("sp500-daily", "sample", "^GSPC", target, 1)
    for target in ("direction", "price", "volatility")
]
GOLD = [Slot("gold", "yahoo", "GC=F", "price", horizon) for horizon in (1, 5)]


def asked(**given: object) -> Asked:
    return Asked.model_validate(given)


@pytest.mark.parametrize(
    ("question", "target"),
    [
        ({}, "price"),
        ({"predict_tomorrow": False, "instrument": "^GSPC"}, "price"),
        ({"predict_tomorrow": True, "recipe": "sp500-daily"}, "price"),
        ({"instrument": "^GSPC"}, "direction"),
        ({"horizon": 1}, "direction"),
        ({"recipe": "sp500-daily@sample"}, "direction"),
        ({"target": "volatility"}, "volatility"),
    ],
)
def test_what_is_left_out_is_what_users_of_each_kind_mean(question, target):
    slot = choose(asked(**question), [*GOLD, *DAILY], [])
    assert slot == Slot("sp500-daily", "sample", "^GSPC", target, 1)


def test_the_only_target_there_is_need_not_be_named():
    only = [Slot("small", "sample", "^GSPC", "direction", 1)]
    assert choose(asked(), only, []) == only[0]
    assert choose(asked(predict_tomorrow=True), only, []) == only[0]


def test_who_asks_for_tomorrow_and_no_more_means_gold_where_it_is_served():
    for value in (True, False):
        assert choose(asked(predict_tomorrow=value), [*DAILY, *GOLD], []) == GOLD[0]
    assert choose(asked(predict_tomorrow=True), DAILY, []).target == "price"
    assert choose(asked(predict_tomorrow=True, target="direction"), [*DAILY, *GOLD], []) == DAILY[0]


BAR = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0}
STOCKS = [
    Slot("stocks", "sample", symbol, target, horizon)
    for symbol in ("^IXIC", "^GSPC")
    for target, horizon in (("price", 5), ("price", 1), ("volatility", 1), ("regime", 21))
]
STOCKS_RECIPE = Recipe.model_validate(
    {
        "name": "stocks",
        "instruments": ["^IXIC", "^GSPC"],
        "features": ["rsi_14"],
        "targets": {"price": {"models": ["ridge"]}},
    }
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"target": "price"}, ("^IXIC", "price", 1)),
        ({"target": "price", "horizon": 5}, ("^IXIC", "price", 5)),
        ({"target": "regime", "instrument": "^GSPC"}, ("^GSPC", "regime", 21)),
    ],
)
def test_where_a_target_is_asked_the_first_instrument_and_the_shortest_horizon_are_meant(
    question, expected
):
    slot = choose(asked(**question), STOCKS, [STOCKS_RECIPE], usual=True)
    assert (slot.instrument, slot.target, slot.horizon) == expected
    sent = choose(asked(**question, **BAR), STOCKS, [STOCKS_RECIPE])
    assert sent == slot


def test_several_recipes_of_a_target_stay_ambiguous():
    other = [Slot("other", "sample", "^IXIC", "price", 1)]
    recipes = [STOCKS_RECIPE, STOCKS_RECIPE.model_copy(update={"name": "other"})]
    with pytest.raises(AmbiguousError) as refused:
        choose(asked(target="price"), [*STOCKS, *other], recipes, usual=True)
    assert refused.value.choices == [{"recipe": "stocks"}, {"recipe": "other"}]
    both = [*STOCKS, *other, *DAILY]
    slot = choose(asked(target="price"), both, recipes, usual=True)
    assert slot.recipe == "sp500-daily"


def test_the_recipe_of_a_target_that_is_not_served_is_named():
    for target, recipe in (("regime", "finance-suite"), ("volatility", "sp500-daily")):
        with pytest.raises(NotReadyError, match=f"run `truecast run {recipe}`"):
            choose(asked(target=target), GOLD, [], usual=True)


def test_tomorrow_is_one_bar_ahead():
    assert choose(asked(instrument="GC=F", predict_tomorrow=True), GOLD, []) == GOLD[0]


@pytest.mark.parametrize(
    ("question", "served", "choices"),
    [
        ({"recipe": "gold"}, GOLD, [{"horizon": 1}, {"horizon": 5}]),
        (
            {"target": "price", "horizon": 1},
            [Slot("one", "sample", "A", "price", 1), Slot("two", "sample", "A", "price", 1)],
            [{"recipe": "one"}, {"recipe": "two"}],
        ),
        (
            {"recipe": "one"},
            [Slot("one", "sample", "A", "price", 1), Slot("one", "files", "A", "price", 1)],
            [{"recipe": "one@sample"}, {"recipe": "one@files"}],
        ),
    ],
)
def test_what_stays_open_is_asked_back(question, served, choices):
    with pytest.raises(AmbiguousError) as error:
        choose(asked(**question), served, [])
    assert error.value.choices == choices
    for choice in choices:
        assert choose(asked(**question | choice), served, []) in served


def test_what_is_not_known_comes_back_with_what_is():
    with pytest.raises(UnknownError, match="instrument 'GSPC' is not served: did you mean") as one:
        choose(asked(instrument="GSPC"), DAILY, [])
    assert one.value.choices == [{"instrument": "^GSPC"}]
    with pytest.raises(UnknownError, match="horizon '7' is not served") as other:
        choose(asked(horizon=7), DAILY, [])
    assert other.value.choices == [{"horizon": 1}]
    with pytest.raises(UnknownError, match=r"recipe '\?{60}…' is not served"):
        choose(asked(recipe="?" * 200), DAILY, [])


def test_what_is_known_but_not_trained_names_the_command():
    with pytest.raises(NotReadyError, match="run `truecast run sp500-daily`"):
        choose(asked(), [], [])
    small = [Slot("small", "sample", "^IXIC", "direction", 1)]
    with pytest.raises(NotReadyError, match=r"no model for recipe sp500-daily.*run sp500-daily"):
        choose(asked(recipe="sp500-daily"), small, [])
    with pytest.raises(NotReadyError, match=r"no model for instrument \^GSPC.*run sp500-daily"):
        choose(asked(instrument="^GSPC"), small, [])


def test_a_target_that_a_recipe_has_but_no_champion():
    daily = load_recipe("sp500-daily")
    with pytest.raises(NotReadyError, match="no model for target volatility"):
        choose(asked(target="volatility"), DAILY[:2], [daily])
    with pytest.raises(UnknownError, match="target 'return' is not served"):
        choose(asked(target="return"), DAILY, [daily])
    # Another recipe's target is no promise of this one.
    price = Recipe.model_validate({**daily.model_dump(), "name": "other"})
    with pytest.raises(UnknownError):
        choose(asked(target="volatility"), GOLD, [price])
