"""Keys of the API: made, listed, revoked, and recognised."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, insert, select, update

from truecast.core.clock import now
from truecast.core.errors import UsageError
from truecast.core.names import suggestion
from truecast.database.engine import Database
from truecast.database.tables import api_keys
from truecast.serving.door.audit import write_audit
from truecast.serving.door.classes import SCOPES, Scope

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: ``tc_``, the key's id, and 256 random bits.
_SECRET = re.compile(r"tc_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
#: Part of one is hidden too.
_SHOWN = re.compile(r"tc_([0-9a-f]{12})_[A-Za-z0-9_-]+")


class KeyNameError(UsageError):
    """There is no such key, or there is one already."""


@dataclass(frozen=True)
class Key:
    """What is known of a key; the secret is not.

    Parameters
    ----------
    id : str
        Part of the secret that may be shown.
    name : str
        Given by who made it; actions of its holder stand under it in the audit.
    scopes : tuple of str
        What it is good for.
    created_at, revoked_at : datetime
        UTC; the second is None while it is good.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None


class KeyRing:
    """The keys that are good, as of one look at the database.

    Parameters
    ----------
    hashes : mapping of str to (Key, str)
        By id, each with the SHA-256 of its secret.
    """

    def __init__(self, hashes: Mapping[str, tuple[Key, str]]) -> None:
        self._hashes = MappingProxyType(dict(hashes))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._hashes

    def find(self, secret: str) -> Key | None:
        """Return the key that a secret belongs to.

        Notes
        -----
        Whatever is presented is hashed once and compared once, in constant time; where no key has
        that id, with the hash of nothing. So the time tells nothing of a hash, and no more of the
        ids than an answer does.
        """
        key, stored = self._hashes.get(key_id_of(secret) or "", (None, _NOTHING))
        same = hmac.compare_digest(_hash(secret), stored)
        return key if same else None


class Keys:
    """The keys of a database.

    Parameters
    ----------
    database : Database
        That keeps them. Of a secret it keeps the SHA-256 alone: 256 random bits are in no list of
        guesses, so a slow hash would add nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, scope: Scope, actor: str) -> tuple[Key, str]:
        """Make a key.

        Parameters
        ----------
        name : str
            Letters, digits, ``.``, ``_`` and ``-``; no other key has or had it.
        scope : str
            What it is good for, along with the scopes below.
        actor : str
            Who makes it, for the audit.

        Returns
        -------
        (Key, str)
            The key, and its secret, which is nowhere else.

        Raises
        ------
        KeyNameError
            If the name cannot be had.
        """
        if not _NAME.fullmatch(name):
            raise KeyNameError(
                f"{name[:80]!r} names no key: expected at most 64 letters, digits and . _ -, a "
                "letter or digit first"
            )
        scopes = SCOPES[: SCOPES.index(scope) + 1]
        key = Key(secrets.token_hex(6), name, scopes, now())
        secret = f"tc_{key.id}_{secrets.token_urlsafe(32)}"
        row = vars(key) | {"scopes": list(scopes), "secret_hash": _hash(secret)}
        with self._database.writing() as connection:
            if connection.execute(select(api_keys).where(api_keys.c.name == name)).first():
                raise KeyNameError(
                    f"there is or was a key named {name}: choose another name, so that the audit "
                    "tells them apart (`truecast keys list` shows all)"
                )
            connection.execute(insert(api_keys), row | {"written_at": datetime.now(UTC)})
            write_audit(connection, actor, "keys.add", name, {"id": key.id, "scopes": list(scopes)})
        return key, secret

    def all(self) -> list[Key]:
        """Return every key that was ever made, in the order of making."""
        with self._database.reading() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at))
            return [_key(row) for row in rows]

    def revoke(self, name: str, actor: str) -> Key:
        """Take a key back; a second time nothing is changed.

        Parameters
        ----------
        name : str
            Its name or id.
        actor : str
            Who does it, for the audit.

        Raises
        ------
        KeyNameError
            If there is none.
        """
        with self._database.writing() as connection:
            found = select(api_keys).where((api_keys.c.name == name) | (api_keys.c.id == name))
            row = connection.execute(found).first()
            if row is None:
                names = connection.scalars(select(api_keys.c.name)).all()
                advice = suggestion(name, names) if names else "there are none yet"
                raise KeyNameError(f"no key is named {without_keys(name)[:80]!r}: {advice}")
            key = _key(row)
            if key.revoked_at is not None:
                return key
            one, moment = api_keys.c.id == key.id, now()
            connection.execute(update(api_keys).where(one).values(revoked_at=moment))
            write_audit(connection, actor, "keys.revoke", key.name, {"id": key.id})
        return Key(key.id, key.name, key.scopes, key.created_at, moment)

    def ring(self) -> KeyRing:
        """Return the keys that are good now."""
        with self._database.reading() as connection:
            rows = connection.execute(select(api_keys).where(api_keys.c.revoked_at.is_(None)))
            return KeyRing({row.id: (_key(row), row.secret_hash) for row in rows})


def key_id_of(secret: str) -> str | None:
    """Return the id that a secret names, if it has the shape of one; there may be no such key."""
    shape = _SECRET.fullmatch(secret)
    return shape[1] if shape else None


def without_keys(text: str) -> str:
    """Return text with what looks like a secret of ours taken out, for logs and answers.

    Examples
    --------
    >>> without_keys(f"GET /?key=tc_0123456789ab_{'x' * 43}")
    'GET /?key=tc_0123456789ab_***'
    """
    return _SHOWN.sub(r"tc_\1_***", text) if "tc_" in text else text


def _key(row: Row[Any]) -> Key:
    return Key(row.id, row.name, tuple(row.scopes), row.created_at, row.revoked_at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


#: Compared with where there is no such key: the hash of something that nobody knows.
_NOTHING = _hash(secrets.token_urlsafe(32))
