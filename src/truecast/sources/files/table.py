"""Read a file's bytes into a table, or say plainly why they are not one."""

import csv
import io
import zlib
from dataclasses import dataclass
from typing import Literal

import polars as pl

from truecast.sources.base import SourceError

#: Column with a row's place in the file, from 0; not a name that a file would use.
PLACE = "#place"

_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Place:
    """Where in a file something is, for messages.

    Parameters
    ----------
    file : str
        Name of the file.
    unit : {"line", "row"}
        What its rows are counted in: lines in a CSV file, whose header is line 1.
    """

    file: str
    unit: Literal["line", "row"]

    def refuse(self, row: int | None, expected: str, found: str, advice: str) -> SourceError:
        """Build the error for a file that cannot be understood.

        Parameters
        ----------
        row : int or None
            Place of the row in the table, from 0; -1 for the header.
        expected, found, advice : str
            What should be there, what is, and what to do.
        """
        first = 2 if self.unit == "line" else 1
        where = self.file if row is None else f"{self.file}, {self.unit} {row + first}"
        return SourceError(f"{where}: expected {expected}; found {found}; {advice}")


def read_table(
    content: bytes, media_type: str, file: str, rows: int | None = None
) -> tuple[pl.DataFrame, Place]:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    content : bytes
        The file.
    media_type : str
        ``text/csv``, ``application/gzip`` (a gzipped CSV) or ``application/vnd.apache.parquet``.
    file : str
        Its name, for messages.
    rows : int or None
        Read only the first so many.

    Returns
    -------
    pl.DataFrame
        The columns as named in the file; those of a CSV are all text. Before them ``PLACE``, the
        row's place in the file, from 0: blank lines of a CSV are left out.
    Place
        For messages about its rows.

    Raises
    ------
    SourceError
        If the bytes are not what the file's name promises.
    """
    if media_type == "application/vnd.apache.parquet":
        table = _read_parquet(content, file, rows)
        return table.with_row_index(PLACE), Place(file, "row")
    if media_type == "application/gzip":
        content = _gunzip(content, file)
    table = _read_csv(content, file, rows)
    blank = table.select(pl.all_horizontal(pl.all().is_null())).to_series()
    return table.with_row_index(PLACE).filter(~blank), Place(file, "line")


def _read_parquet(content: bytes, file: str, rows: int | None) -> pl.DataFrame:
    if content[:4] != _PARQUET:
        raise Place(file, "row").refuse(
            None,
            "Parquet, as the name says",
            f"a file that begins {_beginning(content)!r}",
            "give it the ending of what it is (.csv?) or save it as Parquet",
        )
    try:
        return pl.read_parquet(io.BytesIO(content), n_rows=rows)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Place(file, "row").refuse(
            None, "a whole Parquet file", f"a damaged one ({error})", "copy it again"
        ) from error


def _gunzip(content: bytes, file: str) -> bytes:
    try:
        return zlib.decompress(content, wbits=31)
    except zlib.error as error:
        raise Place(file, "line").refuse(
            None, "a whole gzip file", f"a damaged or other one ({error})", "copy it again"
        ) from error


def _read_csv(content: bytes, file: str, rows: int | None) -> pl.DataFrame:
    place = Place(file, "line")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise place.refuse(
            content.count(b"\n", 0, error.start) - 1,
            "text in UTF-8",
            f"the byte {content[error.start]:#04x}",
            "save it as UTF-8 text with commas, or as Parquet",
        ) from error
    header = text.partition("\n")[0]
    if "," not in header or any(_is_number(cell) for cell in header.split(",")):
        raise place.refuse(
            -1,
            "a header of names separated by commas, such as date,open,high,low,close,volume",
            repr(header[:80]),
            "write such a header line, or save the file with commas",
        )
    try:
        return pl.read_csv(io.StringIO(text), infer_schema=False, n_rows=rows)
    except pl.exceptions.PolarsError as error:
        line, cells = _ragged_line(text)
        names = len(next(csv.reader([header])))
        found = f"{cells} cells" if line is not None else str(error)
        raise place.refuse(
            line, f"{names} cells a line", found, "mend or remove that line"
        ) from error


def _ragged_line(text: str) -> tuple[int | None, int]:
    """Find the first row (from 0) that has more cells than the header."""
    reader = csv.reader(io.StringIO(text))
    names = len(next(reader))
    for cells in reader:
        if len(cells) > names:
            return reader.line_num - 2, len(cells)
    return None, 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _beginning(content: bytes) -> str:
    return content[:40].decode("utf-8", errors="replace").partition("\n")[0]
