"""Who changed what: one row for each key and champion that somebody made or took away."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert

from truecast.core.clock import now
from truecast.database.engine import Database
from truecast.database.tables import audit as rows

#: Who acts where no key is demanded: whoever can use this machine.
LOCAL = "local"


def audit(
    database: Database,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down that somebody changed something.

    Parameters
    ----------
    database : Database
        That keeps it.
    actor : str
        Name of the key, as in ``request.scope["state"]["actor"]``, or :data:`LOCAL`.
    action : str
        What was done, such as ``promote``.
    subject : str
        What it was done to, such as a slot.
    detail : mapping
        What else is worth knowing; JSON can hold it, and no secret is in it.

    Raises
    ------
    DatabaseError
        If it cannot be written.
    """
    with database.writing() as connection:
        write_audit(connection, actor, action, subject, detail)


def write_audit(
    connection: Connection,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write the same in a transaction that is open, so that both are kept or neither."""
    row = {"actor": actor, "action": action, "subject": subject, "detail": dict(detail or {})}
    connection.execute(insert(rows), row | {"at": now(), "written_at": datetime.now(UTC)})
