"""Compare what a file became with the version of it that somebody has put right."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import polars as pl

from truecast.core.bars import PRICES, QUOTES
from truecast.sources.base import Payload
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.parse import parse_file, parse_mended

#: Numbers are the same if they are this close, relatively: more than single precision's rounding.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Difference:
    """How far one column of a file is from its fixed version.

    Parameters
    ----------
    column : str
        Its name. A fixed dividend that holds its capital gain too is the same as the two apart.
    largest : float or None
        The largest relative difference; None where a value is there on one side only.
    rows : int
        How many rows differ.
    first : str
        The first of them: its time, both values.
    """

    column: str
    largest: float | None
    rows: int
    first: str


@dataclass(frozen=True)
class Pair:
    """A file beside its fixed version.

    Parameters
    ----------
    fixed : str
        Name of the fixed version.
    equal : bool
        Whether the file became what the fixed version says.
    differences : tuple of Difference
        Where not.
    """

    fixed: str
    equal: bool
    differences: tuple[Difference, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "fixed": self.fixed,
            "equal": self.equal,
            "differences": [
                {"column": one.column, "largest": one.largest, "rows": one.rows,
                 "first": one.first}
                for one in self.differences
            ],
        }  # fmt: skip


def compare(payload: Payload, fixed: Payload, options: FilesOptions, fixed_name: str) -> Pair:
    """Compare a file's rows, repaired, with those of its fixed version.

    Parameters
    ----------
    payload, fixed : Payload
        The two files.
    options : FilesOptions
        How their rows are meant.
    fixed_name : str
        Name of the fixed version.

    Raises
    ------
    SourceError
        If one of them cannot be understood.
    """
    mine = _rows(payload, options, mend=True)
    expected = _rows(fixed, options, mend=False)
    names = [name for name in mine.columns if name in expected.columns and name != "event_time"]
    both = mine.join(expected, on="event_time", how="full", suffix="|fixed", coalesce=True)
    both = _part_gains(both.sort("event_time"))
    found = tuple(one for name in names if (one := _difference(both, name)) is not None)
    if mine.height != expected.height and not found:
        detail = f"{mine.height} and {expected.height} bars"
        found = (Difference("event_time", None, abs(mine.height - expected.height), detail),)
    return Pair(fixed_name, equal=not found, differences=found)


def _rows(payload: Payload, options: FilesOptions, *, mend: bool) -> pl.DataFrame:
    """Return the bars that have a close, with their actions where the file has them."""
    # What was said of an adjustment concerns how bars are stored, not what the file says.
    rows = parse_mended(payload, options, mend=mend)
    if rows is None:
        rows = parse_file(payload, options, options.publication_delay or timedelta()).bars
        rows = rows.select("event_time", *PRICES, "volume", *QUOTES)
    else:
        rows = rows.select(
            "event_time",
            *PRICES,
            "adj_close",
            "volume",
            *(pl.col(name).fill_null(0.0) for name in ("dividend", "split", "capital_gain")),
        )
    return rows.filter(pl.col("close").is_not_null()).unique(
        "event_time", keep="first", maintain_order=True
    )


def _part_gains(both: pl.DataFrame) -> pl.DataFrame:
    """Where the fixed dividend is what was paid out in all, write the other one so too."""
    if "capital_gain" not in both.columns:
        return both
    paid, fixed = pl.col("dividend") + pl.col("capital_gain"), pl.col("dividend|fixed")
    same = (paid - fixed).abs() <= TOLERANCE * fixed.abs()
    return both.with_columns(dividend=pl.when(same).then(fixed).otherwise("dividend"))


def _difference(both: pl.DataFrame, name: str) -> Difference | None:
    mine, expected = pl.col(name), pl.col(f"{name}|fixed")
    apart = (mine - expected).abs() / pl.max_horizontal(mine.abs(), expected.abs())
    one_side = mine.is_null() != expected.is_null()
    measured = both.select(
        "event_time",
        mine,
        expected,
        # NaN where both are 0 or the same infinity.
        apart=pl.when(mine == expected).then(0.0).otherwise(apart),
        one_side=one_side,
    )
    off = measured.filter((pl.col("apart").fill_null(0.0) > TOLERANCE) | pl.col("one_side"))
    if off.is_empty():
        return None
    when, value, other, *_ = off.row(0)
    largest = off["apart"].max()
    return Difference(
        name,
        float(largest) if isinstance(largest, float) else None,
        len(off),
        f"{when:%Y-%m-%d %H:%M} UTC: {value} instead of {other}",
    )


def as_fixed(payload: Payload, content: bytes, media_type: str, file: str) -> Payload:
    """Return the payload of the fixed version, asked for as the other one was."""
    return replace(payload, content=content, media_type=media_type, request={"file": file})
