"""Read a file's bytes into a table, or say plainly why they are not one."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from truecast.sources.files.inflate import gunzip
from truecast.sources.files.jsonlines import read_json_lines
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import Place
from truecast.sources.files.text import read_text

PARQUET, NDJSON, TEXT = "application/vnd.apache.parquet", "application/x-ndjson", "text/csv"
#: What gzip is put behind: what is packed, then this.
GZIPPED = "+gzip"

_PARQUET_MARK = b"PAR1"


@dataclass(frozen=True)
class Table:
    """A file as a table, and how it was read.

    Parameters
    ----------
    frame : pl.DataFrame
        The columns as named in the file, those of a text file all text. Before them ``PLACE``,
        the row's place in the file, from 0.
    place : Place
        For messages about its rows.
    meanings : mapping of str to str
        What a column is, where the file has no header: meaning to column.
    point : bool
        Whether a point in a number is for decimals unless other numbers say otherwise: a comma
        parts the cells, or only programs write so.
    short : tuple of two int, or None
        Cells of the shortest line and the row of the first short one, where some lines have fewer
        than the header.
    notes : tuple of str
        What is not plain about the file.
    """

    frame: pl.DataFrame
    place: Place
    meanings: Mapping[str, str] = field(default_factory=dict)
    point: bool = True
    short: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


def read_table(
    content: bytes, media_type: str, file: str, options: FilesOptions, rows: int | None = None
) -> Table:
    """Read a file of any form.

    Parameters
    ----------
    content : bytes
        The file, or of a text file its first whole lines.
    media_type : str
        ``TEXT``, ``NDJSON`` or ``PARQUET``; the first two may be ``GZIPPED``.
    file : str
        Its name, for messages.
    options : FilesOptions
        What was said of it.
    rows : int or None
        Read only the first so many.

    Raises
    ------
    SourceError
        If the bytes are not what the file's name promises, or leave a doubt.
    """
    if media_type == PARQUET:
        place = Place(file, "row")
        return Table(place.put_in(_read_parquet(content, file, rows)), place)
    if media_type.endswith(GZIPPED):
        content, media_type = gunzip(content, file), media_type.removesuffix(GZIPPED)
    _refuse_parquet(content, file)
    if media_type == NDJSON:
        return Table(*read_json_lines(content, file, rows))
    text = read_text(content, file, options, rows)
    point = text.dialect.machine or (text.dialect.separator == "," and not text.quoted)
    return Table(text.frame, text.place, text.dialect.meanings, point, text.short, text.notes)


def _refuse_parquet(content: bytes, file: str) -> None:
    if content.startswith(_PARQUET_MARK):
        raise Place(file, "line").refuse(
            None, "text, as the name says", "Parquet", "give it the ending .parquet"
        )


def _read_parquet(content: bytes, file: str, rows: int | None) -> pl.DataFrame:
    if content[:4] != _PARQUET_MARK:
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


def _beginning(content: bytes) -> str:
    return content[:40].decode("utf-8", errors="replace").partition("\n")[0]
