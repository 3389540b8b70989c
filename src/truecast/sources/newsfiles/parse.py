"""Turn a file's rows into articles."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from truecast.core.news import parsed_news
from truecast.sources.base import Payload
from truecast.sources.newsfiles.columns import find_columns
from truecast.sources.newsfiles.options import NewsFilesOptions
from truecast.sources.newsfiles.stamps import Stamp, UnreadableError, order_of, read_stamp
from truecast.sources.newsfiles.table import Rows, read_rows

_BETWEEN = re.compile(r"[,;|\s]+")
# Columns by which a file says that an article is made up.
_MADE_UP = ("mock", "custom", "simulated")
_TEXTS = ("title", "summary", "url", "publisher", "author", "language", "vendor_label")


def parse_file(payload: Payload, options: NewsFilesOptions) -> pl.DataFrame:
    """Turn a payload into the columns of ``PARSED_NEWS``.

    A day without a time counts as published at its end, or when the article was known, if that
    was on the same day.

    Raises
    ------
    SourceError
        If the file cannot be understood; the message says at which line.
    """
    rows = read_rows(payload.content, payload.media_type, payload.request["file"])
    columns = find_columns(rows, options.columns)
    published = _stamps(rows, columns.get("published_at"), options)
    known = _stamps(rows, columns.get("known_at"), options)
    return parsed_news(
        _article(rows, place, columns, (published[place], known[place]), options)
        for place in range(len(rows.values))
    )


def _article(
    rows: Rows,
    place: int,
    columns: Mapping[str, str],
    stamps: tuple[Stamp | None, Stamp | None],
    options: NewsFilesOptions,
) -> dict[str, Any]:
    row = rows.values[place]
    published, flags = _published(stamps[0], stamps[1], options)
    if any(_is_true(row.get(name)) for name in _MADE_UP):
        flags.append("mock")
    cells = {meaning: row.get(column) for meaning, column in columns.items()}
    identity = cells.get("vendor_id")
    return {
        **{name: _text(cells.get(name)) for name in _TEXTS},
        "published_at": published,
        "known_at": stamps[1].moment if stamps[1] else None,
        "vendor_id": None if identity is None else str(identity).strip() or None,
        "symbols": _symbols(cells.get("symbols")),
        "vendor_score": _score(cells.get("vendor_score"), rows, place),
        "flags": flags,
    }


def _stamps(rows: Rows, column: str | None, options: NewsFilesOptions) -> list[Stamp | None]:
    if column is None:
        return [None] * len(rows.values)
    values = [row.get(column) for row in rows.values]
    order = order_of(values, options)
    return [
        _at_its_line(partial(read_stamp, value, options, order), rows, place, value)
        for place, value in enumerate(values)
    ]


def _at_its_line(
    read: Callable[[], Stamp | None], rows: Rows, place: int, value: object
) -> Stamp | None:
    try:
        return read()
    except UnreadableError as error:
        raise rows.place.refuse(
            rows.numbers[place], error.expected, repr(value)[:60], error.advice
        ) from error


def _published(
    stamp: Stamp | None, known: Stamp | None, options: NewsFilesOptions
) -> tuple[datetime | None, list[str]]:
    if stamp is None:
        return None, []
    if not stamp.day_only and options.resolution is None:
        return stamp.moment, []
    length = options.resolution
    ends = stamp.moment if stamp.day_only or length is None else stamp.moment + length
    if known is not None and stamp.begins <= known.moment:
        ends = min(ends, known.moment)
    return ends, ["day_only" if stamp.day_only else "cut_stamp"]


def _score(value: object, rows: Rows, place: int) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return float(str(value))
    except ValueError:
        raise rows.place.refuse(
            rows.numbers[place],
            "a number from -1 to 1 as the article's score",
            repr(value)[:60],
            "write it so, leave it empty, or name another column: columns: {vendor_score: ...}",
        ) from None


def _text(value: object) -> str | None:
    """Read words: a text, a list of them, or what has a name, as NewsAPI's sources do."""
    if isinstance(value, Mapping):
        return _text(value.get("name"))
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_text, value))) or None
    return None if value is None else str(value) or None


def _symbols(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        named = (entry.get("ticker") if isinstance(entry, Mapping) else entry for entry in value)
        return [str(name) for name in named if name]
    return [part for part in _BETWEEN.split(value) if part] if isinstance(value, str) else []


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
