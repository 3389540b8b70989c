"""Recognise the columns of a file by their usual names."""

import re

import polars as pl

from truecast.core.bars import PRICES, QUOTES
from truecast.core.names import suggestion
from truecast.sources.files.table import PLACE, Place

#: What a column may be called, lower case, by what it is to us.
NAMES: dict[str, tuple[str, ...]] = {
    "stamp": ("date", "datetime", "timestamp", "time", "ts"),
    "symbol": ("symbol", "ticker"),
    **{name: (name,) for name in ("open", "high", "low")},
    "close": ("close", "price"),
    "volume": ("volume",),
    **{name: (name,) for name in QUOTES if not name.endswith("size")},
    "bid_size": ("bid_size", "bsize"),
    "ask_size": ("ask_size", "asize"),
}
# How Polars calls a second column of the same name.
_REPEATED = re.compile(r"_duplicated_\d+$")
NUMBERS = (*PRICES, "volume", *QUOTES)


def name_columns(table: pl.DataFrame, place: Place, known_at: str | None) -> pl.DataFrame:
    """Select the columns that we read and call them by our names.

    Parameters
    ----------
    table : pl.DataFrame
        A file's table.
    place : Place
        For messages.
    known_at : str or None
        The column that says when a row became known.

    Returns
    -------
    pl.DataFrame
        ``PLACE`` and ``stamp``, and of ``symbol``, ``known_at`` and the numbers those that the
        file has. Other columns are left out; they stay in bronze.

    Raises
    ------
    SourceError
        If there is no date or price column, or two columns mean the same.
    """
    taken: dict[str, str] = {}
    for column in table.columns:
        words = column.lower().replace("-", " ").split()
        plain = _REPEATED.sub("", "_".join(words))
        meaning = next((mine for mine, names in NAMES.items() if plain in names), None)
        if meaning is None or column == known_at:
            continue
        if meaning in taken:
            stamp = meaning == "stamp"
            raise place.refuse(
                None,
                f"one column for {'the date and time' if stamp else meaning}",
                f"two, {taken[meaning]!r} and {column!r}",
                "join them into one" if stamp else "remove or rename one",
            )
        taken[meaning] = column
    _require(table, taken, place, known_at)
    chosen = [pl.col(PLACE), *(pl.col(column).alias(meaning) for meaning, column in taken.items())]
    if known_at is not None:
        chosen.append(pl.col(known_at).alias("known_at"))
    return table.select(chosen)


def _require(
    table: pl.DataFrame, taken: dict[str, str], place: Place, known_at: str | None
) -> None:
    has = ", ".join(repr(column) for column in table.columns[1:21])
    if "stamp" not in taken:
        names = ", ".join(NAMES["stamp"])
        raise place.refuse(None, f"a column named one of {names}", has, "rename the date column")
    if "close" not in taken and not {"bid_close", "ask_close"} <= set(taken):
        raise place.refuse(
            None,
            "a column close or price, or both bid_close and ask_close",
            has,
            "rename the column with the closing price",
        )
    if known_at is not None and known_at not in table.columns:
        raise place.refuse(
            None,
            f"the column {known_at!r} that known_at names",
            has,
            suggestion(known_at, table.columns[1:]),
        )


def with_mid_prices(rows: pl.DataFrame) -> pl.DataFrame:
    """Where a file has quotes only, take the middle of bid and ask as the price."""
    if "close" in rows.columns:
        return rows
    sides = [name for name in PRICES if {f"bid_{name}", f"ask_{name}"} <= set(rows.columns)]
    return rows.with_columns(
        ((pl.col(f"bid_{name}") + pl.col(f"ask_{name}")) / 2).alias(name) for name in sides
    )
