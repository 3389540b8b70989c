"""Ask a hub of models, such as huggingface.co, for the files of one commit.

Not through the hub's own library: that asks whatever host it is sent to, keeps a cache of its own,
and has settings beside ours.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from truecast.core.hashing import sha256_of
from truecast.sentiment.base import SentimentError
from truecast.sources.http import (
    AccessError,
    AnswerError,
    Client,
    HttpError,
    Policy,
    RejectedError,
    read_json,
)
from truecast.sources.options import host_of

# Hosts that huggingface.co has sent large files from and no longer lists in its meta.json.
_UNLISTED = frozenset({"cas-bridge.xethub.hf.co", "cdn-lfs.huggingface.co"})
# Keys of meta.json that list the hosts which files come from.
_LISTS = ("cdnDomains", "lfsDomains")
_PER_SECOND = 5.0
_LARGEST = 2 * 2**30
# A slow line takes long over half a gigabyte, and is not an outage.
_TOTAL_SECONDS = 3600.0


@dataclass(frozen=True)
class HubFile:
    """What the hub says of a file.

    Parameters
    ----------
    path : str
        Its place in the repository.
    size : int
        Bytes.
    sha256 : str or None
        Of its content; None of a file so small that it lies in git itself.
    blob : str
        Git's name of its blob: for a file in git itself a SHA-1 of its content.
    """

    path: str
    size: int
    sha256: str | None
    blob: str

    def check(self, content: bytes) -> None:
        """Refuse a content that is not what the hub says it is.

        Raises
        ------
        SentimentError
            If it has another size or hash.
        """
        if self.sha256 is not None:
            kind, expected, got = "SHA-256", self.sha256, sha256_of(content)
        else:
            kind, expected, got = "git blob", self.blob, _git_blob(content)
        if len(content) != self.size or got != expected:
            raise SentimentError(
                f"{self.path}: expected {self.size} bytes with {kind} {expected}, as the hub says "
                f"of it, got {len(content)} bytes with {got}: nothing is kept; try again"
            )


class Hub:
    """One hub.

    Parameters
    ----------
    url : str
        Its address.

    Notes
    -----
    Large files come from other hosts, to which the hub redirects. Allowed are those that it lists
    itself in ``/.well-known/meta.json``. Whatever they send is checked against what the hub says.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._host = host_of(url)

    def commit_of(self, repo: str, revision: str) -> str:
        """Return the commit that a branch, tag or commit stands for now."""
        where = f"{repo} at {revision}"
        said = self._ask(f"/api/models/{repo}/revision/{quote(revision, safe='')}", where)
        commit = said.get("sha") if isinstance(said, dict) else None
        if not isinstance(commit, str) or not _is_hex(commit):
            raise AnswerError(f"{where}: expected a document with the commit as sha, got {said!r}")
        return commit

    def files(self, repo: str, commit: str) -> dict[str, HubFile]:
        """Return what a commit holds, by path."""
        where = f"files of {repo} at {commit}"
        said = self._ask(f"/api/models/{repo}/tree/{commit}", where, {"recursive": "true"})
        if not isinstance(said, list):
            raise AnswerError(f"{where}: expected a list, got {said!r}")
        return {file.path: file for file in map(_read_entry, _of_files(said))}

    def fetch(self, repo: str, commit: str, file: HubFile) -> bytes:
        """Return the content of a file, proven to be what the hub says of it.

        Raises
        ------
        SentimentError
            If it is not.
        HttpError
            If it cannot be had.
        """
        if file.size > _LARGEST:
            raise SentimentError(
                f"{file.path} has {file.size} bytes; at most {_LARGEST} are downloaded"
            )
        path = f"/{repo}/resolve/{commit}/{quote(file.path)}"
        content = self._downloads.get(self.url + path).content
        file.check(content)
        return content

    def _listed_hosts(self) -> frozenset[str]:
        """Return the hosts from which the hub says that it sends files."""
        try:
            said = self._ask("/.well-known/meta.json", "hosts of the hub")
        except (RejectedError, AccessError, AnswerError):
            # A hub that has no such list sends files itself, or else the redirect is refused.
            return frozenset()
        lists = [said.get(key) for key in _LISTS] if isinstance(said, dict) else []
        found = (host for hosts in lists if isinstance(hosts, list) for host in hosts)
        return frozenset(host for host in found if isinstance(host, str))

    def _ask(self, path: str, where: str, params: Mapping[str, str] | None = None) -> Any:
        return read_json(self._documents.get(self.url + path, params), where=where)

    @cached_property
    def _documents(self) -> Client:
        return Client(Policy(hosts=frozenset({self._host}), per_second=_PER_SECOND))

    @cached_property
    def _downloads(self) -> Client:
        return Client(
            Policy(
                hosts=frozenset({self._host}) | _UNLISTED | self._listed_hosts(),
                per_second=_PER_SECOND,
                largest_bytes=_LARGEST,
                total_seconds=_TOTAL_SECONDS,
            )
        )


def explain(error: HttpError, what: str) -> str:
    """Say why something cannot be had from the hub."""
    if isinstance(error, AccessError) or error.status == 404:
        return f"{what}: there is no such thing on the hub, or it is private: {error}"
    return f"{what}: {error}"


def _of_files(entries: list[Any]) -> Iterator[dict[str, Any]]:
    return (entry for entry in entries if isinstance(entry, dict) and entry.get("type") == "file")


def _read_entry(entry: dict[str, Any]) -> HubFile:
    large = entry.get("lfs")
    held = large if isinstance(large, dict) else entry
    path, blob, size = entry.get("path"), entry.get("oid"), held.get("size")
    sha256 = held.get("oid") if isinstance(large, dict) else None
    if not (isinstance(path, str) and isinstance(blob, str) and isinstance(size, int)):
        raise AnswerError(f"expected a file with path, oid and size, got {entry!r}")
    if isinstance(large, dict) and not isinstance(sha256, str):
        raise AnswerError(f"expected the SHA-256 of a large file as lfs.oid, got {entry!r}")
    return HubFile(path=path, size=size, sha256=sha256, blob=blob)


def _is_hex(text: str) -> bool:
    return len(text) >= 40 and all(char in "0123456789abcdef" for char in text)


def _git_blob(content: bytes) -> str:
    """Return git's name of a content. Git chose SHA-1; it is what the hub gives."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
