"""The kinds of problems that a request may meet."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    Parameters
    ----------
    name : str
        Its place on the page of documentation.
    status : int
        HTTP's.
    title, what_to_do : str
        In words; the second where the case at hand says nothing better.
    retry_after : int or None
        Seconds after which to ask again; of 503 always, since what is amiss may have passed.
    """

    name: str
    status: int
    title: str
    what_to_do: str
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """Where the page about it is."""
        return f"/docs#{self.name}"


INVALID = Kind("invalid", 422, "What was sent cannot be understood", "see /docs for what can be")
AMBIGUOUS = Kind("ambiguous", 422, "Several forecasts fit", "send one of the choices")
ASKED = Kind("not-answerable", 422, "This cannot be answered as it is asked", "ask otherwise")
UNKNOWN = Kind("unknown", 404, "Nothing of that name", "ask for one of the choices")
NOT_READY = Kind("not-ready", 503, "Nothing can answer now", "run `truecast run sp500-daily`", 5)
OVERDUE = Kind(
    "overdue", 503, "What would be forecast has happened already", "ingest newer bars, then ask", 5
)
UNAVAILABLE = Kind(
    "unavailable", 503, "The forecast cannot be made or written down", "put right what is said", 5
)
ROUTE = Kind("no-such-route", 404, "There is nothing here", "GET / lists what there is")
UPGRADE = Kind(
    "upgrade",
    426,
    "This is a WebSocket",
    "open it by a WebSocket's client: ws:// in place of http://",
)
METHOD = Kind("method", 405, "This path does not take that method", "see /docs")
TOO_LARGE = Kind("too-large", 413, "The body is too large", "send at most 1 MiB")
SLOW = Kind("slow", 408, "The body did not come in time", "send it at once, on a new connection")
MEDIA = Kind(
    "media-type", 415, "The body is not JSON", "send it with `Content-Type: application/json`"
)
HOST = Kind(
    "host",
    400,
    "This server does not go by that name",
    "ask for the address that `truecast serve` printed, or name this one in TRUECAST_HOSTS",
)
NOT_YET = Kind("not-yet", 501, "This cannot be done over HTTP yet", "use the command line")
KEY = Kind(
    "key",
    401,
    "A key is needed",
    "send one as `Authorization: Bearer KEY` or `X-API-Key: KEY`; `truecast keys add` makes one",
)
SCOPE = Kind("scope", 403, "The key is not good for this", "use a key with the scope that is named")
LIMIT = Kind("limit", 429, "Too many requests", "ask again after `Retry-After` seconds")
HEAD = Kind(
    "head", 431, "Request Header Fields Too Large", "send at most 32 KiB of address and headers"
)
BUSY = Kind("busy", 503, "Too many requests at once", "ask again in a second", 1)
HTTP = Kind("http", 400, "The request is not valid", "see /docs")
FAILED = Kind("failed", 500, "Something went wrong here", "look at the server's output")

KINDS: tuple[Kind, ...] = (
    *(INVALID, AMBIGUOUS, ASKED, UNKNOWN, NOT_READY, OVERDUE, UNAVAILABLE),
    *(ROUTE, UPGRADE, METHOD, TOO_LARGE, SLOW, MEDIA, HOST, KEY, SCOPE, LIMIT, HEAD, BUSY),
    *(NOT_YET, HTTP, FAILED),
)
