"""What may be tuned can be built: every range of every family lies within what is valid."""

from typing import Any

import optuna
import pytest

from truecast.models.base import Model
from truecast.models.catalog import MODELS
from truecast.models.parameters import check_parameters
from truecast.models.space import Choices, Range, Space, draw, space_of

TUNED = [kind for kind in MODELS.values() if space_of(kind)]


@pytest.mark.parametrize("kind", TUNED, ids=lambda kind: kind.name)
def test_ends_of_ranges_are_valid_parameters(kind: type[Model]) -> None:
    for name, one in space_of(kind).items():
        ends: tuple[Any, ...] = one.values if isinstance(one, Choices) else (one.low, one.high)
        for value in ends:
            whole = isinstance(one, Range) and one.whole
            check_parameters(kind, {name: int(value) if whole else value})


def test_families_that_learn_much_can_be_tuned() -> None:
    names = {kind.name for kind in TUNED}
    assert {"ridge", "logistic", "lightgbm", "xgboost", "random_forest", "lstm"} <= names


def test_what_is_drawn_is_of_its_kind_and_what_is_fixed_stays() -> None:
    space: Space = {
        "rate": Range(0.001, 0.1, log=True),
        "leaves": Range(2, 9, whole=True),
        "layers": Choices(([8], [8, 4], None)),
    }
    fixed = optuna.trial.FixedTrial({"rate": 0.01, "leaves": 3, "layers": "[8, 4]"})
    assert draw(fixed, space, {}) == {"rate": 0.01, "leaves": 3, "layers": [8, 4]}
    assert draw(fixed, space, {"leaves": 7, "seed": 1}) == {
        **{"rate": 0.01, "leaves": 7, "layers": [8, 4], "seed": 1}
    }
