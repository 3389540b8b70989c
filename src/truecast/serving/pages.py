"""Pages for people: files that ship with the package, and load nothing from elsewhere."""

from functools import cache
from importlib import resources

from starlette.responses import Response

#: A page loads its own files and asks its own server. Nothing else, and nothing inline.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(name: str, media_type: str) -> Response:
    """Answer with one of the files in ``page``."""
    return Response(_read(name), media_type=media_type, headers={"content-security-policy": POLICY})


@cache
def _read(name: str) -> bytes:
    return resources.files("truecast.serving").joinpath("page", name).read_bytes()
