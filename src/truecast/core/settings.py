"""Settings from the environment and ``.env``: prefix ``TRUECAST_``, all with working defaults."""

import os
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from truecast.core.errors import SettingsError
from truecast.core.names import suggestion

PREFIX = "TRUECAST_"
# Read by the tests, not by the product; listed so that they are not taken for typos.
_OTHER = {"TRUECAST_REALDATA", "TRUECAST_SOAK"}


class Settings(BaseSettings):
    """Where Truecast keeps its things.

    ``home`` holds everything Truecast writes. ``lake`` holds the tables; unset, it is the folder
    ``lake`` in ``home``.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Path(".truecast")
    lake: str | None = None

    @property
    def lake_url(self) -> str:
        """Folder or URL of the lake's tables."""
        return self.lake or str((self.home / "lake").absolute())

    def origins(self) -> dict[str, tuple[str, str]]:
        """Say where each setting came from.

        Returns
        -------
        dict
            Variable to its value in effect and its origin: ``environment``, ``.env`` or
            ``default``.
        """
        effective = {"home": str(self.home), "lake": self.lake_url}
        return {
            PREFIX + name.upper(): (effective[name], self._origin(name))
            for name in type(self).model_fields
        }

    def _origin(self, name: str) -> str:
        if PREFIX + name.upper() in os.environ:
            return "environment"
        return ".env" if name in self.model_fields_set else "default"


def load_settings() -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        If a ``TRUECAST_`` variable is not known, or has no valid value.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} | _OTHER
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable not in known:
            raise SettingsError(
                f"unknown setting {variable}: {suggestion(variable, known - _OTHER)}"
            )
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        where = PREFIX + ".".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{where}: {first['msg']} (got {first['input']!r})") from error
