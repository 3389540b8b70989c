"""Find the files to inspect: on disk, in folders, in archives that are never unpacked to disk."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, RawIOBase
from pathlib import Path, PurePosixPath
from typing import IO

from truecast.core.errors import UsageError
from truecast.sources.base import SourceError
from truecast.sources.files.client import SUFFIXES, read_bytes, suffix_of

#: An archive's bytes at most when unpacked, and its members at most.
LARGEST_BYTES = 1 << 30
MOST_MEMBERS = 10_000

_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
_FIXED = "-fixed"


@dataclass(frozen=True)
class Input:
    """A file to inspect.

    Parameters
    ----------
    name : str
        Path of the file; of a member, that of the archive, ``/`` and its own.
    path : Path or None
        Where its bytes are; None where they are in ``content``.
    content : bytes
        The bytes of a member.
    error : str
        Why it cannot be read; empty otherwise.
    fixed : Input or None
        The file beside it that holds what it should be.
    """

    name: str
    path: Path | None = None
    content: bytes = b""
    error: str = ""
    fixed: "Input | None" = None

    def read(self) -> tuple[bytes, str]:
        """Return the bytes and their media type.

        Raises
        ------
        SourceError
            If it cannot be read.
        UsageError
            If its name does not say how.
        """
        if self.error:
            raise SourceError(self.error)
        kind = SUFFIXES[suffix_of(Path(self.name))]
        return (self.content if self.path is None else read_bytes(self.path)), kind


def find_inputs(
    paths: Iterable[Path], *, largest: int = LARGEST_BYTES, most: int = MOST_MEMBERS
) -> list[Input]:
    """List the files of paths, archives and folders looked into, ``X-fixed`` put beside ``X``.

    Parameters
    ----------
    paths : iterable of Path
        Files, folders (walked; hidden files are left out) and archives (zip, tar, tar.gz).
    largest, most : int
        Bytes and members of one archive at which it is refused.

    Raises
    ------
    UsageError
        If a path does not exist.
    """
    found: list[Input] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist: give files, folders or archives")
        for file in _walk(path):
            if file.name.lower().endswith(_ARCHIVES):
                found += _members(file, largest, most)
            else:
                found.append(Input(str(file), path=file))
    return _paired(found)


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for entry in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in entry.relative_to(path).parts)
        if entry.is_file() and not hidden:
            yield entry


def _paired(inputs: Sequence[Input]) -> list[Input]:
    """Take the fixed versions out of the list, each to the file that it is of."""
    names = {one.name: one for one in inputs}
    fixed = {}
    for name in names:
        suffix = next((end for end in sorted(SUFFIXES, key=len, reverse=True)
                       if name.lower().endswith(end)), "")  # fmt: skip
        other = f"{name.removesuffix(suffix)}{_FIXED}{suffix}"
        if suffix and other in names:
            fixed[name] = names[other]
    taken = {one.name for one in fixed.values()}
    return [
        Input(one.name, one.path, one.content, one.error, fixed.get(one.name))
        for one in inputs
        if one.name not in taken
    ]


def _members(path: Path, largest: int, most: int) -> list[Input]:
    """Read an archive into memory; what is wrong with it becomes the error of an input."""
    found: list[Input] = []
    read = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    try:
        for one in read(path, largest):
            found.append(one)
            if len(found) > most:
                raise SourceError(f"{path}: expected at most {most:,} files in an archive; "
                                  "found more; split it")  # fmt: skip
    except SourceError as error:
        found.append(Input(str(path), error=str(error)))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError,
            RuntimeError, NotImplementedError) as error:  # fmt: skip
        found.append(
            Input(
                str(path),
                error=f"{path}: expected a whole archive; found a damaged or locked "
                f"one ({error}); copy it again, or unpack it yourself",
            )
        )
    return found


def _zip_members(path: Path, largest: int) -> Iterator[Input]:
    with zipfile.ZipFile(path) as archive:
        left = largest
        for member in archive.infolist():
            if member.is_dir():
                continue
            # The size that it claims is not believed: what comes out is counted too.
            _refuse_size(path, member.file_size, left, largest)
            with archive.open(member) as stream:
                content = stream.read(left + 1)
            _refuse_size(path, len(content), left, largest)
            left -= len(content)
            yield _member(path, member.filename, content)


def _tar_members(path: Path, largest: int) -> Iterator[Input]:
    gzipped = not path.name.lower().endswith(".tar")
    with path.open("rb") as stream:
        counted = _Counted(stream, path, largest, gzipped=gzipped)
        with tarfile.open(fileobj=counted, mode="r|") as archive:
            for member in archive:
                if member.isdir():
                    continue
                _refuse_size(path, member.size, largest, largest)
                part = archive.extractfile(member) if member.isreg() else None
                if part is None:
                    yield Input(f"{path}/{member.name}", error=f"{path}/{member.name}: expected "
                                "a plain file; found a link or a device; leave it out")  # fmt: skip
                    continue
                yield _member(path, member.name, part.read())


def _member(path: Path, name: str, content: bytes) -> Input:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        return Input(f"{path}/{name}", error=f"{path}: expected names within the archive; found "
                     f"{name!r}; pack it again without such a path")  # fmt: skip
    return Input(f"{path}/{parts}", content=content)


def _refuse_size(path: Path, size: int, left: int, largest: int) -> None:
    if size > left:
        raise SourceError(
            f"{path}: expected an archive of at most {largest:,} bytes when unpacked; found more; "
            "unpack it yourself and inspect the files"
        )


class _Counted(RawIOBase):
    """Unpacks gzip as it is read, and refuses to go on past a size."""

    def __init__(self, stream: IO[bytes], path: Path, largest: int, *, gzipped: bool) -> None:
        super().__init__()
        self._stream, self._path, self._largest = stream, path, largest
        self._gzip = zlib.decompressobj(wbits=31) if gzipped else None
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes."""
        wanted = self._largest + 1 if size < 0 else size
        parts = BytesIO()
        while parts.tell() < wanted:
            part = self._step(wanted - parts.tell())
            if not part:
                break
            parts.write(part)
            self._given += len(part)
            # The headers and the padding of a tar file come on top of what it holds.
            _refuse_size(self._path, self._given, 2 * self._largest + (1 << 20), self._largest)
        return parts.getvalue()

    def _step(self, wanted: int) -> bytes:
        if self._gzip is None:
            return self._stream.read(wanted)
        while not self._gzip.eof:
            packed = self._gzip.unconsumed_tail or self._stream.read(1 << 16)
            if not packed:
                raise EOFError("it ends too early")
            part = self._gzip.decompress(packed, wanted)
            if part:
                return part
        return b""
