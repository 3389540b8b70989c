"""What the server prints of what goes wrong: never a key, nor a password in an address."""

import logging
from typing import Any

from truecast.core.settings import masked
from truecast.serving.keys import without_keys


class Formatter(logging.Formatter):
    """Takes out what looks like a secret, from tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line, or the lines of a traceback."""
        return masked(without_keys(super().format(record)))


#: For :func:`logging.config.dictConfig`.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": Formatter, "fmt": "%(levelname)s: %(message)s"}},
    "handlers": {
        "errors": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["errors"], "level": "WARNING"},
}
