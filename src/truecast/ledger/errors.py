"""What the ledger refuses."""

from truecast.core.errors import TruecastError


class LedgerError(TruecastError):
    """A forecast or an outcome cannot be written down as it is."""
