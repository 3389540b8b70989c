"""Feature and dataset rows, each with what it was made from."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from truecast.core.errors import UsageError
from truecast.core.hashing import canonical_json
from truecast.lake.errors import LakeError
from truecast.lake.tables import Table

_LINEAGE = "truecast.lineage"
_NAME = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class GoldTable:
    """One version of a gold table.

    Parameters
    ----------
    frame : pl.DataFrame
        Its rows.
    lineage : dict of str to str
        What it was made from: table versions, the recipe's hash.
    version : int
        Its Delta version.
    """

    frame: pl.DataFrame
    lineage: dict[str, str]
    version: int


def gold_table(root: str, name: str) -> Table:
    """Return where a gold table lies.

    Raises
    ------
    UsageError
        If the name holds anything but letters, digits, ``. _ ~ -`` and single slashes.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"{name!r} is not a name of a gold table: use letters, digits, . _ ~ - and /"
        )
    return Table(f"{root}/{name}")


def write_gold(table: Table, frame: pl.DataFrame, lineage: Mapping[str, str]) -> int:
    """Replace a gold table in one commit that also holds its lineage; return its version."""
    return table.overwrite(frame, {_LINEAGE: canonical_json(dict(lineage))})


def read_gold(table: Table, version: int | None = None) -> GoldTable:
    """Read a gold table.

    Parameters
    ----------
    table : Table
        From :func:`gold_table`.
    version : int or None
        Which version; None for the last.

    Raises
    ------
    LakeError
        If there is no such table or version, or it was not written by :func:`write_gold`.
    """
    snapshot = table.snapshot(version)
    text = snapshot.metadata().get(_LINEAGE)
    if text is None:
        raise LakeError(f"{table.url}: version {snapshot.delta.version()} has no lineage")
    lineage: dict[str, str] = json.loads(text)
    return GoldTable(snapshot.read(), lineage, snapshot.delta.version())
