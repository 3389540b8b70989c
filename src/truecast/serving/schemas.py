"""What is asked and answered over HTTP. A forecast is :class:`.answered.Answered`."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from truecast.core.forecast import Mode, Outcome
from truecast.core.recipe_parts import TargetName
from truecast.serving.answering.answered import Answered


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is not a moment that a calendar reaches") from error


def _written(moment: Any) -> Any:
    known = isinstance(moment, str) and _STARTS_WITH_DAY.match(moment)
    if not known and not isinstance(moment, datetime):
        raise ValueError("is no moment, such as 2018-12-31T22:00:00Z")
    return moment


def _whole(number: Any) -> Any:
    """Take 2.0 for 2, as JSON Schema does."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _day(written: Any) -> Any:
    found = _DAY.fullmatch(written) if isinstance(written, str) else None
    return written if found is None else date.fromisoformat(found[1])


#: A day, also as a moment: what programs write that know no days.
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00:00(?:\.0+)?(?:Z|\+00:00)?)?", re.ASCII)
#: A number in its place would be taken for seconds since 1970.
_STARTS_WITH_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
Moment = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written), AfterValidator(_in_utc)
]
Horizon = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_whole)]
#: Without what controls a terminal, ends a line, or leads elsewhere in a path or an address.
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^(\.?[^.#%\\\u0000-\u001F\u007F-\u009F\u2028\u2029])+\.?$",
    ),
]
Price = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]
Volume = Annotated[float, Field(ge=0, lt=1e18, allow_inf_nan=False)]
Day = Annotated[date, BeforeValidator(_day)]

#: Bars that may be sent with a question.
MOST_BARS = 5_000
#: What open and close may lie outside high and low by, relative: single precision rounds so.
_ROUNDING = 1e-6
_PRICES = ("open", "high", "low", "close")


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class PostedBar(_Schema):
    """A bar that is sent with a question. It is read for the answer, and not kept.

    Of a day it says the session, by ``date`` or ``ds``; of a shorter time when it closed, by
    ``timestamp``. Where neither is said, its place follows from those beside it.
    """

    model_config = ConfigDict(strict=True)

    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume | None = None
    date: Day | None = Field(None, description="Its session, such as 2018-12-31.")
    ds: Day | None = Field(None, description="Another name of `date`.")
    timestamp: Moment | None = Field(None, description="When it closed (ISO 8601 with a zone).")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _require_possible(self.open, self.high, self.low, self.close)
        _require_one_time(self.date, self.ds, self.timestamp)
        return self

    @property
    def day(self) -> Day | None:
        """Its session, if that is said."""
        return self.date or self.ds


def _require_possible(first: float, high: float, low: float, last: float) -> None:
    if high < low:
        raise ValueError(f"high {high:g} is below low {low:g}")
    room = _ROUNDING * high
    if max(first, last) > high + room or min(first, last) < low - room:
        raise ValueError(
            f"open {first:g} and close {last:g} are to lie between low {low:g} and high {high:g}"
        )


def _require_one_time(*times: object) -> None:
    if sum(one is not None for one in times) > 1:
        raise ValueError("one of date, ds and timestamp says when the bar was, not several")


class AskedTarget(_Schema):
    """Which forecast of a target is wanted, and the newest bars if they are not stored."""

    model_config = ConfigDict(strict=True)

    recipe: Name | None = Field(None, description="A recipe, or recipe@source.")
    instrument: Name | None = Field(None, description="Such as ^GSPC.")
    horizon: Horizon | None = Field(None, description="Bars ahead.")
    timestamp: Moment | None = Field(
        None,
        description="Forecast the last decision made by this moment (ISO 8601 with a zone); "
        "the newest if left out. With a bar: when it closed.",
    )
    open: Price | None = Field(None, description="Of a bar that is newer than those stored.")
    high: Price | None = None
    low: Price | None = None
    close: Price | None = None
    volume: Volume | None = None
    date: Day | None = Field(None, description="The session of the bar, such as 2018-12-31.")
    ds: Day | None = Field(None, description="Another name of `date`.")
    history: tuple[PostedBar, ...] = Field(
        (),
        max_length=MOST_BARS,
        fail_fast=True,
        description="Bars before that one, the oldest first, in place of those stored since the "
        "first of them. Without a bar, the last of them is the newest.",
    )

    @model_validator(mode="after")
    def _whole_bar(self) -> Self:
        first, high, low, last = self.open, self.high, self.low, self.close
        if first is not None and high is not None and low is not None and last is not None:
            _require_possible(first, high, low, last)
            _require_one_time(self.date, self.ds, self.timestamp)
            return self
        missing = [name for name in _PRICES if getattr(self, name) is None]
        if len(missing) < len(_PRICES):
            raise ValueError(f"a bar has open, high, low and close: {missing[0]} is missing")
        for name in ("volume", "date", "ds"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is of a bar: send open, high, low and close too")
        if self.history and self.timestamp is not None:
            raise ValueError("the history's bars say when they were: leave timestamp out")
        return self

    @property
    def posted(self) -> tuple[PostedBar, ...]:
        """The bars that are sent, the newest last."""
        if self.close is None:
            return self.history
        names = (*_PRICES, "volume", "date", "ds", "timestamp")
        return (*self.history, PostedBar(**{name: getattr(self, name) for name in names}))

    def about(self, target: TargetName) -> "Asked":
        """Return the same question as one of ``/predict`` about a target."""
        return Asked.model_construct(**dict(self), target=target)


class Asked(AskedTarget):
    """Which forecast is wanted. All of it may be left out: then it is the price."""

    target: TargetName | None = Field(
        None,
        description="Left out: the price if nothing is said or `predict_tomorrow` is given, "
        "else the direction.",
    )
    predict_tomorrow: bool | None = Field(
        None, description="Given, the price one bar ahead is meant."
    )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said at all."""
        return self == NOTHING


#: The question that says nothing.
NOTHING = Asked()


class HistoryAsked(_Schema):
    """Which forecasts of the past are wanted, the newest first."""

    slot: Name | None = Field(None, description="Such as sp500-daily@sample:~5EGSPC:price:1.")
    recipe: Name | None = None
    instrument: Name | None = None
    target: TargetName | None = None
    mode: Mode | None = None
    hours: float | None = Field(
        None, gt=0, le=1_000_000, description="Only forecasts as of the last so many hours."
    )
    limit: int = Field(100, ge=1, le=1000)


class RecordAsked(_Schema):
    """Which forecasts the track record is of."""

    slot: Name | None = None
    recipe: Name | None = None
    instrument: Name | None = None
    target: TargetName | None = None
    mode: Mode = "live"
    since: Moment | None = Field(None, description="As of then or later.")
    until: Moment | None = Field(None, description="As of then or earlier.")


class Recorded(Answered):
    """A forecast as it stands in the ledger, with what came of it."""

    time: datetime = Field(description="As `as_of`.")
    supersedes: UUID | None = Field(
        description="The forecast of the same slot and moment that is scored instead of this one."
    )
    outcome: Outcome | None = Field(description="None until it is known and settled.")


class History(_Schema):
    """Forecasts of the past, the newest first."""

    start_time: datetime | None
    end_time: datetime
    instrument: str | None
    count: int
    predictions: list[Recorded]


class Refused(_Schema):
    """A champion that does not answer."""

    slot: str
    version: str
    reason: str
    at: datetime
    answering: str | None = Field(description="The version that answers instead, if one does.")


class Health(_Schema):
    """Whether all is well. The answer is 200 even where it is not: see `/ready`."""

    status: Literal["healthy", "degraded"]
    timestamp: datetime
    version: str
    model_loaded: bool
    scaler_loaded: bool = Field(description="As `model_loaded`: scaling is part of a model.")
    feature_cols_loaded: bool = Field(description="As `model_loaded`: so are their names.")
    feast_available: bool = Field(description="Whether Feast is installed.")
    redis_connected: bool = Field(description="Whether a Redis is set and answers.")
    loaded_models: list[str] = Field(description="The slots that are answered for.")
    model_expected_features: dict[str, list[str]]
    refused: list[Refused]
    reasons: list[str] = Field(description="What is amiss, in words.")
    feed: Literal["off", "ingests", "stands by", "replays", "rests"] = Field(
        "off",
        description="Whether this process polls sources and issues forecasts, another one does, "
        "the past is replayed, or nothing that is served is live.",
    )


class Ready(_Schema):
    """Forecasts can be asked for."""

    status: Literal["ready"]
    loaded_models: list[str]


class Served(_Schema):
    """One slot that is answered for."""

    slot: str
    recipe: str
    source: str
    instrument: str
    target: str
    horizon: int
    model_name: str
    model_type: str
    model_version: str
    skill: str
    trained_through: datetime


class Index(_Schema):
    """What this is and what it serves."""

    name: Literal["truecast"]
    version: str
    serves: list[Served]
    links: dict[str, str]


class Problem(_Schema):
    """Why something is not answered, and what to do (RFC 9457)."""

    type: str = Field(description="Which kind of problem; where the page about it is.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked.")
    what_to_do: str
    choices: list[dict[str, Any]] = Field(default=[], description="What may be sent instead.")
