"""What can be wrong with the database."""

from truecast.core.errors import TruecastError


class DatabaseError(TruecastError):
    """The database cannot be opened, read or written."""
