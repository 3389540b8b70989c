"""Payloads as they were received, by their SHA-256, and an index of each receipt."""

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from truecast.core.hashing import canonical_json, sha256_of
from truecast.lake.errors import LakeError, as_lake_errors
from truecast.lake.schemas import BRONZE_INDEX
from truecast.lake.storage import Storage
from truecast.lake.tables import Table, retried
from truecast.sources.base import Payload


class Bronze:
    """Everything received, unchanged.

    Parameters
    ----------
    storage : Storage
        Where payloads and index lie.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.index = Table(f"{storage.url}/index", BRONZE_INDEX)

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
        return self.keep_all([payload])[0]

    def keep_all(self, payloads: Sequence[Payload]) -> list[str]:
        """Store payloads, then note their receipts in one commit; see :meth:`keep`."""
        names = [sha256_of(payload.content) for payload in payloads]
        for name, payload in zip(names, payloads, strict=True):
            self._write(name, payload.content)
        rows = pl.DataFrame(list(map(_receipt, names, payloads)), schema=BRONZE_INDEX)
        retried(lambda: self.index.snapshot().append(rows))
        return names

    def read(self, name: str) -> bytes:
        """Return a payload by its SHA-256.

        Raises
        ------
        LakeError
            If it is not there, or is not what its name says.
        """
        place = f"{self.storage.url}/{_file(name)}"
        with as_lake_errors(place, "read the payload"):
            content = self.storage.read(_file(name))
        if sha256_of(content) != name:
            raise LakeError(f"{place}: the payload is damaged: its SHA-256 is not its name")
        return content

    def _write(self, name: str, content: bytes) -> None:
        with as_lake_errors(f"{self.storage.url}/{_file(name)}", "write the payload"):
            if self.storage.size(_file(name)) != len(content):
                self.storage.write(_file(name), content)


def _receipt(name: str, payload: Payload) -> dict[str, object]:
    return {
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


def _file(name: str) -> str:
    return f"payloads/{name[:2]}/{name}"
