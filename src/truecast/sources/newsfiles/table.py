"""Read a file's bytes into rows, each with its line, or say plainly why they are none."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from truecast.sources.files.inflate import gunzip
from truecast.sources.files.place import Place

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
# Characters that JSON allows nowhere, and that some vendors let through.
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: Under which names a document keeps its list of articles.
LISTS = ("articles", "feed", "items", "news", "results", "data")
_SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Rows:
    """A file's rows.

    Parameters
    ----------
    values : sequence of mapping
        Column to value, as the file has it.
    numbers : list of int
        The line (or row) of each, from 1.
    place : Place
        For messages: takes such a number.
    """

    values: Sequence[Mapping[str, Any]]
    numbers: list[int]
    place: Place

    @property
    def columns(self) -> list[str]:
        """The columns that any row has, in the order of their first appearance."""
        return list(dict.fromkeys(name for row in self.values for name in row))


def read_rows(content: bytes, media_type: str, file: str) -> Rows:
    """Read a file.

    Parameters
    ----------
    content : bytes
        The file, also gzipped.
    media_type : str
        One of :data:`truecast.sources.newsfiles.client.KINDS`.
    file : str
        Its name, for messages.

    Raises
    ------
    SourceError
        If the bytes are not what the file's name promises; the message says where.
    """
    if media_type == "application/vnd.apache.parquet":
        return _read_parquet(content, file)
    if content.startswith(_GZIP):
        content = gunzip(content, file)
    text = _decode(content, file)
    if media_type == "text/csv":
        return _read_csv(text, file)
    return _read_lines(text, file) if media_type.endswith("ndjson") else _read_json(text, file)


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _at(file, "line").refuse(
            line, "text in UTF-8", f"the byte {content[error.start]:#04x}", "save it as UTF-8"
        ) from error


def _read_json(text: str, file: str) -> Rows:
    place = _at(file, "row")
    document = _parse(text, _at(file, "line"), 1)
    found = document
    if isinstance(document, dict):
        lists = (document[name] for name in LISTS if isinstance(document.get(name), list))
        found = next(lists, [document] if document else [])
    if not isinstance(found, list):
        raise place.refuse(
            None,
            'a list of articles, or {"articles": [...]}',
            f"{type(document).__name__} {str(document)[:40]!r}",
            "save the articles so",
        )
    return _of_objects(found, list(range(1, len(found) + 1)), place)


def _read_lines(text: str, file: str) -> Rows:
    place = _at(file, "line")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    objects = [_parse(line, place, number) for number, line in lines]
    return _of_objects(objects, [number for number, _ in lines], place)


def _of_objects(found: list[Any], numbers: list[int], place: Place) -> Rows:
    for number, entry in zip(numbers, found, strict=True):
        if not isinstance(entry, dict):
            raise place.refuse(
                number,
                'an article such as {"title": "...", "published_at": "..."}',
                repr(entry)[:60],
                "mend or remove it",
            )
    return Rows(found, numbers, place)


def _parse(text: str, place: Place, line: int) -> Any:
    try:
        return json.loads(_ILLEGAL.sub("", text), strict=False)
    except json.JSONDecodeError as error:
        began = error.doc[error.pos : error.pos + 40] or "the end of the file"
        raise place.refuse(
            line + error.lineno - 1,
            f"JSON ({error.msg})",
            repr(began),
            "mend it there, or copy the file again",
        ) from error
    except RecursionError as error:
        raise place.refuse(line, "JSON", "values nested too deep", "save it flat") from error


def _read_csv(text: str, file: str) -> Rows:
    place = _at(file, "line")
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    values: list[Mapping[str, Any]] = []
    numbers: list[int] = []
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if names is None:
                    names = _header(cells, place, line)
                else:
                    values.append(_row(names, cells, place, line))
                    numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise place.refuse(
            line, "cells between separators", str(error), "mend or remove that line"
        ) from error
    if names is None:
        raise place.refuse(1, "a header such as title,published_at", "nothing", "write one")
    return Rows(values, numbers, place)


def _header(cells: list[str], place: Place, line: int) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise place.refuse(line, "each column once", f"{twice!r} twice", "rename one")
    return names


def _row(names: list[str], cells: list[str], place: Place, line: int) -> dict[str, str]:
    if len(cells) != len(names):
        raise place.refuse(
            line, f"{len(names)} cells a line", f"{len(cells)} cells", "mend or remove that line"
        )
    return dict(zip(names, cells, strict=True))


def _read_parquet(content: bytes, file: str) -> Rows:
    place = _at(file, "row")
    if content[:4] != _PARQUET:
        began = content[:40].decode("utf-8", errors="replace").partition("\n")[0]
        raise place.refuse(
            None,
            "Parquet, as the name says",
            f"a file that begins {began!r}",
            "give it the ending of what it is (.csv?) or save it as Parquet",
        )
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise place.refuse(
            None, "a whole Parquet file", f"a damaged one ({error})", "copy it again"
        ) from error
    return Rows(frame.rows(named=True), list(range(1, len(frame) + 1)), place)


def _at(file: str, unit: str) -> Place:
    return Place(file, "line" if unit == "line" else "row", first=0)
