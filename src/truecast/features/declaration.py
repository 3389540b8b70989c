"""What a feature is: a family with its parameters, on one series of bars."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from truecast.core.bars import PRICES, QUOTES
from truecast.core.errors import TruecastError, UsageError
from truecast.core.names import UnknownNameError

Column: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = NDArray[np.float64]
Windows: TypeAlias = NDArray[np.int64]
Output: TypeAlias = NDArray[np.floating]
Parameters: TypeAlias = Mapping[str, int]
#: What a kernel gets: a row for each of :data:`ROWS`, one column a bar, shape (i, m).
Inputs: TypeAlias = NDArray[np.float64]
#: What it writes to: a row for each feature, one column a bar, shape (k, n).
Outputs: TypeAlias = NDArray[np.floating]
#: What is asked of a family: one row a feature, its place in the outputs and its parameters.
Asked: TypeAlias = NDArray[np.int64]

#: When a bar closed, by its market's calendar: minutes after local midnight, since the open of
#: its session and until its close; and since the open and until the close of the New York Stock
#: Exchange's session of that day. NaN where there is no such session.
CLOCK = ("local_minute", "since_open", "until_close", "us_since_open", "us_until_close")
#: What a family may read of a bar. ``session`` is the trading day as days since 1970-01-01.
INPUTS = (*PRICES, "volume", *QUOTES, "session", *CLOCK)
#: The rows of a kernel's input: these, and what many of them need of the closes, 100·ln(C/C[1]).
ROWS = (*INPUTS, "return")


class FeatureError(TruecastError):
    """A feature could not be computed."""


@dataclass(frozen=True)
class Parameter:
    """A whole number that a family takes.

    Parameters
    ----------
    default : int
        The value where the recipe gives none.
    minimum, maximum : int
        The range that is accepted, both ends included.
    meaning : str
        What it is, with its unit.
    """

    default: int
    minimum: int = 1
    maximum: int = 10_000
    meaning: str = "bars"

    def checked(self, value: object, name: str, where: str) -> int:
        """Return the value if it is a whole number in the range.

        Raises
        ------
        UsageError
            If it is not.
        """
        valid = isinstance(value, int) and not isinstance(value, bool)
        if not valid or not self.minimum <= value <= self.maximum:  # type: ignore[operator]
            raise UsageError(
                f"{where}: {name} must be a whole number from {self.minimum} to {self.maximum} "
                f"({self.meaning}), got {value!r}"
            )
        return int(value)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class Family:
    """A quantity that can be computed from bars, for any values of its parameters.

    A family is declared once, in the module of its kind; there is nothing to inherit.

    Parameters
    ----------
    name : str
        Its name in a recipe, and the beginning of its features' names.
    inputs : tuple of str
        The columns of :data:`INPUTS` that it reads.
    lookback : callable
        From the parameters to the number of bars that a value depends on, its own included.
    unit, formula, reference : str
        For people: the unit of the values, how they are computed, and where that comes from.
        In formulas C[n] is the close n bars earlier.
    kernel : str
        ``module:function`` in ``features/kernels``: the loop that writes the features asked for.
        Families with the same one share work and are computed in one call.
    parameters : mapping of str to Parameter
        What may be set, in the order of a feature's name.
    recursive : bool
        Whether a value depends, ever more weakly, on all bars before. Its lookback is then where
        the weight of what came before falls below the last bit of a float64.
    context_only : bool
        Whether it is a level, which is scale-free only for a series that is a rate itself.
    context_inputs : tuple of str
        Columns of the context series, as known at the decision, that it reads beside the
        instrument's own bars.
    warm_up : callable or None
        From the parameters to the number of bars that a first value needs, where that is less
        than the lookback: until then the window is what there is.
    of_news : bool
        Whether it is computed from articles, not from bars.
    scale_free : bool
        Whether multiplying all prices, or all volumes, by a constant changes no value. What is not
        scale-free, such as a price itself, says little about years whose prices were others.
    function : callable or None
        A user's own, in the place of a kernel: it gets all the bars at once.
    """

    name: str
    inputs: tuple[str, ...]
    lookback: Callable[[Parameters], int]
    unit: str
    formula: str
    reference: str
    kernel: str = ""
    parameters: Mapping[str, Parameter] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )
    recursive: bool = False
    context_only: bool = False
    context_inputs: tuple[str, ...] = ()
    warm_up: Callable[[Parameters], int] | None = None
    of_news: bool = False
    scale_free: bool = True
    function: Callable[..., Any] | None = None

    def feature(
        self, given: Mapping[str, object] | None = None, of: str | None = None, where: str = ""
    ) -> "Feature":
        """Return the feature of these parameters; those not given have their default.

        Parameters
        ----------
        given : mapping of str to int
            Values of parameters.
        of : str or None
            A context symbol; None for the instrument itself.
        where : str
            Where it was asked for, for the message.

        Raises
        ------
        UsageError
            If a parameter is unknown or out of range, or the family needs ``of``.
        """
        given, where = given or {}, where or f"feature {self.name!r}"
        for name in given:
            if name not in self.parameters:
                raise UnknownNameError("parameter", name, [*self.parameters, "of"], where)
        values = {
            name: parameter.checked(given.get(name, parameter.default), name, where)
            for name, parameter in self.parameters.items()
        }
        if of is not None and self.of_news:
            raise UsageError(f"{where}: {self.name} is about news, not about {of}: leave out `of`")
        if of is None and (self.context_only or self.context_inputs):
            raise UsageError(
                f"{where}: {self.name} is for a context series: "
                f"name one, such as {{{self.name}: {{of: ^VIX}}}}"
            )
        return Feature(self._name(values, of), self, MappingProxyType(values), of)

    def _name(self, values: Parameters, of: str | None) -> str:
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        # A single parameter tells the members of a family apart; several do so when unusual.
        shown = () if len(values) > 1 and dict(values) == defaults else tuple(values.values())
        name = "_".join([self.name, *map(str, shown)])
        return name if of is None else f"{name}__{slug(of)}"


@dataclass(frozen=True)
class Feature:
    """One column: a family with its parameters, on the instrument or a context series.

    Parameters
    ----------
    name : str
        The column's name, such as ``rsi_14`` or ``log_close__vix``.
    family : Family
        What it is one of.
    parameters : mapping of str to int
        The family's parameters.
    of : str or None
        The context symbol, or None for the instrument itself.
    """

    name: str
    family: Family
    parameters: Parameters = field(default_factory=dict, hash=False)
    of: str | None = None

    @property
    def output(self) -> str:
        """The family's name: what the column holds, whatever the parameters."""
        return self.family.name

    @property
    def series(self) -> str | None:
        """Whose bars it is computed on: a context symbol, or None for the instrument's."""
        return None if self.family.context_inputs else self.of

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns it reads; those of a context series beside its own as ``^VIX:close``."""
        beside = tuple(f"{self.of}:{name}" for name in self.family.context_inputs)
        return self.family.inputs + beside

    @property
    def lookback(self) -> int:
        """Number of bars that a value depends on, its own included."""
        return self.family.lookback(self.parameters)

    @property
    def warm_up(self) -> int:
        """Number of bars that the first value needs."""
        return (self.family.warm_up or self.family.lookback)(self.parameters)

    @property
    def recursive(self) -> bool:
        """Whether a value depends, ever more weakly, on all bars before."""
        return self.family.recursive

    @property
    def unit(self) -> str:
        """The unit of the values."""
        return self.family.unit

    @property
    def formula(self) -> str:
        """How the values are computed, with this feature's parameters."""
        formula = self.family.formula
        for name, value in self.parameters.items():
            formula = re.sub(rf"\b{name}\b", str(value), formula)
        return formula

    @property
    def reference(self) -> str:
        """Where the formula comes from."""
        return self.family.reference


def slug(symbol: str) -> str:
    """Write a symbol as the end of a feature's name.

    Examples
    --------
    >>> slug("^VIX"), slug("GC=F")
    ('vix', 'gc_f')
    """
    return re.sub(r"[^a-z0-9]+", "_", symbol.lower()).strip("_")
