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
    typed : str or None
        What names the recipe after a command; None for its name.
    """

    def __init__(self, slot: Slot, *, trained: bool = False, typed: str | None = None) -> None:
        self.slot, self.trained = slot, trained
        command = f"truecast {'promote' if trained else 'run'} {typed or slot.recipe}"
        super().__init__(f"{slot} has no champion yet: run `{command}`")

    def typed(self, recipe: str) -> "NoChampionError":
        """Return the error with what was typed for the recipe in place of its name."""
        return NoChampionError(self.slot, trained=self.trained, typed=recipe)
