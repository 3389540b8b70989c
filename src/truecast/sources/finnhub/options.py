"""What a recipe may say about Finnhub's news."""

from datetime import date

from pydantic import Field

from truecast.core.strict import Number
from truecast.sources.options import Address, Options

#: Where Finnhub answers.
BASE_URL = "https://finnhub.io/api/v1"


class FinnhubOptions(Options):
    """What to ask for.

    Parameters
    ----------
    symbols : tuple of str
        Companies, such as ``AAPL``.
    start : date or None
        First day of the backfill; None for the year that the free plan holds.
    requests_per_minute : float
        Most requests in a minute; the free plan has 60.
    base_url : str
        Where to ask.
    """

    symbols: tuple[str, ...] = Field(min_length=1)
    start: date | None = None
    requests_per_minute: Number = Field(default=55.0, gt=0, le=1800)
    base_url: Address = BASE_URL
