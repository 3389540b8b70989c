"""Find the file of a symbol and get its bytes."""

import io
from pathlib import Path

import polars as pl

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.sources.base import SourceError
from truecast.sources.files.inflate import gunzip_head
from truecast.sources.files.options import FilesOptions
from truecast.sources.files.table import GZIPPED, NDJSON, PARQUET, TEXT

_TEXTS = {".csv": TEXT, ".tsv": TEXT, ".txt": TEXT, ".ndjson": NDJSON, ".jsonl": NDJSON}
#: How a file's name ends, and what it then holds.
SUFFIXES = {
    **_TEXTS,
    **{f"{suffix}.gz": kind + GZIPPED for suffix, kind in _TEXTS.items()},
    ".parquet": PARQUET,
}
# In a folder, a text without a stated form is somebody's notes until a recipe names it.
_LISTED = tuple(suffix for suffix in SUFFIXES if not suffix.startswith(".txt"))
# Bytes in which the form of a file shows, packed and unpacked.
_HEAD = 1 << 18


def suffix_of(path: Path) -> str:
    """Return the ending that says how to read a file.

    Raises
    ------
    UsageError
        If it is not one that can be read.
    """
    name = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    raise UsageError(
        f"{path}: expected a file whose name ends in {', '.join(SUFFIXES)}; "
        "save it in one of these forms"
    )


def stem_of(path: Path) -> str:
    """Return a file's name without the ending; of a folder, its name."""
    return path.name if path.is_dir() else path.name[: -len(suffix_of(path))]


def list_files(options: FilesOptions) -> dict[str, Path]:
    """Return the files that can be read: stem, or symbol where the options map it, to path."""
    path = options.path.expanduser()
    if options.instruments:
        folder = path if path.is_dir() else path.parent
        return {symbol: folder / name for symbol, name in sorted(options.instruments.items())}
    if not path.is_dir():
        return {stem_of(path): path}
    found: dict[str, Path] = {}
    for entry in sorted(path.iterdir()):
        if entry.is_file() and entry.name.lower().endswith(_LISTED):
            other = found.setdefault(stem_of(entry), entry)
            if other != entry:
                raise UsageError(
                    f"{path}: {other.name} and {entry.name} are both files of {stem_of(entry)}; "
                    "say which in source.files.instruments"
                )
    return found


def find_file(options: FilesOptions, symbol: str) -> Path:
    """Find the file that serves a symbol.

    Raises
    ------
    UnknownNameError
        If none does; the message gives the nearest name.
    UsageError
        If several do.
    """
    files = list_files(options)
    if options.instruments:
        if symbol not in files:
            raise UnknownNameError("instrument", symbol, files, "source.files.instruments")
        return files[symbol]
    if not options.path.expanduser().is_dir():
        return next(iter(files.values()))
    if symbol in files:
        return files[symbol]
    alike = [stem for stem in files if _letters(stem) == _letters(symbol)]
    if not alike:
        raise UnknownNameError("instrument", symbol, files, f"the folder {options.path}")
    if len(alike) > 1:
        names = ", ".join(files[stem].name for stem in alike)
        raise UsageError(
            f"{options.path}: {symbol} could be any of {names}; "
            "say which in source.files.instruments"
        )
    return files[alike[0]]


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def read_head(path: Path, media_type: str) -> tuple[bytes, str] | None:
    """Read enough of a file for its form to show, unpacked.

    Returns
    -------
    tuple of bytes and str, or None
        The first whole lines (of a Parquet file, a Parquet file of its first rows), and what they
        are; None where only the whole file will do.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    try:
        if media_type == PARQUET:
            return _parquet_head(path)
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if media_type.endswith(GZIPPED):
        head, media_type = gunzip_head(head, _HEAD), media_type.removesuffix(GZIPPED)
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1]
    return (head, media_type) if head else None


def _parquet_head(path: Path) -> tuple[bytes, str] | None:
    try:
        rows = pl.read_parquet(path, n_rows=50)
    except pl.exceptions.PolarsError:
        return None
    written = io.BytesIO()
    rows.write_parquet(written)
    return written.getvalue(), PARQUET


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
