"""What each route demands of a key, how often it may be asked, and how much it may be sent.

The one table of that. What is posted to a path that is not in it needs the scope ``admin``: a
route that somebody forgot to enter is closed, not open.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["read", "write", "admin"]
#: Each one holds those before it.
SCOPES: tuple[Scope, ...] = get_args(Scope)

MIB = 1024 * 1024


@dataclass(frozen=True)
class RouteClass:
    """Routes that are treated alike.

    Parameters
    ----------
    name : str
        Also of the setting that limits it: ``TRUECAST_LIMIT_`` and this.
    scope : str
        What a key must be good for.
    largest_body : int
        Bytes.
    counted : bool
        Whether a request is refused while requests cannot be counted where that was set.
    """

    name: str
    scope: Scope
    largest_body: int = MIB
    counted: bool = False


PREDICT = RouteClass("predict", "read")
READ = RouteClass("read", "read")
WRITE = RouteClass("write", "write", largest_body=8 * MIB)
TRAIN = RouteClass("train", "write", counted=True)
ADMIN = RouteClass("admin", "admin", counted=True)
STREAM = RouteClass("stream", "read")
CLASSES = (PREDICT, READ, WRITE, TRAIN, ADMIN, STREAM)

#: What is posted where.
_POSTED = {
    "/predict": PREDICT,
    "/predict-parent": PREDICT,
    "/predict-child": PREDICT,
    "/forecast/price": PREDICT,
    "/analyze": PREDICT,
    "/agent/chat": PREDICT,
    "/bars": WRITE,
    "/news": WRITE,
    "/train-parent": TRAIN,
    "/train-child": TRAIN,
}
_POSTED_UNDER = {
    "/predict/": PREDICT,
    "/monitor/": PREDICT,
    "/monitoring/": ADMIN,
    "/models/": ADMIN,
}
#: What is read that is not for everybody with a key.
_READ_UNDER = {"/system/": ADMIN}


def class_of(method: str, path: str) -> RouteClass:
    """Return the class of a route.

    Parameters
    ----------
    method : str
        In capitals.
    path : str
        With percent signs decoded, as the application is given it.

    Examples
    --------
    >>> class_of("POST", "/predict").scope, class_of("POST", "/forgotten").scope
    ('read', 'admin')
    """
    return named_class(method, path) or ADMIN


def named_class(method: str, path: str) -> RouteClass | None:
    """Return the class of a route that is in the table, or that only reads; else None."""
    if method == "POST":
        return _POSTED.get(path) or _under(_POSTED_UNDER, path)
    if method in ("GET", "HEAD", "OPTIONS"):
        return _under(_READ_UNDER, path) or READ
    return None


def _under(table: dict[str, RouteClass], path: str) -> RouteClass | None:
    return next((of for start, of in table.items() if path.startswith(start)), None)
