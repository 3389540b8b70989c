"""What follows from a forecast under the names that other systems' users know."""

import math
from typing import Any

import pytest
from scipy.stats import norm

from truecast.core.forecast import Forecast
from truecast.serving.answering.answered import Answered
from truecast.serving.routes import examples

ADDED = {
    *("timestamp", "model", "task", "direction", "predicted_price", "predicted_relative_change"),
    *("predicted_return", "predicted_volatility", "volatility", "regime", "score"),
    *("confidence", "signal_strength"),
}


def answered(**changes: Any) -> Answered:
    return Answered.of(Forecast.model_validate(examples.FORECAST | changes))


def test_all_of_the_forecast_is_in_the_answer() -> None:
    forecast = Forecast.model_validate(examples.FORECAST)
    said = Answered.of(forecast)
    assert {name: getattr(said, name) for name in Forecast.model_fields} == dict(forecast)
    assert set(Answered.model_fields) - set(Forecast.model_fields) == ADDED
    # What it is built from is not checked again, so it is here.
    assert Answered.model_validate_json(said.model_dump_json()) == said
    assert (said.timestamp, said.model) == (said.as_of, "lightgbm")
    assert said == Answered.model_validate(examples.ANSWERED)


def test_a_price_has_a_change_and_a_side() -> None:
    said = answered(last_close=100.0, prediction=102.0, lower=96.0, upper=108.0, coverage=0.8)
    assert (said.task, said.direction, said.predicted_price) == ("regression", "up", 102.0)
    assert said.predicted_relative_change == pytest.approx(0.02)
    assert said.predicted_return == pytest.approx(100 * math.log(1.02))
    spread = math.log(108 / 96) / (2 * norm.ppf(0.9))
    expected = 2 * norm.cdf(math.log(1.02) / spread) - 1
    assert said.signal_strength == pytest.approx(expected, rel=1e-9)
    assert said.confidence == said.signal_strength
    nothing = (said.predicted_volatility, said.volatility, said.regime, said.score)
    assert nothing == (None,) * 4


def test_a_return_says_the_same_as_its_price() -> None:
    ends = {"lower": 100 * math.log(0.96), "upper": 100 * math.log(1.08)}
    moved = 100 * math.log(0.99)
    said = answered(target="return", last_close=100.0, prediction=moved, **ends)
    price = answered(last_close=100.0, prediction=99.0, lower=96.0, upper=108.0)
    assert (said.direction, said.predicted_return) == ("down", moved)
    for name in ("predicted_price", "predicted_relative_change", "signal_strength", "confidence"):
        assert getattr(said, name) == pytest.approx(getattr(price, name), rel=1e-9)
    assert said.signal_strength is not None
    assert said.signal_strength < 0
    assert said.confidence == -said.signal_strength


@pytest.mark.parametrize(
    "changes",
    [
        {"lower": None, "upper": None, "coverage": None},
        {"last_close": -37.63, "prediction": -36.0},
        {"lower": 100.0, "upper": 100.0},
    ],
)
def test_what_cannot_be_told_is_null(changes: dict[str, Any]) -> None:
    said = answered(**changes)
    assert (said.signal_strength, said.confidence) == (None, None)


def test_no_change_has_no_side() -> None:
    said = answered(prediction=examples.FORECAST["last_close"])
    assert (said.direction, said.signal_strength, said.confidence) == (None, 0.0, 0.0)
    assert (said.predicted_relative_change, said.predicted_return) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("probability", "signal", "confidence"), [(0.7, 0.4, 0.4), (0.25, -0.5, 0.5), (0.5, 0, 0)]
)
def test_a_direction_is_as_strong_as_its_probability(
    probability: float, signal: float, confidence: float
) -> None:
    side = "up" if probability > 0.5 else "down"
    said = answered(target="direction", prediction=side, probability=probability)
    assert (said.task, said.direction, said.prediction) == ("classification", side, side)
    assert said.signal_strength == pytest.approx(signal)
    assert said.confidence == pytest.approx(confidence)
    assert (said.predicted_price, said.predicted_return, said.regime) == (None, None, None)


@pytest.mark.parametrize(
    ("regime", "probability", "signal", "confidence"),
    [
        ("bull", 1.0, 1.0, 1.0),
        ("bear", 0.6, -0.4, 0.4),
        ("neutral", 0.8, 0.0, 0.7),
        ("bear", 0.2, 0.0, 0.0),
        ("bull", None, None, None),
    ],
)
def test_a_regime_is_as_sure_as_it_beats_a_guess(
    regime: str, probability: float | None, signal: float | None, confidence: float | None
) -> None:
    ends = {"lower": None, "upper": None, "coverage": None}
    said = answered(target="regime", prediction=regime, probability=probability, **ends)
    assert (said.task, said.regime, said.score) == ("classification", regime, probability)
    assert said.direction is None
    assert said.signal_strength == (None if signal is None else pytest.approx(signal))
    assert said.confidence == (None if confidence is None else pytest.approx(confidence))


def test_a_volatility_has_no_side() -> None:
    said = answered(target="volatility", prediction=1.25, lower=0.5, upper=3.0)
    assert (said.predicted_volatility, said.volatility, said.task) == (1.25, 1.25, "regression")
    rest = (said.direction, said.confidence, said.signal_strength, said.predicted_price)
    assert rest == (None,) * 4
