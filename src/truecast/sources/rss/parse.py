"""Turn a feed into rows."""

import calendar
import io
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import feedparser
import polars as pl

from truecast.core.news import normalised_url, parsed_news
from truecast.sources.base import Payload
from truecast.sources.http import AnswerError
from truecast.sources.rss.client import check_feed


def parse_feed(payload: Payload, symbols: list[str]) -> pl.DataFrame:
    """Turn a payload into the columns of ``PARSED_NEWS``.

    ``vendor_id`` is the guid, ``published_at`` the date of publication, or of the last change
    where a feed has no other; null where it says none, or none that can be read. A summary is
    given without its markup.

    Parameters
    ----------
    payload : Payload
        A whole feed.
    symbols : list of str
        What the feed is about.

    Raises
    ------
    AnswerError
        If it is no feed.
    """
    where = f"the feed {payload.request.get('url', payload.symbol)}"
    check_feed(payload.content, where)
    # From bytes in memory: given a text, feedparser would open files and addresses.
    feed = feedparser.parse(
        io.BytesIO(payload.content),
        response_headers={"content-type": payload.media_type},
        resolve_relative_uris=False,
    )
    if not feed.get("version"):
        reason = feed.get("bozo_exception", "it has no version that is known")
        raise AnswerError(f"{where}: expected an RSS or Atom feed, got something else: {reason}")
    publisher = _text(feed.get("feed", {}).get("title"))
    rows = [
        {
            "published_at": _published(entry),
            "flags": _odd(entry),
            "title": without_markup(_text(entry.get("title"))),
            "summary": without_markup(_text(entry.get("summary"))),
            "url": _address(entry),
            "publisher": _text(entry.get("source", {}).get("title")) or publisher,
            "author": _text(entry.get("author")),
            "language": _text(feed.get("feed", {}).get("language")),
            "symbols": symbols,
            "vendor_id": _text(entry.get("id")),
        }
        for entry in feed.get("entries", [])
    ]
    return parsed_news(rows)


def without_markup(text: str | None) -> str | None:
    """Return the words of a piece of HTML.

    Examples
    --------
    >>> without_markup('<p>Gold <b>up</b></p><img src="x"/>5 < 6')
    ' Gold up 5 < 6'
    """
    if text is None or "<" not in text:
        return text
    words = _Words()
    words.feed(text)
    words.close()
    return "".join(words.found)


# What may stand within a word.
_INLINE = {"a", "abbr", "b", "em", "i", "small", "span", "strong", "sub", "sup", "u"}


class _Words(HTMLParser):
    """Collects text between tags, but not that of scripts and styles."""

    def __init__(self) -> None:
        # References stay as they are: the lake decodes them, once.
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._silent = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self._silent = tag in {"script", "style"}
        if tag not in _INLINE:
            self.found.append(" ")

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)

    def handle_entityref(self, name: str) -> None:
        self.found.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.found.append(f"&#{name};")


def _published(entry: Any) -> datetime | None:
    """Return an entry's date; feedparser has brought it to UTC."""
    for name in ("published_parsed", "updated_parsed"):
        # Asked for so: the mapping's own `get` answers one with the other, and warns.
        parsed = dict.get(entry, name)
        if parsed is not None:
            try:
                return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
            except (OverflowError, ValueError, OSError):
                return None
    return None


def _odd(entry: Any) -> list[str]:
    dated = any(dict.get(entry, name) for name in ("published", "updated"))
    return ["unreadable_date"] if dated and _published(entry) is None else []


def _address(entry: Any) -> str | None:
    """Return an entry's link; feedparser gives the guid where there is none."""
    link = _text(entry.get("link"))
    return None if link == entry.get("id") and normalised_url(link) is None else link


def _text(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None
