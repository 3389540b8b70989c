"""Settings from the environment and ``.env``: prefix ``TRUECAST_``, all with working defaults."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from truecast.core.errors import SettingsError
from truecast.core.names import suggestion

PREFIX = "TRUECAST_"
# Read by the tests, not by the product; listed so that they are not taken for typos.
_OTHER = {"TRUECAST_REALDATA", "TRUECAST_SOAK"}

#: How often something may be done, such as ``600/minute``.
Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")]
_HOST = r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])"
_ORIGIN = rf"https?://{_HOST}(:[0-9]{{1,5}})?"


class Settings(BaseSettings):
    """Where Truecast keeps its things.

    ``home`` holds everything Truecast writes. ``lake`` holds the tables; unset, it is the folder
    ``lake`` in ``home``. ``database_url`` holds forecasts, outcomes and champions; unset, it is a
    file in ``home``, and so are MLflow's runs and models. ``redis_url`` is where the newest feature
    rows are put online; unset, it is a file in ``home``. ``registry_prefix`` stands before the
    names of models in MLflow: ``catalog.schema`` for Unity Catalog. ``oanda_token``,
    ``alphavantage_key`` and ``finnhub_key`` are the vendors' keys; ``oanda_live`` asks OANDA's live
    environment instead of the practice one. ``private_hosts`` are hosts, separated by commas, that
    may be asked although they lie in a private network, such as a vendor's stand-in. ``hub_url`` is
    where models that others have published are downloaded from. ``engine`` says where the work of
    many instruments is done: in ``local`` processes, or as tasks of the Ray cluster at
    ``ray_address``, which is there already (``auto`` finds one on this machine). ``workers`` is
    how many processes or tasks work at once; 1 works in this process. ``limit_predict`` and so on
    are how often one key, or one address, may ask for what is in that class of routes. ``hosts``
    are names that the server goes by besides those of this machine, ``cors_origins`` the pages
    that may ask it from a browser; both separated by commas.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Path(".truecast")
    lake: str | None = None
    database_url: str | None = None
    redis_url: SecretStr | None = None
    registry_prefix: str = Field(default="", pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?)?$")
    oanda_token: SecretStr | None = None
    oanda_live: bool = False
    alphavantage_key: SecretStr | None = None
    finnhub_key: SecretStr | None = None
    private_hosts: str = ""
    hub_url: str = Field(
        default="https://huggingface.co", pattern=r"^https?://[^\s/@]+(/[^\s@?#]*)?$"
    )
    engine: Literal["local", "ray"] = "local"
    workers: int | None = Field(default=None, ge=1)
    ray_address: str = Field(default="auto", min_length=1)
    limit_predict: Rate = "12000/minute"
    limit_read: Rate = "6000/minute"
    limit_write: Rate = "600/minute"
    limit_train: Rate = "5/hour"
    limit_admin: Rate = "60/minute"
    limit_stream: Rate = "600/minute"
    hosts: str = Field(default="", pattern=rf"^({_HOST}(,\s*{_HOST})*)?$")
    cors_origins: str = Field(default="", pattern=rf"^({_ORIGIN}(,\s*{_ORIGIN})*)?$")
    mlflow_tracking_uri: str | None = Field(default=None, alias="MLFLOW_TRACKING_URI")
    mlflow_registry_uri: str | None = Field(default=None, alias="MLFLOW_REGISTRY_URI")

    @property
    def lake_url(self) -> str:
        """Folder or URL of the lake's tables."""
        return self.lake or str((self.home / "lake").absolute())

    @property
    def database(self) -> str:
        """URL of the SQL database."""
        return self.database_url or f"sqlite:///{(self.home / 'truecast.db').absolute()}"

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps runs."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.home / 'mlflow.db').absolute()}"

    @property
    def registry_uri(self) -> str:
        """Where MLflow keeps registered models; with the runs unless set."""
        return self.mlflow_registry_uri or self.tracking_uri

    @property
    def host_names(self) -> frozenset[str]:
        """Names that the server goes by besides those of this machine, in small letters."""
        return frozenset(_parts(self.hosts.lower()))

    @property
    def origin_names(self) -> frozenset[str]:
        """Pages that may ask the server from a browser, as browsers name them."""
        return frozenset(_parts(self.cors_origins.lower()))

    def origins(self) -> dict[str, tuple[str, str]]:
        """Say where each setting came from.

        Returns
        -------
        dict
            Variable to its value in effect and its origin: ``environment``, ``.env`` or
            ``default``.
        """
        effective = {
            "home": str(self.home),
            "lake": self.lake_url,
            "database_url": masked(self.database),
            "redis_url": masked(self.redis_url.get_secret_value()) if self.redis_url else "",
            "registry_prefix": self.registry_prefix,
            "oanda_token": _hidden(self.oanda_token),
            "oanda_live": str(self.oanda_live).lower(),
            "alphavantage_key": _hidden(self.alphavantage_key),
            "finnhub_key": _hidden(self.finnhub_key),
            "private_hosts": self.private_hosts,
            "hub_url": self.hub_url,
            "engine": self.engine,
            "workers": str(self.workers or ""),
            "ray_address": self.ray_address,
            **{name: getattr(self, name) for name in _AS_IS},
            "mlflow_tracking_uri": masked(self.tracking_uri),
            "mlflow_registry_uri": masked(self.registry_uri),
        }
        return {_variable(name): (value, self._origin(name)) for name, value in effective.items()}

    def _origin(self, name: str) -> str:
        if _variable(name) in os.environ:
            return "environment"
        return ".env" if name in self.model_fields_set else "default"


_AS_IS = (
    *("limit_predict", "limit_read", "limit_write", "limit_train", "limit_admin", "limit_stream"),
    *("hosts", "cors_origins"),
)


def _variable(field: str) -> str:
    """Name the environment variable of a setting."""
    return Settings.model_fields[field].alias or PREFIX + field.upper()


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _hidden(secret: SecretStr | None) -> str:
    return "***" if secret else ""


def masked(url: str) -> str:
    """Hide the password in a URL."""
    return re.sub(r"(?<=://)([^/@]*?):[^/@]*@", r"\1:***@", url)


def load_settings() -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        If a ``TRUECAST_`` variable is not known, or has no valid value.
    """
    known = {_variable(name) for name in Settings.model_fields} | _OTHER
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable not in known:
            raise SettingsError(
                f"unknown setting {variable}: {suggestion(variable, known - _OTHER)}"
            )
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        loc = ".".join(str(part) for part in first["loc"])
        where = loc if loc in known else PREFIX + loc.upper()
        raise SettingsError(f"{where}: {first['msg']} (got {first['input']!r})") from error
