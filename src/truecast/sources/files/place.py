"""Where in a file something is, and how to say so."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from truecast.sources.base import SourceError

#: Column with a row's place in the file, from 0; not a name that a file would use.
PLACE = "#place"


@dataclass(frozen=True)
class Place:
    """Where in a file something is, for messages.

    Parameters
    ----------
    file : str
        Name of the file.
    unit : {"line", "row"}
        What its rows are counted in: lines in a text file, its header's included.
    first : int
        The number of the first row: 2 in a text file with one header line.
    """

    file: str
    unit: Literal["line", "row"]
    first: int = 1

    def of(self, row: int) -> str:
        """Say where a row is, from 0, such as ``line 14``."""
        return f"{self.unit} {row + self.first}"

    def put_in(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the column ``PLACE`` before a file's own.

        Raises
        ------
        SourceError
            If it has one of that name.
        """
        if PLACE in frame.columns:
            raise self.refuse(None, f"no column named {PLACE}", "one", "rename it")
        return frame.with_row_index(PLACE)

    def refuse(self, row: int | None, expected: str, found: str, advice: str) -> SourceError:
        """Build the error for a file that cannot be understood.

        Parameters
        ----------
        row : int or None
            Place of the row in the table, from 0; negative for a header line.
        expected, found, advice : str
            What should be there, what is, and what to do.
        """
        where = self.file if row is None else f"{self.file}, {self.of(row)}"
        return SourceError(f"{where}: expected {expected}; found {found}; {advice}")
