"""Find files of news."""

from pathlib import Path

from truecast.core.errors import UsageError

#: What a file is, by the end of its name; each but Parquet may have ``.gz`` after it.
KINDS = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}


def kind_of(path: Path) -> str | None:
    """Return what a file is by its name; None if it is none of :data:`KINDS`."""
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    kind = next((kind for end, kind in KINDS.items() if plain.endswith(end)), None)
    return None if kind == KINDS[".parquet"] and plain != name else kind


def list_files(path: Path) -> list[Path]:
    """Return the file, or the files of a folder that can be read, by name.

    Raises
    ------
    UsageError
        If there is none.
    """
    place = path.expanduser()
    if not place.exists():
        raise UsageError(f"news.files: path {path} does not exist: give a file or a folder")
    files = (
        sorted(entry for entry in place.iterdir() if entry.is_file()) if place.is_dir() else [place]
    )
    found = [file for file in files if kind_of(file) is not None]
    if not found:
        raise UsageError(
            f"news.files: {path} is no file of news, and holds none: expected a name that ends in "
            f"{', '.join(KINDS)}, or such an ending and .gz"
        )
    return found
