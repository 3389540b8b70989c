"""What a recipe may say about GDELT."""

from collections.abc import Sequence
from datetime import date

from pydantic import Field, field_validator, model_validator

from truecast.core.strict import Number
from truecast.sources.gdelt.query import check_query, write_query
from truecast.sources.options import Address, Options

#: Where GDELT answers.
BASE_URL = "https://api.gdeltproject.org/api/v2/doc/doc"


class GdeltOptions(Options):
    """What to look for.

    Parameters
    ----------
    query : str
        Words, ``"phrases of words"``, ``(this OR that)``, ``-not``, and GDELT's own operators.
    domains : tuple of str
        Sites, such as ``reuters.com``; none for all. GDELT finds nothing for one with a dash.
    language : str or None
        Such as ``english``; None for all.
    start : date or None
        First day of the backfill; None for the last three months, which is what GDELT vouches
        for. Older days often have something, and never for certain everything.
    seconds_between_requests : float
        Shortest time between two requests. GDELT asks for 5 and refuses even 6.5.
    base_url : str
        Where to ask.
    """

    query: str = ""
    domains: tuple[str, ...] = ()
    language: str | None = Field(default=None, pattern="^[a-z]+$")
    start: date | None = None
    seconds_between_requests: Number = Field(default=8.0, gt=0, le=3600)
    base_url: Address = BASE_URL

    @field_validator("query")
    @classmethod
    def _query_is_valid(cls, value: str) -> str:
        return check_query(value)

    @field_validator("domains")
    @classmethod
    def _domains_are_valid(cls, value: Sequence[str]) -> Sequence[str]:
        for domain in value:
            if "-" in domain:
                raise ValueError(
                    f"GDELT finds nothing for a site with a dash, such as {domain}: leave it out"
                )
            if not domain.replace(".", "").isalnum() or "." not in domain:
                raise ValueError(f"expected a site such as reuters.com, got {domain!r}")
        return value

    @model_validator(mode="after")
    def _something_is_asked(self) -> "GdeltOptions":
        if not self.query and not self.domains:
            raise ValueError("say what to look for: query, or domains")
        return self

    @property
    def asked(self) -> str:
        """The whole query."""
        return write_query(self.query, self.domains, self.language)
