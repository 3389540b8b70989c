"""What a request passes before any route is looked for, in order."""

from collections.abc import Collection

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from truecast.serving.door.access import Access
from truecast.serving.door.gate import Gate
from truecast.serving.door.guard import Guard

#: What a page of others may read of an answer besides its body.
_SHOWN = ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def doors(
    hosts: Collection[str], access: Access | None, origins: Collection[str] = ()
) -> list[Middleware]:
    """Return them: who is asked for, which page asks, and who asks.

    Parameters
    ----------
    hosts : collection of str
        Names that the server goes by.
    access : Access, optional
        Knows the keys.
    origins : collection of str
        Pages of others that may ask; none of them unless they are named here.
    """
    guard = Middleware(Guard, hosts=hosts, origins=origins)
    # A browser asks without a key whether a page may ask with one: that is answered before keys.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[*origins],
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "X-API-Key", "Content-Type"],
        expose_headers=[*_SHOWN],
        max_age=600,
    )
    return [guard, *([cors] if origins else []), Middleware(Gate, access=access)]
