"""What a recipe may say about Alpha Vantage's news."""

from datetime import date

from pydantic import Field, field_validator, model_validator

from truecast.core.names import suggestion
from truecast.core.strict import Number, Whole
from truecast.sources.options import Address, Options

#: Where Alpha Vantage answers.
BASE_URL = "https://www.alphavantage.co/query"

TOPICS = (
    "blockchain",
    "earnings",
    "ipo",
    "mergers_and_acquisitions",
    "financial_markets",
    "economy_fiscal",
    "economy_monetary",
    "economy_macro",
    "energy_transportation",
    "finance",
    "life_sciences",
    "manufacturing",
    "real_estate",
    "retail_wholesale",
    "technology",
)


class AlphaVantageOptions(Options):
    """What to ask for.

    Parameters
    ----------
    symbols : tuple of str
        Such as ``AAPL``, ``CRYPTO:BTC``, ``FOREX:USD``. Each is asked for apart: the vendor reads
        a list as articles that name all of them.
    topics : tuple of str
        One or more of :data:`TOPICS`, of which an article must have each.
    start : date or None
        First day of the backfill; None for the last 30 days.
    requests_per_day : int
        After so many requests a run ends with a quota error; the free plan has 25.
    seconds_between_requests : float
        Shortest time between two requests.
    base_url : str
        Where to ask.
    """

    symbols: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    start: date | None = None
    requests_per_day: Whole = Field(default=25, ge=1)
    seconds_between_requests: Number = Field(default=1.5, gt=0, le=3600)
    base_url: Address = BASE_URL

    @field_validator("symbols")
    @classmethod
    def _symbols_are_single(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in value:
            if not symbol.strip() or "," in symbol:
                raise ValueError(f"expected one symbol such as AAPL an entry, got {symbol!r}")
        return value

    @field_validator("topics")
    @classmethod
    def _topics_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for topic in value:
            if topic not in TOPICS:
                raise ValueError(f"unknown topic {topic!r}: {suggestion(topic, TOPICS, most=20)}")
        return value

    @model_validator(mode="after")
    def _something_is_asked(self) -> "AlphaVantageOptions":
        if not self.symbols and not self.topics:
            raise ValueError("say what to ask for: symbols, topics, or both")
        return self
