"""How a vendor may be asked, and what it answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from truecast.sources.base import Payload


@dataclass(frozen=True)
class Policy:
    """How a vendor may be asked.

    Parameters
    ----------
    hosts : frozenset of str
        Host names, without port, that may be asked; a redirect leads nowhere else.
    per_second : float
        Requests per second to one host, of this process as a whole.
    timeout_seconds : float
        Longest silence: to connect, or between two parts of an answer.
    attempts : int
        How often a request is sent in all, if what failed may pass.
    largest_bytes : int
        Largest answer, as sent and as decompressed.
    secrets : tuple of str
        Values that stand in no message and no recorded request.
    total_seconds : float
        Longest time of one attempt from first to last byte: an answer that drips ends here.
    longest_wait_seconds : float
        Longest ``Retry-After`` that is waited for; a longer one is a quota error at once.
    breaker_failures : int
        Failures in a row after which a host is not asked for a while.
    breaker_seconds : float
        How long that while is.
    """

    hosts: frozenset[str]
    per_second: float
    timeout_seconds: float = 20
    attempts: int = 4
    largest_bytes: int = 64 * 2**20
    secrets: tuple[str, ...] = field(default=(), repr=False)
    total_seconds: float = 120
    longest_wait_seconds: float = 120
    breaker_failures: int = 8
    breaker_seconds: float = 60


@dataclass(frozen=True)
class Answer:
    """What a vendor answered with a status of 2xx.

    Parameters
    ----------
    status : int
        The HTTP status.
    content : bytes
        The body, decompressed.
    media_type : str
        Such as ``application/json``, without parameters.
    headers : mapping of str to str
        Names in lower case.
    url : str
        What was asked in the end, after redirects, without secrets.
    received_at : datetime
        When the last byte was there, UTC.
    said : str
        How the body begins, without secrets, for messages.
    """

    status: int
    content: bytes = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(repr=False)
    url: str
    received_at: datetime
    said: str = ""

    def as_payload(
        self,
        *,
        source: str,
        symbol: str,
        interval: str,
        request: Mapping[str, str],
        covers: tuple[datetime, datetime] | None = None,
    ) -> Payload:
        """Return the body as what a source hands over; see :class:`truecast.sources.base.Payload`.

        ``request`` is how it was asked for, without secrets.
        """
        return Payload(
            source=source,
            symbol=symbol,
            interval=interval,
            request=request,
            content=self.content,
            media_type=self.media_type,
            received_at=self.received_at,
            covers=covers,
        )
