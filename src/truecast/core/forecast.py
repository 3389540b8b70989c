"""A forecast: an issued statement with an id."""

import uuid
from datetime import date, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

Mode = Literal["live", "replay", "historical", "shadow", "whatif"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "truecast:forecast")


class Forecast(BaseModel):
    """What was said, about what, from what, and how good such statements have been.

    ``prediction`` is a number for price, return (log return in percent) and volatility
    (close-to-close standard deviation a bar in percent, of daily bars a day's, not annualised),
    ``up`` or ``down`` for direction, and ``bear``, ``neutral`` or ``bull`` for regime.
    ``lower`` and ``upper`` hold the outcome with probability ``coverage``; for direction they
    bound ``probability`` instead, and a regime has none. ``probability`` is that of up for
    direction, and for regime that of the regime named in ``prediction``. ``baseline`` is the
    naive forecast of the same thing from the same moment, by the model ``baseline_name`` and for
    these two from ``baseline_probability``; ``skill`` is the verdict on the model in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: uuid.UUID
    slot: str
    recipe: str
    recipe_hash: str
    source: str
    instrument: str
    interval: str
    target: str
    horizon: int
    mode: Mode
    event_time: AwareDatetime
    as_of: AwareDatetime
    issued_at: AwareDatetime
    due_at: AwareDatetime
    today_date: date
    predicted_date: date
    last_close: float
    prediction: float | str
    lower: float | None
    upper: float | None
    coverage: float | None
    probability: float | None
    baseline: float | str
    baseline_probability: float | None
    baseline_name: str
    skill: str
    model_name: str
    model_type: str
    model_version: str
    trained_through: AwareDatetime
    features_used: int
    input_hash: str
    simulated: bool
    degraded: bool
    reason: str | None
    latency_ms: float


class Outcome(BaseModel):
    """What came of a forecast.

    ``value`` is in the forecast's unit: a price; a log return in percent; 1 for up, else 0, with
    ``label`` ``up`` or ``down``; 0, 1 or 2 with ``label`` ``bear``, ``neutral`` or ``bull``; for
    volatility the standard deviation a bar in percent, from the mean Garman-Klass variance times
    its trailing ratio to squared returns. ``squared_return`` is volatility's second proxy: the
    mean squared return a bar, percent squared. ``known_at`` is when the last bar that it depends
    on became known, ``settled_at`` when it was written down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    label: str | None = None
    squared_return: float | None = None
    known_at: AwareDatetime
    settled_at: AwareDatetime


def forecast_id(
    slot: str, as_of: datetime, due_at: datetime, model_version: str, mode: Mode, input_hash: str
) -> uuid.UUID:
    """Name a forecast by what it says and from what, so that a repeat is the same forecast.

    Returns
    -------
    UUID
        Version 5, from the slot, ``as_of``, ``due_at``, model version, mode and input hash.
    """
    parts = (slot, as_of.isoformat(), due_at.isoformat(), model_version, mode, input_hash)
    return uuid.uuid5(_NAMESPACE, "\n".join(parts))
