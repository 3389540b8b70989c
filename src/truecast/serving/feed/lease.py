"""One of several processes does what is to be done once: the table ``leases``, and a token."""

import os
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from truecast.core.clock import now
from truecast.core.errors import TruecastError
from truecast.database.engine import Database
from truecast.database.errors import DatabaseError
from truecast.database.tables import leases

#: How long a lease holds unless it is renewed: after a crash nobody holds it for so long.
SECONDS = 15.0


class FencedError(TruecastError):
    """Another process has taken the lease meanwhile: nothing was written."""


class Lease:
    """The right to do something alone, until it is over.

    Parameters
    ----------
    database : Database
        Where the processes meet.
    name : str
        What is done.
    seconds : float
        How long it holds unless it is renewed. The clocks of the machines may differ by a part of
        that; who is late is found out by the token.
    """

    def __init__(self, database: Database, name: str, seconds: float = SECONDS) -> None:
        self._database, self.name, self.seconds = database, name, seconds
        #: Of this process alone, and of this object in it.
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._token: int | None = None
        self._renewed = float("-inf")

    @property
    def held(self) -> bool:
        """Whether it was held when it was last looked at, and has not run out since."""
        return self._token is not None and time.monotonic() - self._renewed < self.seconds

    def keep(self) -> bool:
        """Take the lease if it is free, or renew it; return whether it is held.

        Raises
        ------
        DatabaseError
            If the database refuses.
        """
        # From before the database is asked: it must not be believed in for longer than it holds.
        asked = time.monotonic()
        try:
            with self._database.writing() as connection:
                token = self._kept(connection)
        except DatabaseError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            token = None  # another process was the first to take it at all
        self._token, self._renewed = token, asked
        return token is not None

    def guard(self, connection: Connection) -> None:
        """Refuse a write unless the lease is held; nobody takes it before the write is done.

        Raises
        ------
        FencedError
            If it is not.
        """
        row = _row(connection, self.name)
        if self._token is None or row is None or (row.holder, row.token) != self._mark:
            self._token = None
            taken = "" if row is None else f": {row.holder} holds it"
            raise FencedError(f"the lease {self.name} was lost{taken}; nothing was written")

    def release(self) -> None:
        """Let another process take it at once.

        Raises
        ------
        DatabaseError
            If the database refuses.
        """
        if self._token is None:
            return
        with self._database.writing() as connection:
            mine = (leases.c.holder == self.holder) & (leases.c.token == self._token)
            ended = update(leases).where(leases.c.name == self.name, mine)
            connection.execute(ended.values(until=now(), written_at=datetime.now(UTC)))
        self._token = None

    @property
    def _mark(self) -> tuple[str, int | None]:
        return self.holder, self._token

    def _kept(self, connection: Connection) -> int | None:
        row, moment = _row(connection, self.name), now()
        terms = {
            "holder": self.holder,
            "until": moment + timedelta(seconds=self.seconds),
            "written_at": datetime.now(UTC),
        }
        if row is None:
            connection.execute(insert(leases).values(name=self.name, token=1, **terms))
            return 1
        if (row.holder, row.token) == self._mark:
            token = int(row.token)
        elif row.until <= moment:
            token = int(row.token) + 1
        else:
            return None
        changed = update(leases).where(leases.c.name == self.name)
        connection.execute(changed.values(token=token, **terms))
        return token


def _row(connection: Connection, name: str) -> Any:
    """Read a lease; where writers work side by side, nobody changes it before this one is done."""
    return connection.execute(select(leases).where(leases.c.name == name).with_for_update()).first()
