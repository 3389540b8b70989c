"""Ask GDELT, and tell its errors, which come as text with any status, from its answers."""

from datetime import datetime, timedelta
from typing import Any

from truecast.sources.gdelt.options import GdeltOptions
from truecast.sources.http import (
    Answer,
    AnswerError,
    Client,
    Policy,
    QuotaError,
    RejectedError,
    read_json,
)
from truecast.sources.http.reading import read_kept
from truecast.sources.options import host_of

#: As many articles as GDELT gives for one request.
MOST = 250

# Asking sooner prolongs the penalty.
_PENALTY = timedelta(minutes=5)
_TOO_OFTEN = "limit requests"
_WRONG = ("too short", "too long", "surrounded by ()", "specified phrase", "invalid", "illegal")


class GdeltClient:
    """Asks for lists of articles.

    Parameters
    ----------
    options : GdeltOptions
        What to look for, and how often to ask.
    """

    def __init__(self, options: GdeltOptions) -> None:
        self._options = options
        self._client = Client(
            Policy(
                hosts=frozenset({host_of(options.base_url)}),
                per_second=1 / options.seconds_between_requests,
                attempts=3,
            )
        )

    def request(self, start: datetime, stop: datetime) -> dict[str, str]:
        """Return the parameters for the articles first seen from ``start`` up to ``stop``."""
        last = stop - timedelta(seconds=1)
        return {
            "query": self._options.asked,
            "mode": "artlist",
            "format": "json",
            "maxrecords": str(MOST),
            "startdatetime": f"{start:%Y%m%d%H%M%S}",
            "enddatetime": f"{last:%Y%m%d%H%M%S}",
            "sort": "DateAsc",
        }

    def ask(self, request: dict[str, str]) -> tuple[Answer, int]:
        """Ask for articles; return the answer and how many it holds.

        Raises
        ------
        HttpError
            ``QuotaError`` for GDELT's "Please limit requests" with any status, ``RejectedError``
            where it does not take the query, ``AnswerError`` for anything else that is no list.
        """
        try:
            answer = self._client.get(self._options.base_url, request)
        except QuotaError as error:
            wait = error.retry_after or _PENALTY
            raise QuotaError(str(error), status=error.status, retry_after=wait) from error
        if answer.content.strip() and not answer.content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(
            b"{"
        ):
            raise _refusal(answer)
        return answer, len(articles_of(answer.content, answer))


def articles_of(content: bytes, answer: Answer | None = None) -> list[dict[str, Any]]:
    """Return the articles of an answer; ``{}`` and nothing at all are GDELT's "none".

    Parameters
    ----------
    content : bytes
        The body.
    answer : Answer or None
        Where it came from, for the message; None for one that was kept.

    Raises
    ------
    AnswerError
        If it is no list of articles.
    """
    if not content.strip():
        return []
    where = "GDELT's articles"
    document = read_json(answer, where=where) if answer else read_kept(content, where=where)
    found = document.get("articles") if isinstance(document, dict) and document else document
    found = [] if found == {} else found
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise AnswerError(
            'GDELT\'s articles: expected {"articles": [{...}, ...]}, got another document; '
            "try again later"
        )
    return found


def _refusal(answer: Answer) -> QuotaError | RejectedError | AnswerError:
    said = answer.said.lower()
    if _TOO_OFTEN in said:
        return QuotaError(
            f"GDELT asks for fewer requests: {answer.said!r}",
            status=answer.status,
            said=answer.said,
            retry_after=_PENALTY,
        )
    if "<" not in said[:1] and any(words in said for words in _WRONG):
        return RejectedError(
            f"GDELT does not take the query: {answer.said!r}; see news.gdelt in the recipe",
            status=answer.status,
            said=answer.said,
        )
    return AnswerError(
        f"GDELT's articles: expected JSON, got {answer.said!r} ({answer.media_type}); try again "
        "later",
        status=answer.status,
        said=answer.said,
    )
