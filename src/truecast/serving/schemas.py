"""What is asked and answered over HTTP. A forecast is :class:`.answered.Answered`."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from truecast.core.forecast import Mode, Outcome
from truecast.core.recipe_parts import TargetName
from truecast.serving.answered import Answered


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is not a moment that a calendar reaches") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
#: Without characters that control a terminal or end a line.
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\u0000-\u001F\u007F-\u009F\u2028\u2029]+$",
    ),
]


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Asked(_Schema):
    """Which forecast is wanted. All of it may be left out: then it is the price."""

    model_config = ConfigDict(strict=True)

    recipe: Name | None = Field(None, description="A recipe, or recipe@source.")
    instrument: Name | None = Field(None, description="Such as ^GSPC.")
    target: TargetName | None = Field(
        None,
        description="Left out: the price if nothing is said or `predict_tomorrow` is given, "
        "else the direction.",
    )
    horizon: int | None = Field(None, ge=1, le=10_000, description="Bars ahead.")
    predict_tomorrow: bool | None = Field(
        None, description="Given, the price one bar ahead is meant."
    )
    timestamp: Moment | None = Field(
        None,
        description="Forecast the last decision made by this moment (ISO 8601 with a zone); "
        "the newest if left out.",
    )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said at all."""
        return self == _NOTHING


_NOTHING = Asked()


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
