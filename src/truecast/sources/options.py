"""What the sources that ask a vendor share of their options."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from truecast.core.errors import UsageError
from truecast.core.hashing import hash_of
from truecast.core.recipe_errors import describe
from truecast.sources.http import AccessError

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Options of a source: frozen, and a key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


def key_of(secret: SecretStr | None, setting: str, vendor: str) -> str:
    """Return a vendor's key.

    Raises
    ------
    AccessError
        If there is none.
    """
    key = secret.get_secret_value().strip() if secret else ""
    if not key:
        raise AccessError(f"{vendor} gives nothing without a key: set {setting} to yours")
    return key
