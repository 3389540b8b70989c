"""Turn GDELT's list of articles into rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from truecast.core.news import parsed_news
from truecast.sources.base import Payload
from truecast.sources.gdelt.client import MOST, articles_of

#: GDELT's grid: when it says that it saw an article.
STEP = timedelta(minutes=15)
# GDELT vouches for the last three months.
_VOUCHED = timedelta(days=92)
_STAMP = "%Y%m%d%H%M%S"


def parse_articles(payload: Payload) -> pl.DataFrame:
    """Turn a payload into the columns of ``PARSED_NEWS``.

    ``known_at`` is ``seendate``; ``published_at`` is null, since GDELT does not say. Articles of
    a window that came full and is too short to be cut have the flag ``truncated``, those older
    than three months at their receipt ``unsure_period``, those without a ``seendate`` that can be
    read ``unreadable_date``: they are known from their receipt on.

    Raises
    ------
    AnswerError
        If it is no list of articles.
    """
    found = articles_of(payload.content)
    asked = [
        datetime.strptime(payload.request[name], _STAMP).replace(tzinfo=UTC)
        for name in ("startdatetime", "enddatetime")
    ]
    truncated = len(found) >= MOST and asked[1] - asked[0] < STEP
    rows = []
    for entry in found:
        seen = _seen(entry)
        flags = ["truncated"] if truncated else []
        if seen is None:
            flags.append("unreadable_date")
        elif seen < payload.received_at - _VOUCHED:
            flags.append("unsure_period")
        rows.append(
            {
                "known_at": seen,
                "title": _text(entry, "title"),
                "url": _text(entry, "url") or _text(entry, "url_mobile"),
                "publisher": _text(entry, "domain"),
                "language": _text(entry, "language"),
                "flags": flags,
            }
        )
    return parsed_news(rows)


def _seen(entry: dict[str, Any]) -> datetime | None:
    try:
        stamp = str(entry.get("seendate"))
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value or None if isinstance(value, str) else None
