"""What can go wrong in the lake."""

from truecast.core.errors import TruecastError, UsageError


class LakeError(TruecastError):
    """A table or a payload could not be read or written."""


class ConflictError(LakeError):
    """Another process changed the same series meanwhile: read again, and try again."""


class NoDataError(UsageError):
    """The lake holds nothing of what was asked for; the message says how to get it."""
