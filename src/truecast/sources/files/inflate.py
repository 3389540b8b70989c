"""Unpack gzip, and stop at a size that no file of bars has."""

import zlib

from truecast.sources.base import SourceError
from truecast.sources.files.place import Place

#: Unpacked bytes of one file at most: 25 years of minute bars as text are less than half of it.
LARGEST_BYTES = 2 << 30
_STEP = 1 << 24


def gunzip(content: bytes, file: str, largest: int = LARGEST_BYTES) -> bytes:
    """Unpack a gzip file, all of its members.

    Parameters
    ----------
    content : bytes
        The packed file.
    file : str
        Its name, for messages.
    largest : int
        Unpacked bytes at which it is refused.

    Raises
    ------
    SourceError
        If it is no whole gzip file, or holds more than that.
    """
    parts, size, rest = [], 0, content
    while rest:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                part = member.decompress(rest, _STEP)
            except zlib.error as error:
                raise _damaged(file, str(error)) from error
            rest = member.unconsumed_tail
            if not part and not rest and not member.eof:
                raise _damaged(file, "it ends too early")
            parts.append(part)
            size += len(part)
            if size > largest:
                raise too_large(file, largest)
        rest = member.unused_data.lstrip(b"\0")
    return b"".join(parts)


def gunzip_head(content: bytes, size: int) -> bytes:
    """Unpack the first bytes of a gzip file; what is damaged shows when it is read whole."""
    try:
        return zlib.decompressobj(wbits=31).decompress(content, size)
    except zlib.error:
        return b""


def too_large(file: str, largest: int) -> SourceError:
    """Build the error for a file that unpacks to more than that many bytes."""
    return Place(file, "line").refuse(
        None,
        f"at most {largest >> 20:,} MB when unpacked",
        "more",
        "split it, or save it as Parquet",
    )


def _damaged(file: str, why: str) -> SourceError:
    return Place(file, "line").refuse(
        None, "a whole gzip file", f"a damaged or other one ({why})", "copy it again"
    )
