"""Content hashes: the same content has the same name everywhere."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """Write a JSON document in the one form that is hashed: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of(content: bytes | str) -> str:
    """Return the SHA-256 of bytes, or of a string's UTF-8, as 64 hexadecimal digits."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def hash_of(value: Any) -> str:
    """Return the SHA-256 of a JSON document's canonical form.

    Examples
    --------
    >>> hash_of({"b": 1, "a": 2}) == hash_of({"a": 2, "b": 1})
    True
    """
    return sha256_of(canonical_json(value))


@cache
def code_hash() -> str:
    """Return the SHA-256 of the package's own source: what was computed by other code is old."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
