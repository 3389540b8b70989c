"""What can go wrong between us and a vendor."""

from datetime import timedelta

from truecast.sources.base import SourceError


class HttpError(SourceError):
    """A vendor could not be asked, or did not answer what was asked.

    Parameters
    ----------
    message : str
        What happened, without secrets.
    status : int or None
        The HTTP status, if one came.
    said : str
        How the answer begins, without secrets.
    retry_after : timedelta or None
        How long the vendor asks us to wait, if it says so.
    passing : bool
        Whether asking again soon may help; the client does so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        said: str = "",
        retry_after: timedelta | None = None,
        passing: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.said = status, said
        self.retry_after, self.passing = retry_after, passing


class UnavailableError(HttpError):
    """An outage: no connection, no answer in time, or the vendor's own failure (5xx)."""


class QuotaError(HttpError):
    """The vendor's limit is reached; ``retry_after`` is its own advice, if it gave one."""


class AccessError(HttpError):
    """The vendor does not let us in: a missing, wrong or insufficient key (401, 403)."""


class RejectedError(HttpError):
    """The request is wrong (other 4xx), or goes to a host or an address that is not allowed."""


class AnswerError(HttpError):
    """What came is not what was asked for: an HTML page, cut off, too large, not JSON."""


class EmptyError(HttpError):
    """The vendor knows what was asked for, and has nothing of the time that was asked for."""
