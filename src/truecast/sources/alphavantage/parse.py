"""Turn Alpha Vantage's articles into rows."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from truecast.core.news import parsed_news
from truecast.sources.alphavantage.client import MOST, articles_of
from truecast.sources.base import Payload
from truecast.sources.http.reading import read_kept


def parse_articles(payload: Payload) -> pl.DataFrame:
    """Turn a payload into the columns of ``PARSED_NEWS``.

    ``vendor_score`` and ``vendor_label`` are the overall ones; a label is spelt with dashes.
    Articles of an hour that came full have the flag ``truncated``, those with a date or score that
    cannot be read have none, and the flag ``unreadable_date`` or ``unreadable_score``.

    Raises
    ------
    AnswerError
        If it is no list of articles.
    """
    found = articles_of(read_kept(payload.content, where="Alpha Vantage's articles"))
    asked = [_stamp(payload.request[name]) for name in ("time_from", "time_to")]
    full = len(found) >= MOST and (asked[1] - asked[0]).total_seconds() < 3600
    return parsed_news(
        {
            "published_at": _published(entry),
            "title": _text(entry, "title"),
            "summary": _text(entry, "summary"),
            "url": _text(entry, "url"),
            "publisher": _text(entry, "source") or _text(entry, "source_domain"),
            "author": _authors(entry),
            "symbols": _symbols(entry),
            "vendor_score": _score(entry),
            "vendor_label": _label(entry),
            "flags": [*_odd(entry), *(["truncated"] if full else [])],
        }
        for entry in found
    )


def _published(entry: dict[str, Any]) -> datetime | None:
    """Read ``20260727T143000``, which is UTC."""
    try:
        return _stamp(str(entry.get("time_published")))
    except ValueError:
        return None


def _stamp(text: str) -> datetime:
    form = "%Y%m%dT%H%M%S" if len(text) > 13 else "%Y%m%dT%H%M"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def _score(entry: dict[str, Any]) -> float | None:
    """Read a score, which may be a number or text."""
    try:
        return float(str(entry.get("overall_sentiment_score")))
    except ValueError:
        return None


def _odd(entry: dict[str, Any]) -> list[str]:
    """Return the flags of what is there and cannot be read."""
    read = {
        "unreadable_date": ("time_published", _published),
        "unreadable_score": ("overall_sentiment_score", _score),
    }
    return [
        flag
        for flag, (name, reader) in read.items()
        if entry.get(name) not in (None, "") and reader(entry) is None
    ]


def _label(entry: dict[str, Any]) -> str | None:
    text = _text(entry, "overall_sentiment_label")
    return None if text is None else text.replace("_", "-")


def _authors(entry: dict[str, Any]) -> str | None:
    names = entry.get("authors")
    if not isinstance(names, list):
        return None
    return ", ".join(name for name in names if isinstance(name, str) and name) or None


def _symbols(entry: dict[str, Any]) -> list[str]:
    named = entry.get("ticker_sentiment")
    rows = [row for row in named if isinstance(row, dict)] if isinstance(named, list) else []
    return [symbol for row in rows if (symbol := _text(row, "ticker"))]


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value or None if isinstance(value, str) else None
