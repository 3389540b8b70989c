"""What the server prints of what goes wrong: never a key, nor a password in an address."""

import logging
from typing import Any

from truecast.core.settings import masked
from truecast.serving.door.keys import without_keys


class Formatter(logging.Formatter):
    """Takes out what looks like a secret, from tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line, or the lines of a traceback."""
        return masked(without_keys(super().format(record)))


#: What uvicorn says of a WebSocket that was refused with an answer, of what is no HTTP, and of what
#: wants another protocol: who has no key could fill the disk with each.
_OF_STRANGERS = frozenset(
    {
        "ASGI callable returned without completing handshake.",
        "Invalid HTTP request received.",
        "Unsupported upgrade request.",
    }
)


def is_ours(record: logging.LogRecord) -> bool:
    """Say whether a record tells of more than a stranger's request."""
    return record.msg not in _OF_STRANGERS


#: For :func:`logging.config.dictConfig`.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"ours": {"()": lambda: is_ours}},
    "formatters": {"plain": {"()": Formatter, "fmt": "%(levelname)s: %(message)s"}},
    "handlers": {
        "errors": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["ours"],
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["errors"], "level": "WARNING"},
}
