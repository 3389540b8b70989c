"""What can go wrong in the lake, and what to do about it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from deltalake.exceptions import CommitFailedError, DeltaError

from truecast.core.errors import TruecastError, UsageError

_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# The first that is found in what S3's clients say names what is wrong, and what to do.
_KNOWN = (
    (r"NoSuchBucket|bucket does not exist", "the bucket does not exist: make it, or correct it"),
    (
        # Where a machine in a cloud would be asked for keys.
        r"/latest/(api/token|meta-data)|CredentialsNotLoaded|[Nn]o credentials",
        "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|AccessDenied|ACCESS_DENIED"
        r"|\b40[13]\b",
        "access is denied: check the AWS keys, and that they may read and write the bucket",
    ),
    (r"SlowDown|\b503\b|ServiceUnavailable", "S3 asks to slow down: try again in a while"),
    (
        r"[Cc]onnection refused|error sending request|tcp connect|dns error|curlCode|timed? ?out"
        r"|NETWORK_CONNECTION",
        "S3 does not answer: check AWS_ENDPOINT_URL and the network (AWS_ALLOW_HTTP=true for http)",
    ),
    (r"URL scheme is not allowed|BadScheme", "the endpoint is http: set AWS_ALLOW_HTTP=true"),
)


class LakeError(TruecastError):
    """A table or a payload could not be read or written."""


class ConflictError(LakeError):
    """Another process changed the same series meanwhile: read again, and try again."""


class NoDataError(UsageError):
    """The lake holds nothing of what was asked for; the message says how to get it."""


@contextmanager
def as_lake_errors(url: str, what: str) -> Iterator[None]:
    """Say what went wrong at a place, what to do about it, and no secret.

    Parameters
    ----------
    url : str
        The place.
    what : str
        What was tried, such as ``write the table``.
    """
    try:
        yield
    except CommitFailedError as error:
        raise ConflictError(
            f"{url}: another process wrote to it meanwhile ({_told(error)})"
        ) from error
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise LakeError(
            f"{url}: could not {what}: {_told(error)}; {_advice(url, str(error))}"
        ) from error


def _advice(url: str, said: str) -> str:
    if not url.startswith("s3://"):
        return "check the disk's space and permissions"
    for pattern, advice in _KNOWN:
        if re.search(pattern, said):
            return advice
    return "check the bucket, the AWS_* variables and the network"


def _told(error: Exception) -> str:
    """Return the first lines of an error as one, without terminal colours and secrets."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    said = " ".join(re.sub(r"<\?xml.*", "", said, flags=re.DOTALL).replace("\u21b3", "").split())
    for name in _SECRETS:
        if secret := os.environ.get(name):
            said = said.replace(secret, "***")
    return said[:400]
