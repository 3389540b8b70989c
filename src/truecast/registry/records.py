"""Rows of versions and promotions, and what they say."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from truecast.core.clock import now
from truecast.core.slot import Slot
from truecast.database.tables import promotions, versions
from truecast.registry.catalogue import Listing

PROMOTE, ROLLBACK = "promote", "rollback"


@dataclass(frozen=True)
class VersionRecord:
    """A trained bundle, and where it is in MLflow.

    Parameters
    ----------
    slot : Slot
        What it forecasts.
    version : str
        Of the bundle.
    name, model_type : str
        Of the model among the recipe's candidates, and its family.
    recipe, recipe_hash : str
        The recipe that it was trained by.
    reason : str
        Why it was chosen among the candidates, in words.
    metrics : dict of str to float
        Figures of the training, and those of its evaluation as ``evaluation/NAME``.
    skill : str or None
        Verdict of the newest evaluation; None if there was none.
    blocked : str or None
        In words, which gates it failed, so that it cannot be promoted; None if it may be.
    chosen : bool
        Whether the choice among the candidates fell on it.
    held : str or None
        In words, why it does not replace the champion all the same; None if it may. By its name
        it can be promoted.
    trained_through, trained_at : datetime
        What it has seen, and when it was registered.
    mlflow_model, mlflow_version, mlflow_run : str or None
        Its place in MLflow.
    """

    slot: Slot
    version: str
    name: str
    model_type: str
    recipe: str
    recipe_hash: str
    reason: str
    metrics: dict[str, float]
    skill: str | None
    trained_through: datetime
    trained_at: datetime
    mlflow_model: str | None
    mlflow_version: str | None
    mlflow_run: str | None
    blocked: str | None = None
    chosen: bool = True
    held: str | None = None

    @property
    def listing(self) -> Listing:
        """Where it is in MLflow."""
        return Listing(str(self.mlflow_model), str(self.mlflow_version), str(self.mlflow_run))

    @property
    def promoted_because(self) -> str:
        """Why it is promoted, if it is; one that would not be by itself was named."""
        by_itself = self.chosen and self.held is None
        return self.reason if by_itself else f"named by hand: {self.reason}"


@dataclass(frozen=True)
class ChampionRecord:
    """Which version answers for a slot, and why.

    Parameters
    ----------
    slot : Slot
        What it answers for.
    version, name : str
        Of the bundle, and of the model among the recipe's candidates.
    reason : str
        Why it was promoted, in words.
    skill : str or None
        Verdict of the newest evaluation of the version; None if there was none.
    promoted_at : datetime
        When.
    """

    slot: Slot
    version: str
    name: str
    reason: str
    skill: str | None
    promoted_at: datetime


_VERSION_FIELDS = [
    column for column in versions.columns if column.name in VersionRecord.__dataclass_fields__
]


def add_version(connection: Connection, record: VersionRecord) -> None:
    """Write a version down."""
    row = {**vars(record), "slot": str(record.slot), "written_at": datetime.now(UTC)}
    connection.execute(insert(versions).values(row))


def read_versions(connection: Connection, slot: Slot) -> dict[str, VersionRecord]:
    """Return a slot's versions by name, oldest first."""
    chosen = select(*_VERSION_FIELDS).where(versions.c.slot == str(slot)).order_by(versions.c.seq)
    return {row.version: _version(row) for row in connection.execute(chosen)}


def read_newest(connection: Connection, most: int) -> dict[Slot, list[VersionRecord]]:
    """Return the newest versions of every slot, at most so many of each, newest first."""
    place = func.row_number().over(partition_by=versions.c.slot, order_by=versions.c.seq.desc())
    numbered = select(versions.c.seq, place.label("place")).subquery()
    chosen = (
        select(*_VERSION_FIELDS)
        .join(numbered, (versions.c.seq == numbered.c.seq) & (numbered.c.place <= most))
        .order_by(versions.c.slot, versions.c.seq.desc())
    )
    found: dict[Slot, list[VersionRecord]] = {}
    for row in connection.execute(chosen):
        record = _version(row)
        found.setdefault(record.slot, []).append(record)
    return found


def read_slots(connection: Connection) -> list[Slot]:
    """Return every slot that has a version, in order."""
    chosen = select(versions.c.slot).distinct().order_by(versions.c.slot)
    return [Slot.parse(text) for text in connection.scalars(chosen)]


def change_version(connection: Connection, record: VersionRecord, **values: Any) -> None:
    """Change columns of a version."""
    same = (versions.c.slot == str(record.slot)) & (versions.c.version == record.version)
    connection.execute(update(versions).where(same).values(**values))


def add_promotion(
    connection: Connection, slot: Slot, version: str, *, kind: str, reason: str
) -> None:
    """Write one step down: from now on this version is the champion."""
    row = {
        "slot": str(slot),
        "version": version,
        "kind": kind,
        "reason": reason,
        "promoted_at": now(),
        "written_at": datetime.now(UTC),
    }
    connection.execute(insert(promotions).values(row))


def read_champions(connection: Connection) -> list[ChampionRecord]:
    """Return the newest promotion of each slot, in order of the slots."""
    newest = select(func.max(promotions.c.seq)).group_by(promotions.c.slot)
    chosen = _promotions().where(promotions.c.seq.in_(newest)).order_by(promotions.c.slot)
    return [_champion(row) for row in connection.execute(chosen)]


def read_champion(connection: Connection, slot: Slot) -> ChampionRecord | None:
    """Return the newest promotion of a slot, or None."""
    chosen = _promotions().where(promotions.c.slot == str(slot))
    row = connection.execute(chosen.order_by(promotions.c.seq.desc()).limit(1)).first()
    return None if row is None else _champion(row)


def read_stack(connection: Connection, slot: Slot) -> list[ChampionRecord]:
    """Return the champion and those before it, newest first: a rollback takes the last one off.

    A version that is promoted again stands where it was promoted last.
    """
    chosen = _promotions().where(promotions.c.slot == str(slot)).order_by(promotions.c.seq)
    stack: list[ChampionRecord] = []
    for row in connection.execute(chosen):
        record = _champion(row)
        if row.kind == ROLLBACK:
            while stack and stack[-1].version != record.version:
                stack.pop()
            stack = stack[:-1]
        stack.append(record)
    standing: dict[str, ChampionRecord] = {}
    for record in reversed(stack):
        standing.setdefault(record.version, record)
    return list(standing.values())


def _promotions() -> Any:
    same = (promotions.c.slot == versions.c.slot) & (promotions.c.version == versions.c.version)
    return select(promotions, versions.c.name, versions.c.skill).join(versions, same)


def _version(row: Row[Any]) -> VersionRecord:
    # Before versions of all candidates were kept, each was the chosen one.
    chosen = row.chosen is not False
    return VersionRecord(**{**row._asdict(), "slot": Slot.parse(row.slot), "chosen": chosen})


def _champion(row: Row[Any]) -> ChampionRecord:
    return ChampionRecord(
        slot=Slot.parse(row.slot),
        version=row.version,
        name=row.name,
        reason=row.reason,
        skill=row.skill,
        promoted_at=row.promoted_at,
    )
