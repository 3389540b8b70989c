"""What a bundle says of itself: how it was trained, what it holds, and the hash of each file."""

import json
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from truecast.core.errors import TruecastError
from truecast.core.hashing import hash_of

FORMAT = 1
MANIFEST_FILE = "manifest.json"
CANARY_FILE = "canary.json"

#: A file is in the bundle's folder or one below it, and has one of the suffixes that are read.
SUFFIXES = (".json", ".txt", ".onnx")
_FILE = re.compile(r"([a-z0-9_]+/)?[a-z0-9_]+\.[a-z]+")


class BundleError(TruecastError):
    """A bundle cannot be written, or is not what it says it is and so is not loaded."""


def _safe_file(name: str) -> str:
    if not _FILE.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a file of a bundle: expected name.suffix or folder/name.suffix, "
            "lower case, digits and underscores"
        )
    if not name.endswith(SUFFIXES):
        raise ValueError(f"{name!r} has a suffix that is never read: allowed {', '.join(SUFFIXES)}")
    return name


Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, AfterValidator(_safe_file)]
Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Training(_Part):
    """What a bundle was trained for, and on which rows.

    Parameters
    ----------
    slot, recipe, recipe_hash : str
        Which forecast it is for, and the recipe that said so.
    target : str
        One of the recipe's targets.
    horizon : int
        Bars ahead, from 1.
    trained_from, trained_through : datetime
        When the first training row was decided, and when the last outcome that was learned from
        became known: no forecast as of an earlier moment may use the bundle.
    rows : int
        Number of training rows.
    data_versions : mapping of str to int or str
        Table or series to the version that the rows came from.
    """

    slot: str
    recipe: str
    recipe_hash: Sha256
    target: str
    horizon: int = Field(ge=1)
    trained_from: Utc
    trained_through: Utc
    rows: int = Field(ge=1)
    data_versions: dict[str, int | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.trained_from > self.trained_through:
            raise ValueError(
                f"trained_from {self.trained_from.isoformat()} is after "
                f"trained_through {self.trained_through.isoformat()}"
            )
        return self


class ModelEntry(_Part):
    """One model of a bundle; its files are in the folder of its label.

    Parameters
    ----------
    name : str
        The model's name in the catalogue.
    parameters : mapping of str to object
        What it was built with.
    features : tuple of str
        Names of the columns that it takes, in order.
    window : int
        Rows of features that one prediction needs.
    """

    name: str
    parameters: dict[str, Any]
    features: tuple[str, ...] = Field(min_length=1)
    window: int = Field(ge=1)


class Manifest(Training):
    """All that a bundle holds. Made by :meth:`of`, read by :meth:`parse`.

    Parameters
    ----------
    format : int
        Of the bundle; 1.
    version : str
        ``v`` and the first 12 hexadecimal digits of the SHA-256 of everything else here in
        canonical JSON. It holds no time of writing, so the same training has the same version.
    models : mapping of str to ModelEntry
        Label, such as ``point`` or ``scale``, to the model.
    documents : mapping of str to str
        Label, such as ``calibration``, to the JSON file.
    files : mapping of str to str
        Every file but the manifest to its SHA-256.
    """

    format: Literal[1]
    version: str
    models: dict[Label, ModelEntry] = Field(min_length=1)
    documents: dict[Label, FileName]
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        folders = {name.partition("/")[0] for name in self.files if "/" in name}
        alone = {name for name in self.files if "/" not in name}
        if folders != set(self.models) or alone != set(self.documents.values()):
            raise ValueError(
                f"files {sorted(self.files)} do not belong to models {sorted(self.models)} "
                f"and documents {sorted(self.documents.values())}"
            )
        for label in self.models:
            if f"{label}/{CANARY_FILE}" not in self.files:
                raise ValueError(f"model {label!r} has no {CANARY_FILE}")
        return self

    @model_validator(mode="after")
    def _self_consistent(self) -> Self:
        version = version_of(self.model_dump(mode="json"))
        if self.version != version:
            raise ValueError(f"version is {self.version}, but the content hashes to {version}")
        return self

    @classmethod
    def of(
        cls,
        training: Training,
        models: Mapping[str, ModelEntry],
        documents: Mapping[str, str],
        files: Mapping[str, str],
    ) -> Self:
        """Build a manifest and name its version.

        Raises
        ------
        BundleError
            If a name is not safe, or a file belongs to no model and no document.
        """
        content = {
            **training.model_dump(mode="json", include=set(Training.model_fields)),
            "format": FORMAT,
            "models": {label: entry.model_dump(mode="json") for label, entry in models.items()},
            "documents": dict(documents),
            "files": dict(files),
        }
        try:
            return cls.model_validate({**content, "version": version_of(content)})
        except ValidationError as error:
            raise BundleError(f"the bundle cannot be written: {_first(error)}") from error

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a manifest, refusing it unless it is byte for byte what :meth:`dump` writes.

        Raises
        ------
        BundleError
            If it is not JSON, has another format, says something impossible, or its content
            does not hash to its version.
        """
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{MANIFEST_FILE} is not JSON: {error}") from error
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            found = value.get("format") if isinstance(value, dict) else type(value).__name__
            raise BundleError(
                f"{MANIFEST_FILE}: this Truecast reads bundles of format {FORMAT}, "
                f"found {found!r}; train again"
            )
        try:
            manifest = cls.model_validate(value)
        except ValidationError as error:
            raise BundleError(f"{MANIFEST_FILE}: {_first(error)}") from error
        if manifest.dump() != content:
            raise BundleError(f"{MANIFEST_FILE} has been edited: it is not as it was written")
        return manifest

    def dump(self) -> bytes:
        """Write the manifest: JSON for people, the same bytes for the same content."""
        value = self.model_dump(mode="json")
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()


def version_of(content: Mapping[str, Any]) -> str:
    """Name a manifest's content: ``v`` and 12 hexadecimal digits; its ``version`` is left out."""
    rest = {key: value for key, value in content.items() if key != "version"}
    return "v" + hash_of(rest)[:12]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
