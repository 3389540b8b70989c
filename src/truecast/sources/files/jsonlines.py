"""Read NDJSON: one JSON object a line."""

import io
import json
import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NoReturn

import polars as pl

from truecast.sources.files.place import PLACE, Place

# Lines from which the columns and what they hold are found out.
_LOOK = 1000
_SCALARS = (str, int, float, bool, type(None))
_WHOLE = 1 << 63
_ADVICE = "write one flat JSON object a line, such as " + json.dumps(
    {"timestamp": "2018-12-31T15:30:00Z", "close": 2506.85}
)


def read_json_lines(
    content: bytes, file: str, rows: int | None = None
) -> tuple[pl.DataFrame, Place]:
    """Read a file of JSON objects, one a line.

    Parameters
    ----------
    content : bytes
        The file, or its first whole lines.
    file : str
        Its name, for messages.
    rows : int or None
        Read only the first so many.

    Returns
    -------
    pl.DataFrame
        ``PLACE``, then a column for each key of the first thousand lines: Float64 where they hold
        numbers, Int64 where all of those are whole, else text. A key that a line lacks is null.
    Place
        For messages about its rows.

    Raises
    ------
    SourceError
        If a line is not such an object, or not like the first lines; it is named.
    """
    place = Place(file, "line")
    content = content.removeprefix(b"\xef\xbb\xbf")
    lines = list(islice(io.BytesIO(content), _LOOK))
    kinds = _kinds(lines, place)
    if rows is None and not _has_only(content, kinds):
        kinds = _kinds(io.BytesIO(content), place)
    if rows is not None:
        content = b"".join([line for line in lines if line.strip()][:rows])
    try:
        table = pl.scan_ndjson(io.BytesIO(content), schema=kinds).collect()
    except pl.exceptions.PolarsError as error:
        table = _read_again(content, kinds, str(error), place)
    table = place.put_in(table)
    if len(table) != content.count(b"\n") + (not content.endswith(b"\n")):
        table = table.with_columns(_lines_of(content))
    return table, place


def _has_only(content: bytes, kinds: Mapping[str, pl.DataType]) -> bool:
    """Whether each of these keys stands there once a line, counted over all, and no other does."""
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    names = [json.dumps(key, ensure_ascii=False).encode() + b":" for key in kinds]
    return content.count(b'":') == lines * len(names) and all(
        content.count(name) == lines for name in names
    )


def _kinds(lines: Iterable[bytes], place: Place) -> dict[str, pl.DataType]:
    """Find out the columns; a number is a Float64 where any of its column has a fraction."""
    found: dict[str, set[type]] = {}
    for number, line in enumerate(lines):
        if line.strip():
            for key, value in _object(line, number, place).items():
                found.setdefault(key, set()).add(type(value))
    if not found:
        raise place.refuse(0, "a JSON object", "nothing", _ADVICE)
    return {key: _kind(types - {type(None)}) for key, types in found.items()}


def _kind(types: set[type]) -> pl.DataType:
    if types == {int}:
        return pl.Int64()
    if types and types <= {int, float}:
        return pl.Float64()
    return pl.Boolean() if types == {bool} else pl.String()


def _object(line: bytes, number: int, place: Place) -> Mapping[str, object]:
    """Read one line strictly."""
    try:
        value = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        found = f"{line[:60].decode(errors='replace')!r} ({why})"
        raise place.refuse(number, "a JSON object", found, _ADVICE) from error
    if not isinstance(value, dict):
        raise place.refuse(number, "a JSON object", repr(value)[:60], _ADVICE)
    for key, cell in value.items():
        if not isinstance(cell, _SCALARS):
            kind = "a list" if isinstance(cell, list) else "an object"
            raise place.refuse(number, f"a number or text in {key}", kind, _ADVICE)
        if type(cell) is int and abs(cell) >= _WHOLE:
            raise place.refuse(number, f"a number below 2**63 in {key}", str(cell)[:60], _ADVICE)
        if type(cell) is float and not math.isfinite(cell):
            raise place.refuse(number, f"a number below 1e309 in {key}", str(cell), _ADVICE)
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands there twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON: write null")


def _read_again(
    content: bytes, kinds: Mapping[str, pl.DataType], why: str, place: Place
) -> pl.DataFrame:
    """Name the line that cannot be read; or find that whole numbers turn to fractions later."""
    widened = dict(kinds)
    for number, line in enumerate(content.split(b"\n")):
        if not line.strip():
            continue
        for key, value in _object(line, number, place).items():
            kind = kinds.get(key)
            if isinstance(value, float) and kind == pl.Int64():
                widened[key] = pl.Float64()
            elif kind is not None and not _fits(value, kind):
                raise place.refuse(
                    number,
                    f"{'text' if kind == pl.String() else 'a number'} in {key}, as in the lines "
                    "before",
                    repr(value)[:60],
                    "write it as in the other lines",
                )
    try:
        return pl.read_ndjson(content, schema=widened)
    except pl.exceptions.PolarsError as error:
        raise place.refuse(None, "JSON objects, one a line", why, _ADVICE) from error


def _fits(value: object, kind: pl.DataType) -> bool:
    if value is None or kind == pl.String():
        return True
    if kind == pl.Boolean():
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lines_of(content: bytes) -> pl.Series:
    """Return the line of each row, from 0, where some lines are blank."""
    lines = [number for number, line in enumerate(content.split(b"\n")) if line.strip()]
    return pl.Series(PLACE, lines, dtype=pl.UInt32)
