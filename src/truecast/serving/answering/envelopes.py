"""The shapes in which prices of several days and filtered regimes are answered."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from truecast.serving.answering.answered import Answered


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class PriceRow(_Shape):
    """The price of one bar ahead."""

    ds: str = Field(description="Its session; of bars within a day, when it closes.")
    yhat: float
    yhat_lower: float | None
    yhat_upper: float | None


class Prices(_Shape):
    """Prices of the next bars, each a forecast of its own horizon."""

    model: str = Field(description="Its name; several where horizons have different champions.")
    forecast: list[PriceRow]
    forecasts: list[Answered] = Field(description="The same in full.")


class AheadDay(_Shape):
    """One session ahead; null is what no model was trained for."""

    date: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    close_lower: float | None
    close_upper: float | None


class Range(_Shape):
    """Ends of a week; null where no model was trained for them."""

    high: float | None
    low: float | None


class Ahead(_Shape):
    """What is said of the next day, of the week, and of every day."""

    next_day: AheadDay
    next_week: Range
    full_forecast: list[AheadDay]


class PastDay(_Shape):
    """One session of the past."""

    date: date
    close: float


class Outlook(_Shape):
    """The next sessions of one instrument, after its last ones."""

    ticker: str
    last_date: date
    future_window_days: int
    next_business_days: list[date] = Field(description="Sessions of the instrument's exchange.")
    predictions: Ahead
    history: list[PastDay]
    reasons: dict[str, str] = Field(description="Why a field is null, by its name.")


class StockForecast(_Shape):
    """The next sessions of a stock or of the index that it has learned from."""

    result: Outlook
    forecasts: list[Answered] = Field(description="The forecasts in it, in full.")


class Shares(_Shape):
    """How likely each of three things is."""

    bear: float
    neutral: float
    bull: float


class FilteredRegime(_Shape):
    """What a hidden Markov model makes of two runs of numbers.

    It is about no bar of any instrument, so it is not written down.
    """

    model: str
    model_version: str
    slot: str = Field(description="Whose model it is.")
    task: Literal["classification"] = "classification"
    horizon: int = Field(description="Bars over which the regime is meant.")
    regime: Literal["bear", "neutral", "bull"] = Field(
        description="The likeliest over the horizon; see docs/serving.md."
    )
    score: float = Field(description="How likely it is.")
    probabilities: Shares = Field(description="Of each regime.")
    state: Literal["bear", "neutral", "bull"] = Field(
        description="What the last bars look like: the likeliest hidden state."
    )
    states: Shares = Field(description="Of each hidden state after the last bar.")
    skill: str
