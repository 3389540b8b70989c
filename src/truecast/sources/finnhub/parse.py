"""Turn Finnhub's articles into rows."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from truecast.core.news import parsed_news
from truecast.sources.base import Payload
from truecast.sources.finnhub.client import articles_of
from truecast.sources.http.reading import read_kept


def parse_articles(payload: Payload) -> pl.DataFrame:
    """Turn a payload into the columns of ``PARSED_NEWS``.

    ``symbols`` are the company that was asked for and those the vendor relates to it; a
    ``datetime`` of 0 is none.

    Raises
    ------
    AnswerError
        If it is no list of articles.
    """
    found = articles_of(read_kept(payload.content, where="Finnhub's news"))
    return parsed_news(_row(entry, payload.symbol) for entry in found)


def _row(entry: dict[str, Any], symbol: str) -> dict[str, Any]:
    related = (_text(entry, "related") or "").split(",")
    published = _stamp(entry)
    unread = published is None and entry.get("datetime") not in (None, 0, "")
    name = entry.get("id")
    return {
        "published_at": published,
        "title": _text(entry, "headline"),
        "summary": _text(entry, "summary"),
        "url": _text(entry, "url"),
        "publisher": _text(entry, "source"),
        "symbols": [symbol, *(other.strip() for other in related if other.strip())],
        "vendor_id": None if name in (None, "", 0) else str(name),
        "flags": ["unreadable_date"] if unread else [],
    }


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value or None if isinstance(value, str) else None


def _stamp(entry: dict[str, Any]) -> datetime | None:
    """Read an article's ``datetime``: seconds since 1970, UTC; None for nothing or 0."""
    seconds = entry.get("datetime")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
