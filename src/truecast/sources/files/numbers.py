"""Read numbers as people and programs write them: marks, suffixes, and nothing guessed."""

from collections.abc import Mapping, Sequence

import polars as pl

from truecast.core.bars import PRICES, QUOTES
from truecast.sources.files.columns import NUMBERS
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.place import PLACE, Place
from truecast.sources.files.table import Table
from truecast.sources.frames import is_missing, numbers_from_text

_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9}
# A space of any width or an apostrophe stands between thousands and nowhere else.
_GAPS = r"[ \u00a0\u2009\u202f'’]"
_SCALED = (*PRICES, *(name for name in QUOTES if not name.endswith("size")), "adj_close")
_AMOUNTS = ("volume", "bid_size", "ask_size")


def _patterns(mark: str, other: str) -> str:
    """Return what a number looks like whose decimal mark can only be ``mark``."""
    return (
        rf"^\d{{1,3}}({other}\d{{3}})+{mark}\d+$"  # 1.234,5
        rf"|^\d{{1,3}}({other}\d{{3}}){{2,}}$"  # 1.234.567
        rf"|^\d*{mark}(\d{{0,2}}|\d{{4,}})$"  # 12,5 and 1,2345
        rf"|^(\d{{4,}}|0\d*){mark}\d+$"  # 1234,567 and 0,123
    )


#: What cells say of the decimal mark.
_KINDS = {
    "point": _patterns(r"\.", ","),
    "comma": _patterns(",", r"\."),
    "doubtful point": r"^[1-9]\d{0,2}\.\d{3}$",
    "doubtful comma": r"^[1-9]\d{0,2},\d{3}$",
}


def read_numbers(
    rows: pl.DataFrame, table: Table, options: FilesOptions
) -> tuple[pl.DataFrame, list[str]]:
    """Read the number columns.

    Parameters
    ----------
    rows : pl.DataFrame
        Named columns, with ``PLACE``.
    table : Table
        The whole file: cells that are not read may tell the decimal mark too.
    options : FilesOptions
        What was said of it.

    Returns
    -------
    pl.DataFrame
        The same with Float64 in the number columns; what is missing is null. Prices are scaled.
    list of str
        How they were read, where that is not plain.

    Raises
    ------
    SourceError
        If a cell is neither a number nor one of the spellings of nothing, or could be two numbers.
    """
    place = table.place
    names = [name for name in NUMBERS if name in rows.columns]
    text = [name for name in names if rows.schema[name] == pl.String]
    for name in names:
        kind = rows.schema[name]
        if not (kind.is_numeric() or kind in {pl.String, pl.Null}):
            raise place.refuse(
                None, f"numbers in {name}", f"a column of {kind}", "save it as numbers"
            )
    mark, notes = _decimal_mark(rows, text, table, options)
    read = numbers_from_text(rows, text) if text and mark == "." else _blank(rows, text)
    for name in text:
        odd = read[name].is_null() & ~rows.select(_is_nothing(name)).to_series()
        # A comma among thousands is never read as a point: such cells fail the plain reading.
        if odd.any():
            exact, said = _read_marked(rows.filter(odd), name, mark, place)
            column = (
                read[name]
                .to_frame()
                .with_row_index("#")
                .join(exact.with_columns(odd.arg_true().alias("#")), on="#", how="left")
            )
            read = read.with_columns(
                column.select(pl.coalesce(name, "exact")).to_series().alias(name)
            )
            notes += said
    read = read.with_columns(pl.col(names).cast(pl.Float64))
    return _scaled(read, options.scale, notes), notes


def _blank(rows: pl.DataFrame, text: Sequence[str]) -> pl.DataFrame:
    return rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in text)


def _is_nothing(name: str) -> pl.Expr:
    dash = pl.col(name).str.strip_chars() == "-" if name in _AMOUNTS else pl.lit(value=False)
    return is_missing(name) | dash.fill_null(value=False)


def _decimal_mark(
    rows: pl.DataFrame, text: Sequence[str], table: Table, options: FilesOptions
) -> tuple[str, list[str]]:
    """Find out the decimal mark from all cells that look like numbers."""
    if options.decimal is not None:
        said = [] if options.decimal == "." else ["numbers have a decimal comma, as was said"]
        return options.decimal, said
    cells = {name: rows[name] for name in text}
    if table.point and not _have(cells, ","):
        return ".", _doubtful_points(cells, table, rows)
    frame = table.frame
    cells |= {name: frame[name] for name in frame.columns if frame.schema[name] == pl.String}
    seen = {kind: _first(cells, pattern, table, rows) for kind, pattern in _KINDS.items()}
    if seen["point"] and seen["comma"]:
        raise table.place.refuse(
            None,
            "one decimal mark",
            f"a point in {seen['point']} and a comma in {seen['comma']}",
            "write all numbers in one way, or say it: decimal: . or decimal: ,",
        )
    if seen["comma"]:
        return ",", [f"numbers have a decimal comma: {seen['comma']}"]
    doubt = seen["doubtful comma"] or (None if table.point else seen["doubtful point"])
    if doubt and not seen["point"]:
        raise table.place.refuse(
            None,
            "numbers that can be read in one way",
            f"{doubt}, whose mark may be for decimals or for thousands, as in all others",
            "say which mark is for decimals: decimal: . or decimal: ,",
        )
    return ".", _doubtful_points(cells, table, rows)


def _have(cells: Mapping[str, pl.Series], mark: str) -> bool:
    return any(column.str.contains(mark, literal=True).any() for column in cells.values())


def _doubtful_points(cells: Mapping[str, pl.Series], table: Table, rows: pl.DataFrame) -> list[str]:
    """Say so where points are for decimals by convention alone."""
    heads = {name: column.head(1000) for name, column in cells.items()}
    if not _have(cells, ".") or any(
        _first(some, _KINDS["point"], table, rows) for some in (heads, cells)
    ):
        return []
    doubt = _first(cells, _KINDS["doubtful point"], table, rows)
    if doubt is None:
        return []
    return [f"points are read as decimal marks, as programs write them: {doubt}; if they stand "
            "between thousands, say decimal: ,"]  # fmt: skip


def _first(
    cells: Mapping[str, pl.Series], pattern: str, table: Table, rows: pl.DataFrame
) -> str | None:
    """Find the first cell of a kind, and say where it is."""
    for column in cells.values():
        bare = (
            column.str.strip_chars()
            .str.replace(r"^[+-]", "")
            .str.replace(r"\s*[KMBkmb%]$", "")
            .str.replace_all(_GAPS, "")
        )
        hits = bare.str.contains(pattern).arg_true()
        if len(hits):
            place = rows[PLACE] if len(column) <= len(rows) else table.frame[PLACE]
            return f"{column[int(hits[0])]!r} ({table.place.of(int(place[int(hits[0])]))})"
    return None


def _read_marked(
    rows: pl.DataFrame, name: str, mark: str, place: Place
) -> tuple[pl.DataFrame, list[str]]:
    """Read numbers with marks between thousands, a decimal comma, or a suffix."""
    point, other = (r"\.", ",") if mark == "." else (",", r"\.")
    suffix = r"(?<suffix>[KMBkmb])?" if name in _AMOUNTS else "(?<suffix>[^\\s\\S])?"
    shape = (
        rf"^(?<sign>[+-]?)(?<whole>\d*|\d{{1,3}}(?:(?:{other}|{_GAPS})\d{{3}})+)"
        rf"(?:{point}(?<part>\d*))?(?<power>[eE][+-]?\d+)?\s*{suffix}$"
    )
    parts = rows[name].str.strip_chars().str.extract_groups(shape).struct.unnest()
    digits = parts["whole"].str.replace_all(r"\D", "")
    text = parts["sign"] + digits + "." + parts["part"].fill_null("0") + "0"
    value = (text + parts["power"].fill_null("")).cast(pl.Float64, strict=False)
    nothing = (digits + parts["part"].fill_null("")).str.len_bytes() == 0
    absent = rows[name].str.strip_chars().str.to_lowercase() == "nan"
    value = value.set(absent, float("nan"))
    unread = (value.is_null() | nothing.fill_null(value=True)) & ~absent
    if unread.any():
        first = int(unread.arg_true()[0])
        raise place.refuse(
            int(rows[PLACE][first]),
            f"a number such as 1234.5 for {name}, or nothing",
            repr(rows[name][first]),
            "write it so, or remove the row; if a comma is meant for decimals, say so: decimal: ,",
        )
    factor = parts["suffix"].str.to_uppercase().replace_strict(_SUFFIXES, default=1.0)
    said = []
    marked = parts["whole"].str.contains(r"\D").arg_true()
    if len(marked):
        first = int(marked[0])
        where = place.of(int(rows[PLACE][first]))
        said.append(f"{name} has marks between thousands: {where} has {rows[name][first]}")
    suffixed = parts["suffix"].is_not_null().arg_true()
    if len(suffixed):
        first = int(suffixed[0])
        where = place.of(int(rows[PLACE][first]))
        said.append(f"{name} has K, M or B for powers of ten: {where} has {rows[name][first]}")
    return pl.DataFrame({"exact": value * factor}), said


def _scaled(rows: pl.DataFrame, scale: float | None, notes: list[str]) -> pl.DataFrame:
    """Multiply prices as was said; note where they look as if that was forgotten."""
    prices = [name for name in _SCALED if name in rows.columns]
    if scale is None:
        return rows
    notes.append(f"prices are multiplied by {scale:g}, as was said")
    inverse = round(1 / scale)
    # 130584 / 1e5 is the float nearest to 1.30584; 130584 * 1e-5 is not.
    if inverse > 1 and abs(inverse * scale - 1) < 1e-12:
        # Polars would multiply by the inverse instead.
        return rows.with_columns(
            pl.Series(name, rows[name].to_numpy() / inverse, nan_to_null=False).set(
                rows[name].is_null(), None
            )
            for name in prices
        )
    return rows.with_columns(pl.col(prices) * scale)
