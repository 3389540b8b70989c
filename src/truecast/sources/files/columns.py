"""Recognise the columns of a file by their usual names."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from truecast.core.bars import PRICES, QUOTES
from truecast.core.names import suggestion
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import PLACE, Place
from truecast.sources.files.table import Table
from truecast.sources.frames import is_missing

#: What a column may be called, in small letters without accents, by what it is to us: in English,
#: and as Investing.com heads its tables in Portuguese, Spanish, German and French.
NAMES: dict[str, tuple[str, ...]] = {
    "stamp": ("date", "datetime", "timestamp", "time", "ts", "gmt_time",
              "data", "fecha", "datum"),
    "symbol": ("symbol", "ticker"),
    "open": ("open", "abertura", "apertura", "eroffn", "ouv"),
    "high": ("high", "maxima", "maximo", "hoch", "plus_haut"),
    "low": ("low", "minima", "minimo", "tief", "plus_bas"),
    "close": ("close", "price", "ultimo", "zuletzt", "dernier"),
    "volume": ("volume", "vol"),
    "ticks": ("tick_volume", "tickvol"),
    **{name: (name,) for name in QUOTES if not name.endswith("size")},
    "bid_size": ("bid_size", "bsize"),
    "ask_size": ("ask_size", "asize"),
}  # fmt: skip
#: What the tables of yfinance have besides.
YAHOO_NAMES = {
    "adj_close": ("adj_close",),
    "dividend": ("dividends",),
    "split": ("stock_splits",),
    "capital_gain": ("capital_gains",),
}
NUMBERS = (*PRICES, "volume", *QUOTES, *YAHOO_NAMES)
# Names of the amount of a trade, beside its price.
_AMOUNTS = ("amount", "size", "quantity", "qty")
# How a second column of the same name is called.
_REPEATED = re.compile(r"_duplicated_\d+$")


@dataclass(frozen=True)
class Named:
    """A file's columns under our names.

    Parameters
    ----------
    rows : pl.DataFrame
        ``PLACE`` and ``stamp``, and of ``time`` (a time of day apart from its date), ``symbol``,
        ``known_at`` and the numbers those that the file has. Other columns are left out; they
        stay in bronze.
    yahoo : bool
        Whether it is a table of yfinance with its actions, whose columns are there too.
    notes : tuple of str
        What is not plain about the columns.
    """

    rows: pl.DataFrame
    yahoo: bool
    notes: tuple[str, ...]


def name_columns(table: Table, options: FilesOptions) -> Named:
    """Select the columns that we read and call them by our names.

    Parameters
    ----------
    table : Table
        A file's table.
    options : FilesOptions
        What was said of it.

    Raises
    ------
    SourceError
        If there is no date or price column, or two columns mean the same and say different
        things.
    """
    columns = table.frame.columns[1:]
    told = {**table.meanings, **options.columns}
    _require_told(told, columns, options, table.place)
    found = _find(columns, told, options)
    yahoo = {"dividend", "split", "close"} <= set(found) and not options.columns
    if not yahoo:
        found = {name: those for name, those in found.items() if name not in YAHOO_NAMES}
    notes = list(_settle_volume(found, table.frame))
    _require(found, columns, table.place)
    frame, one, joined = _join_repeated(table, found)
    notes += joined
    chosen = [pl.col(PLACE), *(pl.col(column).alias(name) for name, column in one.items())]
    if options.known_at is not None:
        chosen.append(pl.col(options.known_at).alias("known_at"))
    if "Adj Close" in columns and not yahoo:
        notes.append("Adj Close is not read")
    return Named(frame.select(chosen), yahoo, tuple(notes))


def _plain(column: str) -> str:
    """Write a name in small letters, without accents, brackets and points."""
    letters = unicodedata.normalize("NFKD", _REPEATED.sub("", column)).casefold()
    bare = "".join(char for char in letters if not unicodedata.combining(char))
    return "_".join(re.sub(r"[<>.\"]", "", bare).replace("-", " ").split())


def _find(
    columns: Sequence[str], told: Mapping[str, str], options: FilesOptions
) -> dict[str, list[str]]:
    """Find the columns of each meaning, in the file's order."""
    known = {name: meaning for meaning, names in NAMES.items() for name in names}
    known |= {name: meaning for meaning, names in YAHOO_NAMES.items() for name in names}
    if options.ticks:
        known |= dict.fromkeys(_AMOUNTS, "volume")
    by_hand = {column: meaning for meaning, column in told.items()}
    found: dict[str, list[str]] = {}
    for column in columns:
        meaning = by_hand.get(column) or known.get(_plain(column))
        # What was said by hand goes before what a name usually means.
        if meaning is None or column == options.known_at:
            continue
        if column in by_hand or meaning not in told:
            found.setdefault(meaning, []).append(column)
    if "stamp" not in found and columns and columns[0].strip() == "":
        found["stamp"] = [columns[0]]
    times = [column for column in found.get("stamp", ()) if _plain(column) == "time"]
    if len(found.get("stamp", ())) == 2 and times and "time" not in found:
        found["stamp"].remove(times[0])
        found["time"] = times
    return found


def _require_told(
    told: Mapping[str, str], columns: Sequence[str], options: FilesOptions, place: Place
) -> None:
    named = {f"columns.{meaning}": column for meaning, column in told.items()}
    if options.known_at is not None:
        named["known_at"] = options.known_at
    for option, column in named.items():
        if column not in columns:
            raise place.refuse(
                None,
                f"the column {column!r} that {option} names",
                _listed(columns),
                suggestion(column, columns),
            )


def _settle_volume(found: dict[str, list[str]], frame: pl.DataFrame) -> list[str]:
    """Read the number of ticks as the volume, unless there is a volume that says something."""
    ticks, volume = found.pop("ticks", []), found.get("volume", [])
    if not ticks:
        return []
    if volume and not _all_zero(frame[volume[0]]):
        return [f"{ticks[0]} is not read beside {volume[0]}"]
    found["volume"] = ticks
    return [f"{ticks[0]} is read as the volume" + (f", {volume[0]} is 0" if volume else "")]


def _all_zero(column: pl.Series) -> bool:
    return bool((column.cast(pl.Float64, strict=False).fill_null(1.0) == 0).all())


def _join_repeated(
    table: Table, found: Mapping[str, Sequence[str]]
) -> tuple[pl.DataFrame, dict[str, str], list[str]]:
    """Make one column of several that mean the same and nowhere say different things."""
    frame, notes = table.frame, []
    for meaning, columns in found.items():
        if len(columns) > 1:
            frame = _join(frame, meaning, columns, table.place)
            notes.append(
                f"the columns {' and '.join(columns)} are read as one: no row has a value of "
                "its own in both"
            )
    _refuse_short(table, found)
    return frame, {meaning: columns[0] for meaning, columns in found.items()}, notes


def _join(frame: pl.DataFrame, meaning: str, columns: Sequence[str], place: Place) -> pl.DataFrame:
    first, *others = columns
    text = [name for name in columns if frame.schema[name] == pl.String]
    there = frame.with_columns(
        pl.when(~is_missing(name)).then(pl.col(name)).alias(name) for name in text
    )
    for other in others:
        clash = there.filter(pl.col(first) != pl.col(other))
        same_name = _plain(first) == _plain(other)
        if len(clash) or not same_name:
            stamp = meaning == "stamp"
            raise place.refuse(
                int(clash[PLACE][0]) if len(clash) and same_name else None,
                f"one column for {'the date and time' if stamp else meaning}",
                f"two, {first!r} and {other!r}",
                f"remove or rename one, or say which: columns: {{{meaning}: {first}}}",
            )
    return frame.with_columns(pl.coalesce(there.select(columns)).alias(first))


def _refuse_short(table: Table, found: Mapping[str, Sequence[str]]) -> None:
    """Refuse lines that lack cells, unless what they lack is not read or there another way."""
    if table.short is None:
        return
    columns = table.frame.columns[1:]
    cells, row = table.short
    for those in found.values():
        if set(those) <= set(columns[cells:]):
            raise table.place.refuse(
                row, f"{len(columns)} cells a line", "fewer", "mend or remove that line"
            )


def _require(found: Mapping[str, Sequence[str]], columns: Sequence[str], place: Place) -> None:
    if "stamp" not in found:
        names = ", ".join(NAMES["stamp"])
        raise place.refuse(
            None,
            f"a column named one of {names}",
            _listed(columns),
            "rename the date column, or say it: columns: {stamp: ...}",
        )
    if "close" not in found and not {"bid_close", "ask_close"} <= set(found):
        raise place.refuse(
            None,
            "a column close or price, or both bid_close and ask_close",
            _listed(columns),
            "rename the column with the closing price, or say it: columns: {close: ...}",
        )


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return ", ".join(repr(column) for column in columns[:20]) + more


def with_mid_prices(rows: pl.DataFrame) -> pl.DataFrame:
    """Where a file has quotes only, take the middle of bid and ask as the price."""
    if "close" in rows.columns:
        return rows
    sides = [name for name in PRICES if {f"bid_{name}", f"ask_{name}"} <= set(rows.columns)]
    return rows.with_columns(
        ((pl.col(f"bid_{name}") + pl.col(f"ask_{name}")) / 2).alias(name) for name in sides
    )
