"""A vendor's key, without which it is not asked."""

from pydantic import SecretStr

from truecast.sources.http.errors import AccessError


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
