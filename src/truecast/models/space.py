"""In which ranges a family's parameters may be tuned: declared beside the family, drawn here.

A family that can be tuned says so by a class attribute ``SPACE``, parameter to range::

    SPACE: ClassVar[Space] = {
        "learning_rate": Range(0.005, 0.2, log=True),
        "num_leaves": Range(3, 31, whole=True),
        "loss": Choices(("squared", "absolute")),
    }
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truecast.core.errors import UsageError
from truecast.models.base import Model

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high : float
        The ends, in the parameter's own unit; ``low < high``.
    log : bool
        Whether a factor counts and not a difference: equal chances for equal ratios. ``low`` is
        above 0 then.
    whole : bool
        Whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UsageError(f"a range goes from a number to a larger one: {self}")
        if self.log and self.low <= 0:
            raise UsageError(f"a logarithmic range starts above 0: {self}")
        if self.whole and not (float(self.low).is_integer() and float(self.high).is_integer()):
            raise UsageError(f"a range of whole numbers has whole ends: {self}")

    def draw(self, trial: "optuna.trial.BaseTrial", name: str) -> float | int:
        """Draw a number for a trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choices:
    """A few values, without an order among them.

    Parameters
    ----------
    values : tuple of object
        Two or more, each of which JSON can write.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise UsageError(f"a choice is among two values at least: {self}")

    def draw(self, trial: "optuna.trial.BaseTrial", name: str) -> Any:
        """Draw a value for a trial."""
        # As text, so that a list or a mapping may be among them; Optuna keeps only plain values.
        texts = [json.dumps(value) for value in self.values]
        return json.loads(trial.suggest_categorical(name, texts))


Space = Mapping[str, Range | Choices]


def space_of(kind: type[Model]) -> Space:
    """Return in which ranges a family may be tuned; nothing if it says none."""
    space: Space = getattr(kind, "SPACE", {})
    return space


def draw(trial: "optuna.trial.BaseTrial", space: Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the parameters of a trial.

    Parameters
    ----------
    trial : optuna.trial.BaseTrial
        Draws, and remembers what it drew.
    space : mapping of str to Range or Choices
        Of the family, in the order in which they are drawn.
    fixed : mapping of str to object
        What the recipe says: it stays as it is and is not drawn.

    Returns
    -------
    dict of str to object
        All of them, those of the recipe and those drawn.
    """
    return {
        **fixed,
        **{name: one.draw(trial, name) for name, one in space.items() if name not in fixed},
    }
