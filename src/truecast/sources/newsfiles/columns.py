"""Recognise the columns of a file of articles by their usual names."""

from collections.abc import Mapping

from truecast.core.names import suggestion
from truecast.sources.newsfiles.table import Rows

#: What a column may be called, letters and digits compared only, by what it is to us; the first
#: that a file has is taken. GDELT's ``seendate`` is the one documented first-seen time.
NAMES: dict[str, tuple[str, ...]] = {
    "title": ("title", "headline", "news", "text"),
    "summary": ("summary", "description", "body", "content", "abstract", "snippet", "text"),
    "published_at": (
        *("published_at", "published", "published_utc", "time_published", "date_published"),
        *("publish_date", "publication_date", "pub_date", "datetime", "timestamp", "date"),
        *("time", "created_at"),
    ),
    "known_at": ("seendate",),
    "url": ("url", "link", "web_url", "article_url", "href"),
    "vendor_id": ("guid", "id", "uuid", "article_id"),
    "publisher": ("publisher", "source", "source_name", "site", "domain", "source_domain"),
    "author": ("author", "authors", "byline", "creator"),
    "language": ("language", "lang"),
    "symbols": ("symbols", "tickers", "symbol", "ticker", "related", "ticker_sentiment"),
    "vendor_score": ("vendor_score", "sentiment_score", "overall_sentiment_score"),
    "vendor_label": (
        *("vendor_label", "sentiment_label", "overall_sentiment_label", "sentiment_type"),
    ),
}


def find_columns(rows: Rows, told: Mapping[str, str]) -> dict[str, str]:
    """Say which column is what.

    Parameters
    ----------
    rows : Rows
        The file.
    told : mapping of str to str
        What the options say.

    Returns
    -------
    dict of str to str
        Of :data:`NAMES` those that the file has, to the column's name in it.

    Raises
    ------
    SourceError
        If a column that was told is not there, or none is a title or summary, or a date.
    """
    columns = rows.columns
    for meaning, column in told.items():
        if rows.values and column not in columns:
            raise rows.place.refuse(
                None,
                f"the column {column!r} that columns.{meaning} names",
                _listed(columns),
                suggestion(column, columns),
            )
    found = dict(told)
    # The date of publication may also be said to be when an article was known.
    taken = {column for meaning, column in told.items() if meaning != "known_at"}
    alike = {_letters(column): column for column in reversed(columns)}
    for meaning, names in NAMES.items():
        free = (alike[_letters(name)] for name in names if _letters(name) in alike)
        first = next((name for name in free if name not in taken), None)
        if meaning not in found and first is not None:
            found[meaning] = first
            taken.add(first)
    if rows.values:
        _require(rows, found, ("title", "summary"), "words")
        _require(rows, found, ("published_at", "known_at"), "date")
    return found


def _require(rows: Rows, found: Mapping[str, str], either: tuple[str, str], what: str) -> None:
    if not any(meaning in found for meaning in either):
        raise rows.place.refuse(
            None,
            f"a column with the {what} of each article, such as {', '.join(NAMES[either[0]][:4])}",
            _listed(rows.columns),
            f"say which it is, such as columns: {{{either[0]}: {rows.columns[0]}}}",
        )


def _listed(columns: list[str]) -> str:
    return ", ".join(repr(column) for column in columns[:20]) or "none"


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
