"""What can be wrong with the registry."""

from truecast.core.errors import TruecastError, UsageError
from truecast.core.slot import Slot


class RegistryError(TruecastError):
    """Bundles, or what MLflow says of them, are not as they should be."""


class NoChampionError(UsageError):
    """No model answers for a slot.

    Parameters
    ----------
    slot : Slot
        Which one.
    trained : bool
        Whether a version is there that could be promoted.
    """

    def __init__(self, slot: Slot, *, trained: bool = False) -> None:
        command = f"truecast {'promote' if trained else 'run'} {slot.recipe}"
        super().__init__(f"{slot} has no champion yet: run `{command}`")
