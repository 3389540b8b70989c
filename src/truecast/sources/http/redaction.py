"""Take secrets out of what a person may see."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_EXCERPT = 200
# More than an excerpt, so that a secret at its end is seen whole and taken out.
_LOOKED_AT = 65536
_KEYS = re.compile(
    r"(?i)\b(api_?key|access_token|token|crumb|secret|password|signature)(=|%3D)[^&\s\"'<>]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic) +[^\s\"',<>]+")
_USER = re.compile(r"(?<=://)[^/@\s]+@")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace secrets by ``***``: given values in any spelling, and what usual keys hold.

    Parameters
    ----------
    text : str
        A message or a URL.
    secrets : iterable of str
        Values that must not be seen.

    Examples
    --------
    >>> redact("https://v.example/q?symbol=A&apikey=abc and abc", ["abc"])
    'https://v.example/q?symbol=A&apikey=*** and ***'
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        spellings = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        for spelling in sorted(spellings, key=len, reverse=True):
            text = re.sub(re.escape(spelling), HIDDEN, text, flags=re.IGNORECASE)
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _KEYS.sub(rf"\1\2{HIDDEN}", text)


def excerpt(content: bytes, secrets: Iterable[str] = ()) -> str:
    """Return how a body begins, in one line of at most 200 characters, without secrets."""
    text = " ".join(content[:_LOOKED_AT].decode("utf-8", "replace").split())
    shown = redact(text, secrets)
    printable = "".join(char if char.isprintable() else "?" for char in shown[:_EXCERPT])
    return printable + ("..." if len(shown) > _EXCERPT else "")
