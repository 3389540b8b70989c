"""The files of a model: fetched once, all of one commit, and proven each time they are used."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from truecast.core.clock import now
from truecast.core.hashing import sha256_of
from truecast.sentiment.base import SentimentError
from truecast.sentiment.hub import Hub, explain
from truecast.sources.http import HttpError

#: Stands beside the files: from where they came, and what they were.
RECORD = "download.json"
_PART = 2**20


@dataclass(frozen=True)
class ModelFiles:
    """Files of a model that are there.

    Parameters
    ----------
    folder : Path
        Where.
    hashes : mapping of str to str
        Path in the folder to the SHA-256 of what was found.
    """

    folder: Path
    hashes: Mapping[str, str]

    def read(self, path: str) -> bytes:
        """Return the content of a small file."""
        return (self.folder / path).read_bytes()


@dataclass(frozen=True)
class Wanted:
    """Files of a repository on a hub.

    Parameters
    ----------
    repo : str
        Such as ``Xenova/finbert``.
    revision : str
        A branch, tag or commit. What a branch stands for is asked once, at the download.
    paths : sequence of str
        The files.
    """

    repo: str
    revision: str
    paths: Sequence[str]

    @property
    def name(self) -> str:
        """Name of the folder that keeps them."""
        return "@".join((self.repo, self.revision, self.paths[0])).replace("/", "--")


def open_folder(folder: Path, paths: Sequence[str]) -> ModelFiles:
    """Look at files that are there, and hold them against the record of their download.

    A folder that a person filled has no record: then its files are taken as they are.

    Raises
    ------
    SentimentError
        If one is missing, or is not what was downloaded.
    """
    recorded = _recorded(folder)
    hashes: dict[str, str] = {}
    for path in paths:
        try:
            hashes[path] = _sha256_of_file(folder / path)
        except OSError as error:
            raise SentimentError(f"{folder / path} cannot be read: {error.strerror}") from error
        if recorded is not None and hashes[path] != recorded.get(path):
            raise SentimentError(
                f"{folder / path} is not what was downloaded: expected SHA-256 "
                f"{recorded.get(path)}, got {hashes[path]}; delete {folder} to download it again"
            )
    return ModelFiles(folder, hashes)


def fetch(wanted: Wanted, models: Path, hub: Hub) -> Path:
    """Return the folder of files from a hub, which are downloaded unless they are there.

    Parameters
    ----------
    wanted : Wanted
        Which.
    models : Path
        The folder of all such folders.
    hub : Hub
        Where to ask.

    Raises
    ------
    SentimentError
        If they cannot be had, or are not what the hub says of them. Then nothing is kept.
    """
    folder = models / wanted.name
    if folder.is_dir():
        return folder
    try:
        models.mkdir(parents=True, exist_ok=True)
        # One process downloads; the others wait, and find the files.
        with FileLock(models / f"{wanted.name}.lock"):
            if not folder.is_dir():
                _download(wanted, folder, hub)
    except OSError as error:
        raise SentimentError(f"{folder} cannot be written: {error}") from error
    return folder


def _download(wanted: Wanted, folder: Path, hub: Hub) -> None:
    draft = folder.with_name(f"{folder.name}.new")
    # Of a process that was killed: whoever holds the lock is alone.
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir()
        record = _fill(draft, wanted, hub)
        text = json.dumps(record, indent=2, sort_keys=True)
        (draft / RECORD).write_text(text + "\n", encoding="utf-8")
        draft.rename(folder)
    except HttpError as error:
        raise SentimentError(
            f"{explain(error, f'{wanted.repo} at {wanted.revision}')}. Without the hub {hub.url} "
            "(TRUECAST_HUB_URL), name a folder with the model's files in the recipe, "
            "`sentiment: {finbert: {folder: PATH}}`, or use `sentiment: lexicon`"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fill(draft: Path, wanted: Wanted, hub: Hub) -> dict[str, object]:
    """Download every file into a folder; return what is to be recorded."""
    commit = hub.commit_of(wanted.repo, wanted.revision)
    there = hub.files(wanted.repo, commit)
    if missing := [path for path in wanted.paths if path not in there]:
        models = ", ".join(sorted(path for path in there if path.endswith(".onnx"))) or "none"
        raise SentimentError(
            f"{wanted.repo} at {commit} has no {', '.join(missing)}; its ONNX models: {models}"
        )
    files: dict[str, dict[str, object]] = {}
    for path in wanted.paths:
        content = hub.fetch(wanted.repo, commit, there[path])
        place = draft / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        files[path] = {"sha256": sha256_of(content), "size": len(content)}
    return {
        "hub": hub.url,
        "repo": wanted.repo,
        "revision": wanted.revision,
        "commit": commit,
        "files": files,
        "downloaded_at": now().isoformat(),
    }


def _recorded(folder: Path) -> dict[str, str] | None:
    """Return path to SHA-256 as recorded at the download; None where there was none."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: str(entry["sha256"]) for name, entry in files.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SentimentError(
            f"{path} is not the record of a download ({error!r}): delete {folder} to download again"
        ) from error


def _sha256_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()
