"""A trained model on disk: read only after it is proven to be exactly what was written.

No pickle. A bundle is a folder: ``manifest.json``, a folder for each model with its payload and
its canary rows, and JSON documents. :func:`load_bundle` reads in this order, and stops at the
first thing that is wrong:

1. the manifest parses, hashes to its own version, and to the expected one if that is given;
2. the files on disk are the manifest's: none more, none less, no links;
3. each file's bytes have the manifest's SHA-256;
4. only then are those same bytes handed to the models;
5. the models forecast the canary rows as they did when they were saved.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import numpy as np

from truecast.core.errors import UsageError
from truecast.core.hashing import canonical_json, sha256_of
from truecast.models.base import Model, ModelError, Vector, Windows
from truecast.models.catalog import MODELS
from truecast.models.manifest import (
    CANARY_FILE,
    MANIFEST_FILE,
    BundleError,
    Manifest,
    ModelEntry,
    Training,
)
from truecast.models.parameters import check_parameters, parameters_of

#: Canary rows are forecast again at load; a larger relative difference refuses the bundle. Other
#: processors may round a sum differently in the last of a float64's 16 digits. A model that works
#: in float32, with 7 digits, says its own as ``canary_tolerance``.
CANARY_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Part:
    """One fitted model to be saved.

    Parameters
    ----------
    model : Model
        Fitted.
    features : tuple of str, length k
        Names of the columns that it was fitted on, in order.
    canary : array of float, shape (n, window, k), n from 1
        A few rows of real features, kept with what the model says to them.
    """

    model: Model
    features: tuple[str, ...]
    canary: Windows


@dataclass(frozen=True)
class Bundle:
    """A bundle that has passed every check.

    Parameters
    ----------
    manifest : Manifest
        How it was trained and what it holds.
    models : mapping of str to Model
        Label to the fitted model.
    documents : mapping of str to object
        Label to the JSON document.
    """

    manifest: Manifest
    models: Mapping[str, Model]
    documents: Mapping[str, Any]


def save_bundle(
    folder: Path,
    training: Training,
    parts: Mapping[str, Part],
    documents: Mapping[str, Any] = MappingProxyType({}),
) -> Manifest:
    """Write a bundle in one step: the whole folder appears, or nothing does.

    Parameters
    ----------
    folder : Path
        Where it shall be. If the same bundle is already there, nothing is written.
    training : Training
        What it was trained for, and on which rows.
    parts : mapping of str to Part
        Label, such as ``point`` or ``scale``, to a fitted model.
    documents : mapping of str to object
        Label, such as ``calibration``, to something that JSON can hold.

    Returns
    -------
    Manifest
        Its ``version`` is the same whenever the same training is saved again.

    Raises
    ------
    BundleError
        If a model's shape is not that of its canary rows, a name is not safe, another bundle is
        in the way, the disk refuses, or what was written does not load.
    """
    contents: dict[str, bytes] = {}
    entries = {}
    for label, part in parts.items():
        entries[label] = _entry(label, part)
        contents |= {f"{label}/{name}": data for name, data in part.model.payload().items()}
        contents[f"{label}/{CANARY_FILE}"] = _canary(part)
    places = {label: f"{label}.json" for label in documents}
    for label, document in documents.items():
        contents[places[label]] = _document(label, document)
    files = {name: sha256_of(data) for name, data in contents.items()}
    manifest = Manifest.of(training, entries, places, files)
    if MANIFEST_FILE in contents:
        raise BundleError(f"{MANIFEST_FILE} is the bundle's own: name the document otherwise")
    contents[MANIFEST_FILE] = manifest.dump()
    try:
        _publish(folder, contents, manifest.version)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written: {error}") from error
    return manifest


def load_bundle(folder: Path, *, expected_version: str | None = None) -> Bundle:
    """Read a bundle, refusing it before anything is deserialised unless it is exactly as written.

    The last check is on the models: each must forecast its canary rows as it did when it was
    saved, to within a relative difference of 1e-9 (``CANARY_TOLERANCE``) or its own
    ``canary_tolerance``.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    expected_version : str or None
        The version that the registry names. Without it a bundle is only held against itself.

    Raises
    ------
    BundleError
        Says which file is wrong and why.
    """
    manifest = read_manifest(folder, expected_version=expected_version)
    try:
        contents = _read_files(folder, manifest)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be read: {error}") from error
    models = {
        label: _load_model(folder, label, entry, contents)
        for label, entry in manifest.models.items()
    }
    documents = {
        label: _json(folder / name, contents[name]) for label, name in manifest.documents.items()
    }
    return Bundle(manifest, MappingProxyType(models), MappingProxyType(documents))


def read_manifest(folder: Path, *, expected_version: str | None = None) -> Manifest:
    """Read what a bundle says of itself, without looking at the rest.

    Raises
    ------
    BundleError
        If there is none, it is not as it was written, its version is not the expected one, or
        the disk refuses.
    """
    path = folder / MANIFEST_FILE
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{folder}: expected a file {MANIFEST_FILE}; this is not a bundle")
    try:
        manifest = Manifest.parse(path.read_bytes())
    except (BundleError, OSError) as error:
        raise BundleError(f"{folder}: {error}") from error
    if expected_version is not None and manifest.version != expected_version:
        raise BundleError(
            f"{folder}: expected version {expected_version}, "
            f"{MANIFEST_FILE} is of {manifest.version}"
        )
    return manifest


def _entry(label: str, part: Part) -> ModelEntry:
    model, shape = part.model, part.canary.shape
    expected = (model.window, len(part.features))
    if part.canary.ndim != 3 or not shape[0] or shape[1:] != expected:
        raise BundleError(
            f"{label}: expected canary rows of shape (1 or more, {expected[0]}, {expected[1]}), "
            f"got {shape}"
        )
    own = model.features(())
    if not set(own) <= set(part.features):
        raise BundleError(f"{label}: {model.name} takes {own}, got features {part.features}")
    return ModelEntry(
        name=model.name,
        parameters=parameters_of(model),
        features=part.features,
        window=model.window,
    )


def _canary(part: Part) -> bytes:
    inputs = part.canary.astype(np.float32)
    expected = part.model.predict(inputs)
    return canonical_json({"inputs": _plain(inputs), "expected": _plain(expected)}).encode()


def _plain(values: np.ndarray[Any, Any]) -> Any:
    """Nested lists of float64, with None for NaN."""
    whole = values.astype(np.float64).astype(object)
    whole[np.isnan(values)] = None
    return whole.tolist()


def _document(label: str, document: Any) -> bytes:
    try:
        return canonical_json(document).encode()
    except (TypeError, ValueError) as error:
        raise BundleError(f"document {label!r} cannot be written as JSON: {error}") from error


def _publish(folder: Path, contents: Mapping[str, bytes], version: str) -> None:
    """Write beside the place, prove that it loads, and rename."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{uuid4().hex}.tmp"
    try:
        _write(draft, contents)
        load_bundle(draft, expected_version=version)
        try:
            draft.rename(folder)
        except OSError:
            # A folder that is not empty is never replaced; the same bundle need not be.
            if not folder.is_dir() or read_manifest(folder).version != version:
                raise
            load_bundle(folder, expected_version=version)
        _sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(draft: Path, contents: Mapping[str, bytes]) -> None:
    draft.mkdir()
    for name, data in contents.items():
        path = draft / name
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for place in {(draft / name).parent for name in contents}:
        _sync(place)


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """Read every file once and check it; what is deserialised later are these very bytes."""
    found = set(_walk(folder, folder)) - {MANIFEST_FILE}
    if missing := sorted(set(manifest.files) - found):
        raise BundleError(f"{folder}: {missing[0]} is missing ({len(missing)} in all)")
    if extra := sorted(found - set(manifest.files)):
        raise BundleError(
            f"{folder}: {extra[0]} is not in {MANIFEST_FILE} ({len(extra)} such in all); "
            "nothing may be added to a bundle"
        )
    contents = {}
    for name, expected in manifest.files.items():
        contents[name] = (folder / name).read_bytes()
        if (digest := sha256_of(contents[name])) != expected:
            raise BundleError(
                f"{folder}: {name} has been changed: "
                f"its SHA-256 is {digest}, {MANIFEST_FILE} says {expected}"
            )
    return contents


def _walk(folder: Path, root: Path) -> Iterator[str]:
    """Name everything in a folder, relative to the bundle; an empty folder by its name and /."""
    with os.scandir(folder) as entries:
        listed = list(entries)
    if not listed:
        yield f"{folder.relative_to(root).as_posix()}/"
    for entry in listed:
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, root)
        elif entry.is_file(follow_symlinks=False):
            yield name
        else:
            raise BundleError(
                f"{root}: {name} is a link or no ordinary file; none may be in a bundle"
            )


def _load_model(
    folder: Path, label: str, entry: ModelEntry, contents: Mapping[str, bytes]
) -> Model:
    place = folder / label
    files = {
        name.partition("/")[2]: data
        for name, data in contents.items()
        if name.startswith(f"{label}/")
    }
    canary = _json(place / CANARY_FILE, files.pop(CANARY_FILE))
    try:
        kind = MODELS.find(entry.name, MANIFEST_FILE)
        parameters = check_parameters(kind, entry.parameters, where=MANIFEST_FILE)
        model = kind.from_payload(parameters, files)
        inputs, expected = _canary_rows(place, canary)
        predicted = model.predict(inputs)
    except (ModelError, UsageError) as error:
        raise BundleError(f"{place}: cannot be loaded: {error}") from error
    tolerance = max(CANARY_TOLERANCE, getattr(model, "canary_tolerance", 0.0))
    close = np.isclose(predicted, expected, rtol=tolerance, atol=0.0, equal_nan=True)
    if not close.all():
        row = int(np.argmin(close))
        raise BundleError(
            f"{place / CANARY_FILE}: row {row} forecasts {predicted[row]!r}, expected "
            f"{expected[row]!r}: the model does not do what it did when it was saved"
        )
    return model


def _canary_rows(place: Path, canary: Any) -> tuple[Windows, Vector]:
    try:
        inputs = np.array(canary["inputs"], dtype=np.float32)
        expected = np.array(canary["expected"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{place / CANARY_FILE}: expected rows of numbers: {error!r}") from error
    if expected.ndim != 1 or not expected.size or inputs.shape[:1] != expected.shape:
        raise BundleError(
            f"{place / CANARY_FILE}: expected 1 row or more and one output for each, got "
            f"{inputs.shape} and {expected.shape}"
        )
    return inputs, expected


def _json(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is not JSON: {error}") from error
