"""Where the lake lies: a local folder, or a prefix in an S3 bucket."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from truecast.core.errors import UsageError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

Schema = Mapping[str, pl.DataType]

# Files of other versions may have more columns or fewer; partition values are in Delta's log.
_SCAN: dict[str, Any] = {
    "missing_columns": "insert",
    "extra_columns": "ignore",
    "hive_partitioning": False,
}
_ATTEMPTS = 4
_SECONDS = 20


@dataclass(frozen=True)
class Stored:
    """A file: its name below the storage's root, size in bytes, and when it was written."""

    name: str
    size: int
    modified: datetime


class Storage(Protocol):
    """Files under one root; a file is there whole, or not at all."""

    @property
    def url(self) -> str:
        """The root."""
        ...

    @property
    def options(self) -> dict[str, str] | None:
        """What Delta's library must be told to reach it."""
        ...

    def below(self, name: str) -> "Storage":
        """Return a folder below the root."""
        ...

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; None if there is no such file."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file: readers see the old content or the new one."""
        ...

    def write_parquet(self, name: str, frame: pl.DataFrame) -> None:
        """Write a frame as a Parquet file that nobody refers to yet."""
        ...

    def scan_parquet(self, names: Sequence[str], schema: Schema) -> pl.LazyFrame:
        """Read Parquet files, one behind the other; columns that a file lacks are null."""
        ...

    def files(self) -> Iterator[Stored]:
        """List all files, at any depth."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens if it is gone already."""
        ...


def open_storage(url: str) -> Storage:
    """Return the storage that a folder or URL names.

    Raises
    ------
    UsageError
        If it is neither a local folder nor ``s3://bucket/prefix``.
    """
    if url.startswith("s3://"):
        if not re.fullmatch(r"s3://[A-Za-z0-9._-]+(/[A-Za-z0-9._=~/-]*)?", url):
            raise UsageError(
                f"TRUECAST_LAKE={url}: expected s3://bucket/prefix of letters, digits and . _ - ~ ="
            )
        return S3Storage(url.rstrip("/"))
    if "://" in url:
        raise UsageError(f"TRUECAST_LAKE={url}: expected a local folder or s3://bucket/prefix")
    if "%" in str(Path(url).absolute()):
        # Delta would read what follows as an escaped character, and look elsewhere.
        raise UsageError(
            f"the lake {Path(url).absolute()} has a % in its path, which Delta tables cannot "
            "have: set TRUECAST_HOME or TRUECAST_LAKE to another folder"
        )
    return LocalStorage(url)


@dataclass(frozen=True)
class LocalStorage:
    """A folder.

    Parameters
    ----------
    url : str
        Its path; made when first written to.
    """

    url: str

    @property
    def options(self) -> dict[str, str] | None:
        """Nothing."""
        return None

    def below(self, name: str) -> Storage:
        """Return a folder below it."""
        return LocalStorage(f"{self.url}/{name}")

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; None if there is no such file."""
        try:
            return (Path(self.url) / name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        return (Path(self.url) / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write beside the place, make sure that it is on the disk, then rename."""
        path = Path(self.url) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def write_parquet(self, name: str, frame: pl.DataFrame) -> None:
        """Write it and make sure that it is on the disk before a commit refers to it."""
        path = Path(self.url) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            frame.write_parquet(path, compression="lz4")
            _sync(path)
            _sync(path.parent)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def scan_parquet(self, names: Sequence[str], schema: Schema) -> pl.LazyFrame:
        """Read Parquet files."""
        return pl.scan_parquet([Path(self.url) / name for name in names], schema=schema, **_SCAN)

    def files(self) -> Iterator[Stored]:
        """List all files below the folder."""
        root = Path(self.url)
        for path in root.rglob("*"):
            try:
                known = path.stat()
            except FileNotFoundError:  # another process was done with it
                continue
            if path.is_file():
                modified = datetime.fromtimestamp(known.st_mtime, UTC)
                yield Stored(path.relative_to(root).as_posix(), known.st_size, modified)

    def delete(self, name: str) -> None:
        """Remove a file."""
        (Path(self.url) / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class S3Storage:
    """A prefix in an S3 bucket, reached as the usual ``AWS_*`` variables say.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``.
    """

    url: str

    @property
    def options(self) -> dict[str, str] | None:
        """How often and how long to try: an outage must show within a minute."""
        return {
            "max_retries": str(_ATTEMPTS),
            "retry_timeout": f"{_SECONDS}s",
            "connect_timeout": "5s",
        }

    @property
    def _polars(self) -> dict[str, Any]:
        """The same for Polars; keys come from the environment, as for Delta."""
        told = {"max_retries": _ATTEMPTS, "retry_timeout_ms": _SECONDS * 1000}
        return {"storage_options": told, "credential_provider": None}

    @cached_property
    def _system(self) -> "S3FileSystem":
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        scheme, _, host = (endpoint or "").rpartition("://")
        return S3FileSystem(
            endpoint_override=host or None,
            scheme=scheme or "https",
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            connect_timeout=5,
            request_timeout=_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        )

    def below(self, name: str) -> Storage:
        """Return a prefix below it."""
        return S3Storage(f"{self.url}/{name}")

    def _key(self, name: str) -> str:
        return f"{self.url}/{name}".removeprefix("s3://")

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes; None if there is no such object."""
        found = self._system.get_file_info(self._key(name))
        return found.size if found.is_file else None

    def read(self, name: str) -> bytes:
        """Return an object's content."""
        with self._system.open_input_stream(self._key(name)) as file:
            content: bytes = file.read()
            return content

    def write(self, name: str, content: bytes) -> None:
        """Put an object: S3 shows it when all of it has come."""
        with self._system.open_output_stream(self._key(name)) as file:
            file.write(content)

    def write_parquet(self, name: str, frame: pl.DataFrame) -> None:
        """Put a Parquet file."""
        frame.write_parquet(f"{self.url}/{name}", compression="lz4", **self._polars)

    def scan_parquet(self, names: Sequence[str], schema: Schema) -> pl.LazyFrame:
        """Read Parquet files."""
        paths = [f"{self.url}/{name}" for name in names]
        return pl.scan_parquet(paths, schema=schema, **_SCAN, **self._polars)

    def files(self) -> Iterator[Stored]:
        """List all objects below the prefix."""
        from pyarrow.fs import FileSelector

        root = self._key("")
        chosen = FileSelector(root.rstrip("/"), allow_not_found=True, recursive=True)
        for found in self._system.get_file_info(chosen):
            if found.is_file:
                modified = found.mtime.astimezone(UTC)
                yield Stored(found.path.removeprefix(root), found.size, modified)

    def delete(self, name: str) -> None:
        """Remove an object."""
        if self.size(name) is not None:
            self._system.delete_file(self._key(name))


def _sync(path: Path) -> None:
    """Make a file or a folder's entries survive a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
