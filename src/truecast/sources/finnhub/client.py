"""Ask Finnhub, and tell its refusals from its answers."""

from datetime import datetime, timedelta
from typing import Any

from truecast.core import clock
from truecast.core.settings import load_settings
from truecast.sources.finnhub.options import FinnhubOptions
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
    waiting,
)
from truecast.sources.http.keys import key_of
from truecast.sources.options import host_of

_A_DAY = timedelta(days=1)
_A_MINUTE = timedelta(minutes=1)


class FinnhubClient:
    """Asks for the news of companies.

    Parameters
    ----------
    options : FinnhubOptions
        What to ask for.

    Raises
    ------
    AccessError
        If there is no key.
    """

    def __init__(self, options: FinnhubOptions) -> None:
        self._key = key_of(load_settings().finnhub_key, "TRUECAST_FINNHUB_KEY", "Finnhub")
        self.url = f"{options.base_url.rstrip('/')}/company-news"
        self._client = Client(
            Policy(
                hosts=frozenset({host_of(options.base_url)}),
                per_second=options.requests_per_minute / 60,
                secrets=(self._key,),
            )
        )

    def request(self, symbol: str, start: datetime, stop: datetime) -> dict[str, str]:
        """Return the parameters for a company's news from one midnight up to another."""
        last = stop - _A_DAY
        return {"symbol": symbol, "from": f"{start:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}"}

    def ask(self, request: dict[str, str]) -> tuple[Answer, int]:
        """Ask for articles; return the answer and how many it holds.

        Where the vendor says that no request is left it is waited for its next minute.

        Raises
        ------
        HttpError
            ``QuotaError``, ``AccessError`` or ``RejectedError``, with any status.
        """
        answer = self._client.get(self.url, request, {"X-Finnhub-Token": self._key})
        document = read_json(answer, where=f"Finnhub's news of {request['symbol']}")
        if isinstance(document, dict) and "error" in document:
            raise self._refusal(str(document["error"]), answer)
        count = len(articles_of(document))
        self._keep_the_limit(answer)
        return answer, count

    def _keep_the_limit(self, answer: Answer) -> None:
        left = answer.headers.get("x-ratelimit-remaining", "")
        until = answer.headers.get("x-ratelimit-reset", "")
        if left == "0" and until.isascii() and until.isdigit():
            seconds = int(until[:12]) - clock.now().timestamp()
            if seconds > 0:
                waiting.pause(min(seconds, _A_MINUTE.total_seconds()))

    def _refusal(self, words: str, answer: Answer) -> HttpError:
        told = f"Finnhub: {self._client.redact(words)!r}"
        about: dict[str, Any] = {"status": answer.status, "said": answer.said}
        if "limit" in words.lower():
            return QuotaError(told, retry_after=_A_MINUTE, **about)
        if "api key" in words.lower() or "access" in words.lower():
            return AccessError(f"{told}; see TRUECAST_FINNHUB_KEY", **about)
        return RejectedError(f"{told}; see news.finnhub in the recipe", **about)


def articles_of(document: Any) -> list[dict[str, Any]]:
    """Return the articles of a document; ``[]`` is Finnhub's "none".

    Raises
    ------
    AnswerError
        If it is no list of articles.
    """
    if isinstance(document, list) and all(isinstance(entry, dict) for entry in document):
        return document
    raise AnswerError(
        "Finnhub's news: expected [{...}, ...], got another document; try again later"
    )
