"""Find out how a text file is written: its separator, its header, the names of its columns."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from truecast.core.bars import PRICES
from truecast.sources.base import SourceError
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import Place

_SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DAY = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
_NUMBER = r"[+-]?[\d.,'’\u00a0\u202f]*\d[.,]?([eE][+-]?\d+)?\s*[KMBkmb%]?"
# A cell that is data and no name: a number, a day, a time of day, digits that stand for either.
_DATA = re.compile(rf"\s*({_NUMBER}|{_DAY}([ T].*)?|{_CLOCK}|\d{{8}}[ T]?\d{{4,6}}.*)\s*")
# What the first cell of a second or third header line is where yfinance writes several.
_LABELS = {"", "ticker", "symbol", "date", "datetime"}
_HEADER = "a header of names separated by commas, such as date,open,high,low,close,volume"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Parameters
    ----------
    separator : str
        One character.
    header : int
        Lines before the first row.
    names : tuple of str
        The columns, each name once; 1, 2 and so on where the file has none.
    meanings : mapping of str to str
        What a column is by its position, in a file without names: meaning to column.
    machine : bool
        Whether only programs write so, and always with a decimal point: no header, or names in
        angle brackets.
    notes : tuple of str
        What is not plain about it.
    """

    separator: str
    header: int
    names: tuple[str, ...]
    meanings: Mapping[str, str]
    machine: bool
    notes: tuple[str, ...]


def detect(lines: Sequence[str], options: FilesOptions, file: str) -> Dialect:
    """Find out the dialect of a text file.

    Parameters
    ----------
    lines : sequence of str
        Its first lines, without their ends; the first one is not blank.
    options : FilesOptions
        What was said of it.
    file : str
        Its name, for messages.

    Raises
    ------
    SourceError
        If there is a doubt.
    """
    place = Place(file, "line")
    separator = _separator(lines, options, place)
    cells = [split_line(line, separator) for line in lines]
    header = _header_lines(cells) if options.header is None else options.header
    notes = []
    if separator != ",":
        notes.append(f"cells are separated by {_WORDS[separator]}")
    if header == 0:
        names = [str(number) for number in range(1, len(cells[0]) + 1)]
        meanings = {} if options.columns else _by_position(cells, place)
        told = ", ".join(f"{column} is {meaning}" for meaning, column in meanings.items())
        notes.append(f"there is no header: {told or 'columns are called 1, 2 and so on'}")
        return Dialect(separator, 0, tuple(names), meanings, True, tuple(notes))
    names = [name.strip() for name in cells[0]]
    for number, row in enumerate(cells[1:header], start=2):
        notes.append(_second_header(names, row, number, place))
    machine = all(name.startswith("<") and name.endswith(">") for name in names)
    return Dialect(separator, header, _once(names), {}, machine, tuple(notes))


def split_line(line: str, separator: str) -> list[str]:
    """Part a line into cells, quotes respected."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a cell too long for the reader, and for a number
        return line.split(separator)


def is_data(cell: str) -> bool:
    """Say whether a cell holds a number, a date or a time rather than a name."""
    return _DATA.fullmatch(cell) is not None


def _separator(lines: Sequence[str], options: FilesOptions, place: Place) -> str:
    if options.separator is not None:
        return _SEPARATORS[options.separator]
    counts = {
        mark: [len(split_line(line, mark)) for line in lines if line.strip()] for mark in _WORDS
    }
    # A comma may be the decimal mark of a file that is separated by something else.
    steady = [mark for mark in (";", "\t", "|") if counts[mark] and min(counts[mark]) >= 2]
    if len(steady) > 1:
        raise place.refuse(
            0,
            "cells separated in one way",
            f"both {_WORDS[steady[0]]} and {_WORDS[steady[1]]}",
            "say which in the option separator",
        )
    if steady:
        return steady[0]
    first = {mark: found[0] for mark, found in counts.items() if found}
    best = max(first, key=lambda mark: first[mark], default=",")
    if first.get(best, 0) < 2:
        found = repr(lines[0][:80]) if lines else "nothing"
        raise place.refuse(
            0, _HEADER, found, "write such a header line, or say the option separator"
        )
    return best


def _header_lines(cells: Sequence[Sequence[str]]) -> int:
    """Count the lines before the first row: none, one, or those that yfinance writes."""
    if any(is_data(cell) for cell in cells[0]):
        return 0
    count = 1
    for row in cells[1:3]:
        words = [cell.strip() for cell in row]
        labelled = bool(words) and words[0].lower() in _LABELS and any(words)
        if not labelled or any(is_data(cell) for cell in words):
            break
        count += 1
    return count


def _second_header(names: list[str], row: Sequence[str], line: int, place: Place) -> str:
    """Take what a further header line says: the tickers, or the name of the first column."""
    first, *others = (cell.strip() for cell in row)
    tickers = {cell for cell in others if cell}
    if {ticker.lower() for ticker in tickers} & {"close", "price"}:
        raise place.refuse(
            line - 1, "the header on the first line", "it here", "remove the lines before it"
        )
    if len(tickers) > 1:
        raise place.refuse(
            line - 1,
            "the columns of one instrument",
            f"those of {', '.join(sorted(tickers)[:5])} side by side",
            "save each instrument in a file of its own",
        )
    if not tickers:
        names[0] = first
        return f"line {line} is a header too: it calls the first column {first}"
    return f"line {line} is a header too: it names {tickers.pop()}"


def _by_position(cells: Sequence[Sequence[str]], place: Place) -> dict[str, str]:
    """Say what the columns of a file without a header are, by where they stand."""
    rows = [row for row in cells if row]
    width = len(rows[0])
    # A time of day in a column of its own: nothing else is written with colons.
    split = width > 2 and all(re.fullmatch(_CLOCK, row[1].strip()) for row in rows if len(row) > 1)
    stamps = ["stamp", "time"] if split else ["stamp"]
    counted = all(re.fullmatch(r"\d{9,}(\.\d+)?", row[0].strip()) for row in rows)
    values = {
        1: ["close"],
        2: ["close", "volume"] if counted else [],
        4: [*PRICES],
        5: [*PRICES, "volume"],
    }.get(width - len(stamps), [])
    if not values:
        raise place.refuse(
            0,
            "a header, or rows of date, open, high, low, close and perhaps volume",
            f"{width} cells, {','.join(rows[0])[:80]!r}",
            "write a header line, or say what the columns are: columns: {stamp: 1, close: 2}",
        )
    return {meaning: str(number) for number, meaning in enumerate([*stamps, *values], start=1)}


def _once(names: Sequence[str]) -> tuple[str, ...]:
    """Make each name occur once, as Polars does."""
    found: list[str] = []
    for name in names:
        again, number = name, 0
        while again in found:
            again = f"{name}_duplicated_{number}"
            number += 1
        found.append(again)
    return tuple(found)


def refuse_doubtful_positions(inconsistent: int, rows: int, place: Place) -> SourceError | None:
    """Doubt a reading by position under which the highs are not the highs."""
    if inconsistent * 20 <= rows:
        return None
    return place.refuse(
        None,
        "rows of date, open, high, low, close, since there is no header",
        f"{inconsistent} of {rows} rows whose third number is not the highest, "
        "or whose fourth is not the lowest"
        if rows
        else "no rows",
        "say what the columns are: columns: {stamp: 1, open: 2, close: 3, high: 4, low: 5}; "
        "or decimal: , if points set thousands apart",
    )
