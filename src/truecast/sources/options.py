"""What the options of all sources share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from truecast.core.calendars import get_calendar
from truecast.core.errors import UsageError
from truecast.core.hashing import hash_of
from truecast.core.recipe_errors import describe

M = TypeVar("M", bound=BaseModel)


def host_of(url: str) -> str:
    """Return the host of an address.

    Raises
    ------
    ValueError
        If it is not an address such as ``https://example.com/news``, or holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError(
            f"expected an address such as https://example.com/news, without a user's name or "
            f"password, got {parts._replace(netloc=parts.hostname or '').geturl()!r}"
        )
    return parts.hostname


def _address(value: str) -> str:
    host_of(value)
    return value


def _calendar(value: str) -> str:
    try:
        return get_calendar(value).name
    except UsageError as error:
        raise ValueError(str(error)) from error


def _timezone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{value!r} is not a time zone: write an IANA name such as America/New_York"
        ) from error


#: An address that may be asked; it is not asked yet.
Address = Annotated[str, AfterValidator(_address)]
#: A calendar that there is, such as ``XNYS``.
CalendarName = Annotated[str, AfterValidator(_calendar)]
#: An IANA time zone that there is.
TimeZoneName = Annotated[str, AfterValidator(_timezone)]


class Options(BaseModel):
    """Options of a source: frozen, and a key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PathOptions(Options):
    """Options of a source that reads files.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    timezone : str
        IANA time zone of times that carry no offset.
    """

    path: Path
    timezone: TimeZoneName = "UTC"

    @property
    def fingerprint(self) -> str:
        """Six hexadecimal digits of the resolved path and of each option that is not its default.

        The same rows read with another meaning (another time zone, say) are other data: in
        silver they must not become versions of each other.
        """
        told = self.model_dump(mode="json", exclude_defaults=True)
        return hash_of({**told, "path": str(self.path.expanduser().resolve())})[:6]


def read_options(model: type[M], options: Mapping[str, Any], where: str) -> M:
    """Check the options that a recipe gives a source.

    Parameters
    ----------
    model : type of BaseModel
        What they may be.
    options : mapping
        What they are.
    where : str
        Where they stand, such as ``news.gdelt``.

    Raises
    ------
    UsageError
        If one is unknown, missing or has no valid value.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise UsageError(f"{where}: {describe(error, model)}") from error


def fingerprint(options: BaseModel, *matter: str) -> str:
    """Return six hexadecimal digits of the options that decide what is received."""
    return hash_of(options.model_dump(mode="json", include=set(matter)))[:6]
