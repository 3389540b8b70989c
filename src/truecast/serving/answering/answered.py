"""A forecast as it is answered: all of it, and what follows from it under the names of others."""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from statistics import NormalDist
from typing import Any, Literal

from pydantic import Field

from truecast.core.forecast import Forecast
from truecast.core.labels import REGIMES

_NORMAL = NormalDist()
_SIDES = {"bull": 1.0, "neutral": 0.0, "bear": -1.0}


class Answered(Forecast):
    """A forecast with the fields that other systems' users know. All of them follow from it.

    With ``close`` the ``last_close``, they are by target, and null in all other cases:

    - *price*, *return*: ``predicted_price``; ``predicted_return = 100 · ln(predicted_price /
      close)``; ``predicted_relative_change = predicted_price / close - 1``; ``direction`` is the
      sign of that, null where it is 0.
    - *volatility*: ``predicted_volatility`` and ``volatility``, both ``prediction``.
    - *direction*: ``direction`` is ``prediction``.
    - *regime*: ``regime`` is ``prediction``, ``score`` is ``probability``.

    ``signal_strength`` runs from -1 to 1 and ``confidence`` from 0 to 1:

    - *direction*: ``signal_strength = 2 · probability - 1``, ``confidence`` its absolute value.
    - *price*, *return*: the same of the probability of a rise that the interval implies,
      ``Φ(r / s)`` with ``r = ln(predicted_price / close)`` and ``s`` the width of the interval in
      logarithms over that of a standard normal one of the same ``coverage``; null without one.
    - *regime*: ``confidence = (3 · probability - 1) / 2``, at least 0: 0 for a guess among three,
      1 for certainty; ``signal_strength`` is that for bull, minus that for bear, 0 for neutral.
    - *volatility*: null, since it has no side.
    """

    timestamp: datetime = Field(description="As `as_of`.")
    model: str = Field(description="As `model_name`.")
    task: Literal["classification", "regression"]
    direction: Literal["up", "down"] | None
    predicted_price: float | None
    predicted_relative_change: float | None = Field(description="A share: 0.01 is one percent.")
    predicted_return: float | None = Field(description="Logarithmic, in percent.")
    predicted_volatility: float | None = Field(
        description="Standard deviation a bar, in percent, not annualised."
    )
    volatility: float | None = Field(description="As `predicted_volatility`.")
    regime: Literal["bear", "neutral", "bull"] | None
    score: float | None = Field(description="How likely the regime is.")
    confidence: float | None = Field(description="From 0 to 1; see docs/serving.md.")
    signal_strength: float | None = Field(description="From -1 to 1; see docs/serving.md.")

    @classmethod
    def of(cls, forecast: Forecast) -> "Answered":
        """Return a forecast as it is answered."""
        return cls.model_construct(**dict(forecast), **derived(forecast))


def derived(forecast: Forecast) -> dict[str, Any]:
    """Return what :class:`Answered` adds to a forecast, by name."""
    said, target = forecast.prediction, forecast.target
    number = None if isinstance(said, str) else said
    move = _move_of(forecast) if target in {"price", "return"} else None
    signal = _signal_of(forecast, move)
    volatility = number if target == "volatility" else None
    certain = None if signal is None else abs(signal)
    if target == "regime" and forecast.probability is not None:
        certain = _above_chance(forecast.probability)
    return {
        "timestamp": forecast.as_of,
        "model": forecast.model_name,
        "task": "classification" if isinstance(said, str) else "regression",
        "direction": said if target == "direction" else None if move is None else move.side,
        "predicted_price": None if move is None else move.price,
        "predicted_relative_change": None if move is None else move.price / move.close - 1,
        "predicted_return": None if move is None else 100 * move.log,
        "predicted_volatility": volatility,
        "volatility": volatility,
        "regime": said if target == "regime" else None,
        "score": forecast.probability if target == "regime" else None,
        "confidence": certain,
        "signal_strength": signal,
    }


@dataclass(frozen=True)
class _Move:
    """From the last close to the price that is forecast, ``log`` their log return."""

    close: float
    price: float
    log: float

    @property
    def side(self) -> str | None:
        return None if self.log == 0 else "up" if self.log > 0 else "down"


def _move_of(forecast: Forecast) -> _Move | None:
    close, said = forecast.last_close, forecast.prediction
    # Futures have closed below nought: there is no log return then.
    if isinstance(said, str) or close <= 0:
        return None
    if forecast.target == "return":
        return _Move(close, close * math.exp(said / 100), said / 100)
    return _Move(close, said, math.log(said / close)) if said > 0 else None


def _signal_of(forecast: Forecast, move: _Move | None) -> float | None:
    probability = forecast.probability
    if forecast.target == "direction":
        return None if probability is None else 2 * probability - 1
    if forecast.target == "regime":
        known = probability is not None and forecast.prediction in REGIMES
        return _SIDES[str(forecast.prediction)] * _above_chance(probability or 0) if known else None
    lower, upper, coverage = forecast.lower, forecast.upper, forecast.coverage
    if move is None or lower is None or upper is None or coverage is None:
        return None
    width = (upper - lower) / 100 if forecast.target == "return" else _log_ratio(upper, lower)
    if width <= 0:
        return None
    return 2 * _NORMAL.cdf(move.log * _normal_width(coverage) / width) - 1


def _log_ratio(upper: float, lower: float) -> float:
    return math.log(upper / lower) if lower > 0 else 0.0


@cache
def _normal_width(coverage: float) -> float:
    """Return how wide the middle of a standard normal distribution is that holds a share."""
    return 2 * _NORMAL.inv_cdf(0.5 + coverage / 2)


def _above_chance(probability: float) -> float:
    return max(0.0, (len(REGIMES) * probability - 1) / (len(REGIMES) - 1))
