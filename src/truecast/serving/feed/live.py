"""What keeps forecasts new while a server runs: the live feed, or a replay in its place."""

from typing import Literal, Protocol

from truecast.core.slot import Slot

#: ``ingests``: this process polls and issues; ``stands by``: another one does; ``replays``: the
#: past is lived through again; ``rests``: nothing that is served is live.
Role = Literal["ingests", "stands by", "replays", "rests"]


class Live(Protocol):
    """Something that runs beside the routes, from the server's start to its end."""

    @property
    def role(self) -> Role:
        """What it does."""
        ...

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def stop(self) -> None:
        """End, within seconds; what is half done is left whole."""
        ...

    def poke(self) -> None:
        """Say that something new has come into the lake."""
        ...

    def refresh(self, slot: Slot) -> bool:
        """Have a bar that is due fetched first; say whether anything new has come."""
        ...

    def troubles(self) -> list[str]:
        """Say in words what is amiss."""
        ...
