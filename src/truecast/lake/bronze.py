"""Payloads as they were received, by their SHA-256, and an index of each receipt."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from truecast.core.hashing import canonical_json, sha256_of
from truecast.lake.errors import LakeError
from truecast.lake.schemas import BRONZE_INDEX
from truecast.lake.tables import Table, retried
from truecast.sources.base import Payload


class Bronze:
    """Everything received, unchanged.

    Parameters
    ----------
    folder : Path
        Where payloads and index lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = Table(str(folder / "index"), BRONZE_INDEX)

    def keep(self, payload: Payload) -> str:
        """Store a payload, then note its receipt.

        The bytes are stored once however often they come; each receipt has a row in the index.
        After a crash either the whole payload is there or nothing of it under its name.

        Returns
        -------
        str
            The payload's SHA-256, its name from now on.

        Raises
        ------
        LakeError
            If it cannot be written.
        """
        name = sha256_of(payload.content)
        self._write(name, payload.content)
        receipt = {
            "payload": name,
            "source": payload.source,
            "instrument": payload.symbol,
            "interval": payload.interval,
            "request": canonical_json(dict(payload.request)),
            "media_type": payload.media_type,
            "bytes": len(payload.content),
            "covers_from": payload.covers[0] if payload.covers else None,
            "covers_to": payload.covers[1] if payload.covers else None,
            "received_at": payload.received_at,
            "written_at": datetime.now(UTC),
        }
        row = pl.DataFrame([receipt], schema=BRONZE_INDEX)
        retried(lambda: self.index.snapshot().append(row))
        return name

    def read(self, name: str) -> bytes:
        """Return a payload by its SHA-256.

        Raises
        ------
        LakeError
            If it is not there, or is not what its name says.
        """
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LakeError(f"{path}: the payload cannot be read: {error.strerror}") from error
        if sha256_of(content) != name:
            raise LakeError(f"{path}: the payload is damaged: its SHA-256 is not its name")
        return content

    def _path(self, name: str) -> Path:
        return self.folder / "payloads" / name[:2] / name

    def _write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        try:
            if path.exists() and path.stat().st_size == len(content):
                return
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
            _sync_folder(path.parent)
        except OSError as error:
            raise LakeError(
                f"{path}: the payload could not be written: {error.strerror}; "
                "check the disk's space and permissions"
            ) from error


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
