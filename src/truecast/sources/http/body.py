"""Bring in a body, no larger than allowed."""

import zlib
from collections.abc import Iterable


class TooLargeError(Exception):
    """The body is larger than allowed."""


class DamagedError(Exception):
    """The body does not decompress, or is compressed in a way that was not asked for."""


def read_body(parts: Iterable[bytes], encoding: str, largest: int) -> bytes:
    """Join and decompress a body.

    Parameters
    ----------
    parts : iterable of bytes
        The body as sent.
    encoding : str
        ``Content-Encoding``: empty, ``identity`` or ``gzip``.
    largest : int
        Most bytes, as sent and as decompressed. A part is never decompressed past it, so what
        is small when sent cannot fill the memory.

    Raises
    ------
    TooLargeError, DamagedError
        If it is.
    """
    packed = {"": False, "identity": False, "gzip": True, "x-gzip": True}.get(encoding)
    if packed is None:
        raise DamagedError(f"expected gzip or nothing as Content-Encoding, got {encoding!r}")
    unpack = zlib.decompressobj(wbits=31) if packed else None
    body, sent = bytearray(), 0
    for part in parts:
        sent += len(part)
        try:
            body += unpack.decompress(part, largest + 1 - len(body)) if unpack else part
        except zlib.error as error:
            raise DamagedError(f"the gzip data cannot be read: {error}") from error
        if max(sent, len(body)) > largest:
            raise TooLargeError
    if unpack and sent and not unpack.eof:
        raise DamagedError("the gzip data ends before its end")
    return bytes(body)
