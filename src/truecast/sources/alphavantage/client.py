"""Ask Alpha Vantage, and tell its refusals, which come with status 200, from its answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from truecast.core import clock
from truecast.core.settings import load_settings
from truecast.sources.alphavantage.options import AlphaVantageOptions
from truecast.sources.http import (
    AccessError,
    Answer,
    AnswerError,
    Client,
    HttpError,
    Policy,
    QuotaError,
    RejectedError,
    read_json,
)
from truecast.sources.http.keys import key_of
from truecast.sources.options import host_of

#: As many articles as it gives for one request.
MOST = 1000

_REFUSALS = ("Information", "Note", "Error Message")
# Looked for in this order: the message about the quota names the key too.
_QUOTA = ("rate limit", "call frequency", "per day", "per minute", "per second", "spreading out")
_NONE = ("no articles found",)
_KEY = ("demo", "api key", "apikey", "premium")
_A_MINUTE = timedelta(minutes=1)


class AlphaVantageClient:
    """Asks for articles.

    Parameters
    ----------
    options : AlphaVantageOptions
        What to ask for.

    Raises
    ------
    AccessError
        If there is no key.
    """

    def __init__(self, options: AlphaVantageOptions) -> None:
        key = load_settings().alphavantage_key
        self._key = key_of(key, "TRUECAST_ALPHAVANTAGE_KEY", "Alpha Vantage")
        self._options = options
        self._requests = 0
        self._client = Client(
            Policy(
                hosts=frozenset({host_of(options.base_url)}),
                per_second=1 / options.seconds_between_requests,
                secrets=(self._key,),
            )
        )

    def request(self, symbol: str, start: datetime, stop: datetime) -> dict[str, str]:
        """Return the parameters, but for the key, for what was published in a span of minutes."""
        last = stop - _A_MINUTE
        asked = {
            "function": "NEWS_SENTIMENT",
            "tickers": symbol,
            "topics": ",".join(self._options.topics),
            "time_from": f"{start:%Y%m%dT%H%M}",
            "time_to": f"{last:%Y%m%dT%H%M}",
            "sort": "EARLIEST",
            "limit": str(MOST),
        }
        return {name: value for name, value in asked.items() if value}

    def ask(self, request: dict[str, str]) -> tuple[Answer, int]:
        """Ask for articles; return the answer and how many it holds.

        Raises
        ------
        HttpError
            ``QuotaError`` where the day's requests are used up, by the vendor's account or by
            ``requests_per_day``; ``AccessError`` for its words about the key, ``RejectedError``
            for those about the request.
        """
        if self._requests >= self._options.requests_per_day:
            raise QuotaError(
                f"the {self._options.requests_per_day} requests to Alpha Vantage of "
                "news.alphavantage.requests_per_day are used up",
                retry_after=_until_tomorrow(),
            )
        self._requests += 1
        answer = self._client.get(self._options.base_url, {**request, "apikey": self._key})
        document = read_json(answer, where="Alpha Vantage's articles")
        refusal = _refusal(document, answer, self._client)
        if refusal is not None:
            raise refusal
        return answer, len(articles_of(document))


def articles_of(document: Any) -> list[dict[str, Any]]:
    """Return the articles of a document; none where it says that there are none.

    Raises
    ------
    AnswerError
        If it is no list of articles.
    """
    if isinstance(document, dict):
        found = document.get("feed")
        if found is None and (_told(document) == "none" or document.get("items") in ("0", 0)):
            return []
        if isinstance(found, list) and all(isinstance(entry, dict) for entry in found):
            return found
    raise AnswerError(
        'Alpha Vantage\'s articles: expected {"items": "...", "feed": [{...}, ...]}, got another '
        "document; try again later"
    )


def _told(document: Any) -> str | None:
    """Return what a refusal is about: none, quota, access or rejected; None if it is none."""
    if not isinstance(document, dict) or "feed" in document:
        return None
    name = next((name for name in _REFUSALS if name in document), None)
    if name is None:
        return None
    words = str(document[name]).lower()
    if any(part in words for part in _NONE):
        return "none"
    if name == "Note" or any(part in words for part in _QUOTA):
        return "quota"
    return "access" if any(part in words for part in _KEY) else "rejected"


def _refusal(document: Any, answer: Answer, client: Client) -> HttpError | None:
    kind = _told(document)
    told = f"Alpha Vantage: {client.redact(answer.said)}"
    about: dict[str, Any] = {"status": answer.status, "said": answer.said}
    if kind == "quota":
        wait = _A_MINUTE if "per minute" in answer.said else _until_tomorrow()
        return QuotaError(told, retry_after=wait, **about)
    if kind == "access":
        return AccessError(f"{told}; see TRUECAST_ALPHAVANTAGE_KEY", **about)
    if kind == "rejected":
        return RejectedError(f"{told}; see news.alphavantage in the recipe", **about)
    return None


def _until_tomorrow() -> timedelta:
    now = clock.now()
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1) - now
