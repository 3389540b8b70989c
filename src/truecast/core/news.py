"""What every article has, and by what it is known: its address, its words, its story."""

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.core.hashing import hash_of

#: What stands in the place of a bar's interval where articles share a table with bars.
NEWS = "news"

#: What a news source's parser returns: one row an article as the vendor gave it, unchecked.
#: ``row`` is its place in the payload, from 1. ``published_at`` is null where the vendor does not
#: say; ``known_at`` is the vendor's documented first-seen time, null where there is none: then an
#: article is known from its receipt on. ``symbols`` are the vendor's own names. ``vendor_score``
#: is the vendor's opinion in [-1, 1]; vendors score anew, so it is no point-in-time history.
#: ``flags`` are of :data:`NEWS_FLAGS`, null for none.
PARSED_NEWS: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "published_at": UTC_TIME,
    "known_at": UTC_TIME,
    "title": pl.String(),
    "summary": pl.String(),
    "url": pl.String(),
    "publisher": pl.String(),
    "author": pl.String(),
    "language": pl.String(),
    "symbols": pl.List(pl.String()),
    "vendor_id": pl.String(),
    "vendor_score": pl.Float64(),
    "vendor_label": pl.String(),
    "flags": pl.List(pl.String()),
}

#: What is odd about an article and may yet be true, with what to tell a person of it.
NEWS_FLAGS: dict[str, str] = {
    "no_date": "have no date: they are known from their receipt on",
    "unreadable_date": "have a date that cannot be read: it counts as none",
    "unreadable_score": "have a score that is no number: it counts as none",
    "day_only": "have a day and no time: they count as published at the end of that day",
    "cut_stamp": "have a time that was cut: they count as published when that span was over",
    "odd_url": "have an address that is not one of the web: it is left out",
    "mock": "are made up, as the file says of them",
    "unsure_period": "are older than what the vendor vouches for: others may be missing",
    "truncated": "are of a window that holds more than the vendor gives: others are missing",
}

_TRACKING = re.compile(r"(utm_\w+|\.?tsrc|fbclid|gclid|dclid|msclkid|mc_[ce]id|guc\w+)")
_PORTS = {"http": 80, "https": 443}
# Marks that turn the direction of writing or cannot be seen: they hide what a text says.
_HIDDEN = re.compile("[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")


def parsed_news(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Put articles into the columns of :data:`PARSED_NEWS`, in their order.

    Parameters
    ----------
    rows : iterable of mapping
        One an article, with any of the columns but ``row``; others are null. Half a surrogate
        pair, which is no character, becomes U+FFFD.
    """
    numbered = [
        {"row": place, **{name: _encodable(value) for name, value in row.items()}}
        for place, row in enumerate(rows, start=1)
    ]
    return pl.DataFrame(numbered, schema=PARSED_NEWS)


def plain_text(text: str | None) -> str | None:
    r"""Return a text as one line a person can read; None where nothing is left.

    HTML entities are decoded, control characters and marks that cannot be seen are taken out,
    and white space of any length becomes one space. Nothing else is changed: a text is data.

    Examples
    --------
    >>> plain_text("Gold\x00 &amp; silver\n up")
    'Gold & silver up'
    """
    if text is None:
        return None
    return _visible(html.unescape(text)) or None


def normalised_url(url: str | None) -> str | None:
    """Return the address of an article in the one form by which it is known.

    Scheme and host are in lower case; a default port, the fragment, and parameters that only say
    where a reader came from (``utm_*``, ``.tsrc``, ``fbclid`` and such) are taken out.

    Returns
    -------
    str or None
        None where it is no address of the web.

    Examples
    --------
    >>> normalised_url("HTTPS://Example.com:443/a?b=1&.tsrc=rss#top")
    'https://example.com/a?b=1'
    """
    parts = _split(url)
    if parts is None:
        return None
    kept = [pair for pair in parts.query.split("&") if pair and not _is_tracking(pair)]
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", "&".join(kept), ""))


def item_of(
    url: str | None, vendor_id: str | None, title: str | None, published: str | None
) -> str:
    """Return the id of an article: of its address, else of what the vendor calls it, else of both.

    Parameters
    ----------
    url : str or None
        Its address, normalised. A site's front page names no article.
    vendor_id : str or None
        The vendor's own id; one that is an address counts as that.
    title, published : str or None
        What tells it apart where it has neither.

    Returns
    -------
    str
        32 hexadecimal digits of a SHA-256.
    """
    for address in (url, normalised_url(vendor_id)):
        if address is not None and not _is_front_page(address):
            return hash_of(["url", address])[:32]
    if vendor_id:
        return hash_of(["id", vendor_id])[:32]
    return hash_of(["text", title, published])[:32]


def story_of(title: str | None) -> str | None:
    """Return the id of what a headline tells: the same words have the same, wherever they stand.

    Examples
    --------
    >>> story_of("Gold rises 2%!") == story_of("GOLD rises  2 %")
    True
    >>> story_of(" - ") is None
    True
    """
    folded = unicodedata.normalize("NFKC", title or "").casefold()
    words = re.findall(r"\w+", folded)
    return hash_of(["story", words])[:32] if words else None


def _visible(text: str) -> str:
    shown = _HIDDEN.sub("", text)
    kept = (char for char in shown if char.isspace() or unicodedata.category(char) != "Cc")
    return " ".join("".join(kept).split())


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_encodable(entry) for entry in value]
    return value


def _split(url: str | None) -> SplitResult | None:
    """Part an address of the web, scheme and host in lower case; None where it is none."""
    try:
        # Only this entity: `&copy=1` is a parameter, not a sign.
        parts = urlsplit(_visible(url or "").replace("&amp;", "&").replace(" ", "%20"))
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port in {None, _PORTS[parts.scheme]} else f"{host}:{port}"
    return parts._replace(netloc=netloc)


def _is_tracking(pair: str) -> bool:
    return _TRACKING.fullmatch(pair.partition("=")[0].lower()) is not None


def _is_front_page(address: str) -> bool:
    parts = urlsplit(address)
    return parts.path == "/" and not parts.query
