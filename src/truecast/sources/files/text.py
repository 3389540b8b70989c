"""Read a text file's bytes into a table of text cells, line by line and strictly."""

import csv
import io
import re
from dataclasses import dataclass

import polars as pl

from truecast.sources.files.dialect import Dialect, detect, split_line
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import Place

_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
# Lines that the dialect is found out from.
_LOOK = 50


@dataclass(frozen=True)
class TextTable:
    """A text file's cells, and how they were parted.

    Parameters
    ----------
    frame : pl.DataFrame
        Text columns named as in the file, after ``PLACE``; blank lines are left out.
    place : Place
        For messages.
    dialect : Dialect
        How the file is written.
    quoted : bool
        Whether cells may hold the separator, between quotes.
    short : tuple of two int, or None
        Cells of the shortest line and the row of the first short one, where some lines have fewer
        than the header.
    notes : tuple of str
        What is not plain about the file.
    """

    frame: pl.DataFrame
    place: Place
    dialect: Dialect
    quoted: bool
    short: tuple[int, int] | None
    notes: tuple[str, ...]


def read_text(
    content: bytes, file: str, options: FilesOptions, rows: int | None = None
) -> TextTable:
    """Read a file of cells.

    Parameters
    ----------
    content : bytes
        The file, or its first whole lines.
    file : str
        Its name, for messages.
    options : FilesOptions
        What was said of it.
    rows : int or None
        Read only the first so many.

    Raises
    ------
    SourceError
        If it is no text, or not one table.
    """
    content, notes = _decode(content, file, options)
    content, quoted_lines = _unquote_lines(content, file)
    if quoted_lines:
        notes.append("whole lines are quoted")
    lines = _first_lines(content)
    if not lines or not lines[0].strip():
        raise Place(file, "line").refuse(
            0,
            "a header of names separated by commas, such as date,open,high,low,close,volume",
            "nothing" if not content.strip() else "a blank line",
            "give a file with bars, its header first",
        )
    dialect = detect(lines, options, file)
    place = Place(file, "line", first=dialect.header + 1)
    body = _after_lines(content, dialect.header)
    short = _check_width(body, dialect, place) if rows is None else None
    if short is not None:
        cells, row = short
        notes.append(
            f"some lines have fewer than {len(dialect.names)} cells, and none for the last "
            f"columns: {place.of(row)} has {cells}"
        )
    frame = _read_cells(body, dialect, place, rows)
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    frame = place.put_in(frame)
    return TextTable(
        frame.filter(~blank) if blank.any() else frame,
        place,
        dialect,
        quoted=b'"' in body,
        short=short,
        notes=(*notes, *dialect.notes),
    )


def _decode(content: bytes, file: str, options: FilesOptions) -> tuple[bytes, list[str]]:
    """Return the text as UTF-8 without a mark."""
    place = Place(file, "line")
    encoding = options.encoding or "utf-8"
    if content.startswith(_UTF16_MARKS) and not encoding.startswith("utf-16"):
        raise place.refuse(0, "text in UTF-8", "the mark of UTF-16", "say encoding: utf-16")
    if content.startswith(_UTF8_MARK) and encoding in {"utf-8", "utf-8-sig"}:
        content, notes = content[len(_UTF8_MARK) :], ["it begins with a byte order mark"]
    else:
        notes = []
    if options.encoding is not None and encoding not in {"utf-8", "utf-8-sig", "ascii"}:
        notes.append(f"text is read as {encoding}")
    if not (content.isascii() and encoding in {"utf-8", "utf-8-sig"}):
        content = _recode(content, encoding, place)
    content, said = _end_lines(content, place)
    notes += said
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0"))
        raise place.refuse(line, "text", "a NUL byte", "mend that line, or copy the file again")
    return content, notes


def _end_lines(content: bytes, place: Place) -> tuple[bytes, list[str]]:
    """Let lines end as everywhere: old programs end them with a carriage return alone."""
    lone = content.count(b"\r") - content.count(b"\r\n")
    if not lone:
        return content, []
    if b"\n" not in content:
        return content.replace(b"\r", b"\n"), ["lines end with carriage returns alone"]
    content = content.replace(b"\r\r\n", b"\n")
    inside = re.search(rb"\r(?!\n)", content)
    if inside:
        raise place.refuse(
            content.count(b"\n", 0, inside.start()),
            "lines that end in one way",
            "a carriage return inside a line",
            "mend that line",
        )
    return content, []


def _recode(content: bytes, encoding: str, place: Place) -> bytes:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise place.refuse(
            content.count(b"\n", 0, error.start),
            f"text in {encoding.upper()}",
            f"the byte {content[error.start]:#04x}",
            "save it as UTF-8, or say which encoding it has, such as encoding: latin-1",
        ) from error
    except LookupError as error:  # a codec that makes bytes of bytes
        raise place.refuse(None, "text", str(error), "say another encoding") from error
    return text.removeprefix("\ufeff").encode()


def _unquote_lines(content: bytes, file: str) -> tuple[bytes, bool]:
    """Take the quotes off where each line is one quoted cell that holds the others."""
    first = next(iter(io.BytesIO(content)), b"").rstrip()
    inner = first[1:-1]
    if not (
        first[:1] == first[-1:] == b'"' and b'"' not in inner and re.search(rb"[\t;,|]", inner)
    ):
        return content, False
    lines = content.splitlines()
    for number, line in enumerate(lines):
        text = line.strip(b" ")
        if text and not (len(text) > 1 and text[:1] == text[-1:] == b'"' and text.count(b'"') == 2):
            raise Place(file, "line").refuse(
                number,
                "a whole line between quotes, as the first one is",
                repr(line[:60].decode(errors="replace")),
                "write all lines in one way",
            )
    return b"\n".join(line.strip(b" ")[1:-1] for line in lines) + b"\n", True


def _first_lines(content: bytes) -> list[str]:
    head = content[: 1 << 18].decode(errors="replace").split("\n", _LOOK)
    lines = [line.removesuffix("\r") for line in head[:_LOOK]]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _after_lines(content: bytes, lines: int) -> bytes:
    start = 0
    for _ in range(lines):
        start = content.find(b"\n", start) + 1
        if start == 0:
            return b""
    return content[start:] if start else content


def _check_width(body: bytes, dialect: Dialect, place: Place) -> tuple[int, int] | None:
    """Count the cells of each line: none may have too many; say how few some have."""
    width, mark = len(dialect.names), dialect.separator
    text = body.rstrip(b"\r\n")
    if not text:
        return None
    lines = text.count(b"\n") + 1
    if text.count(b'"') % 2:
        parts = text.decode().split("\n")
        odd = next(number for number, line in enumerate(parts) if line.count('"') % 2)
        raise place.refuse(
            odd, "quotes in pairs", repr(parts[odd][:60]), "mend or remove that line"
        )
    if b'"' not in text and text.count(mark.encode()) == lines * (width - 1):
        # As many separators as there should be: short and long lines cannot both be there by
        # chance, for Polars refuses the long one.
        return None
    shortest, first = width, -1
    rows = text.decode().split("\n")
    for number, line in enumerate(rows):
        if not line.strip("\r"):
            continue
        cells = len(split_line(line, mark)) if '"' in line else line.count(mark) + 1
        if cells > width:
            raise place.refuse(
                number, f"{width} cells a line", f"{cells} cells", "mend or remove that line"
            )
        if cells < width and number == len(rows) - 1 and not body.endswith(b"\n"):
            raise place.refuse(
                number,
                f"{width} cells a line",
                f"{cells} cells and the end of the file, {line[:60]!r}",
                "the file was cut off: copy it again, or remove that line",
            )
        if cells < width:
            shortest, first = min(shortest, cells), number if first < 0 else first
    return (shortest, first) if shortest < width else None


def _read_cells(body: bytes, dialect: Dialect, place: Place, rows: int | None) -> pl.DataFrame:
    schema = dict.fromkeys(dialect.names, pl.String())
    if not body.strip():
        return pl.DataFrame(schema=schema)
    try:
        return pl.read_csv(
            io.BytesIO(body),
            separator=dialect.separator,
            has_header=False,
            schema=schema,
            n_rows=rows,
        )
    except pl.exceptions.PolarsError as error:
        line, found = _unreadable(body, dialect, str(error))
        raise place.refuse(
            line, f"{len(schema)} cells a line", found, "mend or remove that line"
        ) from error


def _unreadable(body: bytes, dialect: Dialect, otherwise: str) -> tuple[int | None, str]:
    """Find the first line that has more cells than the header, or quotes that do not close."""
    for number, line in enumerate(body.decode().split("\n")):
        try:
            cells = next(csv.reader([line], delimiter=dialect.separator, strict=True), [])
        except csv.Error as error:
            return number, str(error)
        if len(cells) > len(dialect.names):
            return number, f"{len(cells)} cells"
    return None, otherwise
