"""A hub of models on 127.0.0.1, with the addresses and answers of huggingface.co's shape.

``Hub(vendor, files)`` lets the fixture ``vendor`` answer as a hub that holds one repository. Large
files are answered with a redirect to ``/cdn/...``, as the real one does.
"""

import hashlib
import json
from collections.abc import Mapping

from truecast.core.hashing import sha256_of
from vendors.server import Asked, Scripted, Vendor

REPO = "Xenova/finbert"
COMMIT = "5a1e" * 10


class Hub:
    """What a hub with one repository answers.

    Attributes
    ----------
    files : dict
        What the repository holds, by path.
    sent : dict
        What is sent in its place, where a test tampers with a file.
    large : set
        Paths that are kept outside git.
    cdn : str
        Where large files come from; the hub itself at first.
    meta : dict or None
        What ``/.well-known/meta.json`` says; None for a hub without one.
    """

    def __init__(self, vendor: Vendor, files: Mapping[str, bytes]) -> None:
        self.files, self.sent = dict(files), {}
        self.large = {path for path in files if path.endswith(".onnx")}
        self.url = self.cdn = vendor.url
        self.meta: dict | None = {"hubDomains": ["127.0.0.1"], "cdnDomains": [], "lfsDomains": []}
        self.asked = vendor.asked
        vendor.respond = self.respond

    def paths_asked(self) -> list[str]:
        """Return what was asked for, in order."""
        return [asked.path for asked in self.asked]

    def respond(self, asked: Asked) -> Scripted:
        api, path = f"/api/models/{REPO}", asked.path
        if path == "/.well-known/meta.json":
            return _json(self.meta) if self.meta is not None else _json({}, 404)
        if path in {f"{api}/revision/main", f"{api}/revision/{COMMIT}"}:
            return _json({"id": REPO, "sha": COMMIT, "siblings": []})
        if path == f"{api}/tree/{COMMIT}":
            return _json([_directory("onnx"), *map(self._entry, sorted(self.files))])
        if path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
            return self._resolve(path.removeprefix(f"/{REPO}/resolve/{COMMIT}/"))
        if path.startswith("/cdn/"):
            return self._send(path.removeprefix("/cdn/"))
        if path.startswith(api):
            return _json({"error": "Invalid rev id"}, 404)
        # What the real one says of a repository that there is not.
        return _json({"error": "Invalid username or password."}, 401)

    def _resolve(self, path: str) -> Scripted:
        if path not in self.files:
            return _json({"error": "Entry not found"}, 404)
        if path in self.large:
            return Scripted(b"", 302, {"Location": f"{self.cdn}/cdn/{path}?Signature=made-up"})
        # Small ones by a redirect on the same host.
        return Scripted(b"", 307, {"Location": f"/cdn/{path}"})

    def _send(self, path: str) -> Scripted:
        content = self.sent.get(path, self.files[path])
        return content if isinstance(content, Scripted) else Scripted(content)

    def _entry(self, path: str) -> dict:
        content = self.files[path]
        entry = {"type": "file", "path": path, "size": len(content)}
        if path not in self.large:
            return entry | {"oid": blob_of(content)}
        digest = sha256_of(content)
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n"
            f"size {len(content)}\n"
        ).encode()
        large = {"oid": digest, "size": len(content), "pointerSize": len(pointer)}
        return entry | {"oid": blob_of(pointer), "lfs": large}


def blob_of(content: bytes) -> str:
    """Return git's name of a blob."""
    return hashlib.sha1(f"blob {len(content)}\x00".encode() + content).hexdigest()  # noqa: S324


def _directory(path: str) -> dict:
    return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}


def _json(body: object, status: int = 200) -> Scripted:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Scripted(json.dumps(body).encode(), status, headers)
