"""Forecasts that no model made, and what came of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from truecast.core.forecast import Forecast, Outcome, forecast_id

DAY = timedelta(days=1)
CLOSE = datetime(2018, 12, 28, 21, 0, tzinfo=UTC)

SAID: dict[str, Any] = {
    "slot": "small@sample:~5EGSPC:price:1",
    "recipe": "small",
    "recipe_hash": "a" * 64,
    "source": "sample",
    "instrument": "^GSPC",
    "interval": "1d",
    "target": "price",
    "horizon": 1,
    "mode": "live",
    "event_time": CLOSE,
    "as_of": CLOSE + timedelta(minutes=30),
    "issued_at": CLOSE + timedelta(minutes=31),
    "due_at": CLOSE + 3 * DAY,
    "today_date": CLOSE.date(),
    "predicted_date": (CLOSE + 3 * DAY).date(),
    "last_close": 2485.74,
    "prediction": 2486.0,
    "lower": 2440.1,
    "upper": 2530.3,
    "coverage": 0.9,
    "probability": None,
    "baseline": 2485.74,
    "baseline_probability": None,
    "baseline_name": "naive",
    "skill": "no skill shown",
    "model_name": "ridge",
    "model_type": "ridge",
    "model_version": "v0123456789ab",
    "trained_through": CLOSE,
    "features_used": 4,
    "input_hash": "b" * 64,
    "simulated": False,
    "degraded": False,
    "reason": None,
    "latency_ms": 1.5,
}


def make_forecast(**changes: Any) -> Forecast:
    """Return a forecast with its proper id; keyword arguments replace fields."""
    said = {**SAID, **changes}
    names = ("slot", "as_of", "due_at", "model_version", "mode", "input_hash")
    return Forecast(**{"id": forecast_id(*(said[name] for name in names)), **said})


def make_numbered(number: int, **changes: Any) -> Forecast:
    """Return one of many forecasts; each number is another, which its prediction tells."""
    numbered = {
        "as_of": CLOSE,
        "issued_at": CLOSE,
        "due_at": CLOSE + timedelta(minutes=number + 1),
        "predicted_date": CLOSE.date(),
        "prediction": 2500.0 + number,
        "lower": 2400.0,
        "upper": 2600.0,
    }
    return make_forecast(**{**numbered, **changes})


def make_outcome(**changes: Any) -> Outcome:
    """Return an outcome; keyword arguments replace fields."""
    known_at = CLOSE + 3 * DAY + timedelta(minutes=1)
    return Outcome(**{"value": 2506.85, "known_at": known_at, "settled_at": known_at, **changes})
