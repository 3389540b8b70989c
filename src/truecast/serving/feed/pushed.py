"""What is pushed over HTTP, and what is said of it: bars, and news."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from truecast.core.interval import Interval
from truecast.serving.schemas import Moment
from truecast.sources.api.options import SeriesOptions, Symbol

#: Bars in one request; a backfill takes several.
MOST_BARS = 20_000
#: Rows that were kept out of which an answer tells.
MOST_KEPT_OUT = 100
_DAY_LENGTH = len("2018-12-31")
_EARLIEST, _LATEST = date(1900, 1, 1), date(2100, 12, 31)

Number = Annotated[float, Field(allow_inf_nan=False)]


def _stamp(text: str) -> str:
    """Bring a day or a moment into one form; refuse what is neither."""
    if len(text) == _DAY_LENGTH:
        day = date.fromisoformat(text)
        shown = day.isoformat()
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("has no time zone: write one, such as Z or -05:00")
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("is not a moment that a calendar reaches") from error
        day, shown = moment.date(), moment.isoformat()
    if not _EARLIEST < day < _LATEST:
        raise ValueError(f"lies outside the years {_EARLIEST.year} to {_LATEST.year}")
    return shown


def _interval(text: str) -> str:
    return str(Interval(text))


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PushedBar(_Schema):
    """A bar. What is wrong with it is found by the lake's contracts, as of any source."""

    timestamp: Annotated[str, Field(min_length=10, max_length=40), AfterValidator(_stamp)] = Field(
        description="Its close (ISO 8601, with any zone); of a daily bar the session is enough, "
        "such as 2018-12-31: a day of the exchange, in its own time zone. `options.calendar` says "
        "which."
    )
    open: Number | None = None
    high: Number | None = None
    low: Number | None = None
    close: Number
    volume: Number | None = None


class PushedBars(_Schema):
    """Bars of one instrument."""

    instrument: Symbol = Field(description="Such as EUR_USD.")
    interval: Annotated[str, Field(max_length=10), AfterValidator(_interval)] | None = Field(
        None, description="Length of a bar: left out, that of the recipe that reads it, else 1d."
    )
    options: SeriesOptions | None = Field(
        None,
        description="What a recipe says of `source: {api: …}`; left out, the options of the "
        "recipe that reads the instrument, else their defaults. `calendar`: whose sessions the "
        "bars belong to (XNYS; also FX, 24/7, any exchange's code). `publication_delay`: from a "
        "bar's close until it may be used (0m).",
    )
    bars: list[PushedBar] = Field(min_length=1, max_length=MOST_BARS, fail_fast=True)


class KeptOut(_Schema):
    """A row that went to quarantine."""

    row: int = Field(description="Its place in the request, from 1.")
    reason: str
    detail: str


class TakenBars(_Schema):
    """What became of the bars: `received` is the sum of the counts that follow it."""

    instrument: str
    interval: str
    source: str = Field(description="By which it stands in the lake and in slots.")
    received: int
    added: int
    revised: int = Field(description="Further versions of bars that were there.")
    unchanged: int
    duplicates: int = Field(description="Rows that another one repeats exactly.")
    quarantined: dict[str, int] = Field(description="Rows kept out, by reason.")
    kept_out: list[KeptOut] = Field(description=f"The first {MOST_KEPT_OUT} of them.")
    read_by: list[str] = Field(description="Recipes that are served from this series.")


class PushedNews(_Schema):
    """An article."""

    headline: str = Field(min_length=1, max_length=1000)
    body: str | None = Field(None, max_length=100_000)
    url: str | None = Field(None, max_length=4000)
    source: str | None = Field(None, max_length=200, description="Who published it.")
    published_at: Moment | None = Field(
        None, description="ISO 8601 with a zone. It is known from its receipt on in any case."
    )
    instrument: Symbol | None = Field(None, description="Whom it is about.")


class News(_Schema):
    """An article, and what a scorer reads in it."""

    time: datetime = Field(description="When it was published; else when it became known.")
    headline: str
    source: str = Field(description="Who published it; else the source that brought it.")
    sentiment: float = Field(description="p(positive) − p(negative), −1 to 1.")
    impact: Literal["low", "medium", "high"] = Field(
        description="By the strength, |sentiment|: high above 0.7, medium above 0.4."
    )
    url: str | None
    known_at: datetime = Field(description="When it could first be used.")
    instruments: list[str]
    scorer: str
    simulated: bool


class TakenNews(News):
    """An article that was taken in."""

    status: Literal["added", "revised", "unchanged"]
    read_by: list[str] = Field(description="Recipes that are served from this news.")
