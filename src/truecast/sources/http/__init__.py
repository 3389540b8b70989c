"""The one way to ask a vendor over HTTP.

``client`` asks: allowed hosts only, at a polite pace, with bounds on time and size. ``policy`` says
how a vendor may be asked, ``addresses`` which addresses may be connected to, ``traffic`` keeps the
pace and the circuit breaker of each host, ``retrying`` asks again, ``waiting`` is where anything
sleeps, ``body`` and ``reading`` bring in and read what came, ``redaction`` takes secrets out of
whatever a person may see, ``errors`` tells an outage from a quota, a refusal and an answer that is
none.
"""

from truecast.sources.http.client import Client
from truecast.sources.http.errors import (
    AccessError,
    AnswerError,
    EmptyError,
    HttpError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from truecast.sources.http.policy import Answer, Policy
from truecast.sources.http.reading import read_json

__all__ = [
    "AccessError",
    "Answer",
    "AnswerError",
    "Client",
    "EmptyError",
    "HttpError",
    "Policy",
    "QuotaError",
    "RejectedError",
    "UnavailableError",
    "read_json",
]
