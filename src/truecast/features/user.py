"""Features that a user writes: a plain function, named in the recipe as ``module:function``."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from truecast.core.errors import UsageError
from truecast.core.hashing import sha256_of
from truecast.core.names import UnknownNameError
from truecast.features.declaration import INPUTS, Column, Family, FeatureError

_DECLARATION = "__truecast_feature__"
#: Columns that the rows of a dataset have besides features, in the lake and in the online store.
_TAKEN = frozenset({"instrument", "session", "event_time", "as_of", "part", "created_at"})
_LARGEST = float(np.finfo(np.float32).max)
Function = TypeVar("Function", bound=Callable[..., Any])


class UserFeatureError(FeatureError):
    """A user's function failed, or returned something that is no column."""

    def __init__(self, feature: str, problem: str) -> None:
        super().__init__(f"feature {feature}: {problem}")
        self.feature = feature


def feature(
    *, inputs: Sequence[str], lookback: int, unit: str, formula: str, reference: str = "user"
) -> Callable[[Function], Function]:
    """Declare a function as a feature.

    The function gets a float64 array for each input, by name and read-only, one row a bar,
    oldest first, and returns an array (or Series) of the same length: row t from the bars up to
    t alone. ``truecast verify`` checks that. Infinite values become NaN.

    Parameters
    ----------
    inputs : sequence of str
        Columns of a bar: open, high, low, close, volume, session (days since 1970-01-01),
        bid_close, ask_close and so on.
    lookback : int
        Number of bars that a value depends on, its own included, >= 1.
    unit, formula, reference : str
        For people.

    Raises
    ------
    UsageError
        If an input is unknown or the lookback is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> @feature(inputs=["high", "low"], lookback=1, unit="percent", formula="100·(H/L − 1)")
    ... def width(high, low):
    ...     return 100 * (high / low - 1)
    >>> width(np.array([101.0]), np.array([100.0])).round(6).tolist()
    [1.0]
    """
    for name in inputs:
        if name not in INPUTS:
            raise UnknownNameError("input", name, INPUTS, "a feature's inputs")
    if lookback < 1 or not inputs:
        raise UsageError("a feature needs at least one input and a lookback of at least 1 bar")

    def declare(function: Function) -> Function:
        name = function.__name__
        family = Family(
            name=name,
            inputs=tuple(inputs),
            lookback=lambda _: lookback,
            unit=unit,
            formula=formula,
            reference=reference,
            function=function,
            recursive=True,  # whether it is exact to the last bit from any start is not known
        )
        setattr(function, _DECLARATION, family)
        return function

    return declare


def call(family: Family, columns: Mapping[str, Column]) -> Column:
    """Call a user's function on all the bars there are.

    Parameters
    ----------
    family : Family
        What was declared.
    columns : mapping of str to float64 array, shape (n,)
        Its inputs.

    Returns
    -------
    array of float64, shape (n,)
        What it returned, NaN where that is not finite as a float32, which datasets hold.

    Raises
    ------
    UserFeatureError
        If it failed, or returned something that is no column.
    """
    assert family.function is not None  # noqa: S101 - for the type checker
    arrays = {name: _read_only(columns[name]) for name in family.inputs}
    bars = len(next(iter(arrays.values())))
    try:
        with np.errstate(all="ignore"):
            result = _numbers(family.function(**arrays))
    except (Exception, SystemExit) as error:
        problem = f"its function failed on {bars} bars: {type(error).__name__}: {error}"
        raise UserFeatureError(family.name, problem) from error
    if result.shape != (bars,):
        raise UserFeatureError(
            family.name, f"expected one value for each of {bars} bars, got shape {result.shape}"
        )
    return np.where(np.abs(result) <= _LARGEST, result, np.nan)


def _numbers(values: object) -> Column:
    """Return what a function returned as float64, refusing what is no real number.

    Raises
    ------
    TypeError
        If it is text, moments or complex numbers, of which numpy would make some number.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values))
    array = np.asarray(values)
    if array.dtype.kind not in "biufO":
        raise TypeError(f"it returned {array.dtype}, not real numbers")
    return array.astype(np.float64)


def _read_only(column: Column) -> NDArray[np.float64]:
    view = column.view()
    view.flags.writeable = False
    return view


def load_family(text: str, where: str) -> Family:
    """Return the feature that ``module:function`` names.

    The module is looked for in the current folder first, as ``python -m`` does.

    Raises
    ------
    UsageError
        If there is no such module or function, the function is not declared as a feature, or its
        name cannot be a column's.
    """
    module_name, _, function_name = text.partition(":")
    try:
        with _current_folder_importable():
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{where}: cannot import module {module_name!r} of {text!r}: "
            f"{type(error).__name__}: {error}; "
            f"put {module_name}.py in the folder where truecast is run, or install it"
        ) from error
    _require_not_hidden(module, text, where)
    found = {name: getattr(value, _DECLARATION, None) for name, value in vars(module).items()}
    declared = {name: family for name, family in found.items() if isinstance(family, Family)}
    if function_name in declared:
        return _with_free_name(declared[function_name], text, where)
    if hasattr(module, function_name):
        raise UsageError(
            f"{where}: {text} is not declared: write "
            "@feature(inputs=[...], lookback=..., unit=..., formula=...) above it"
        )
    raise UnknownNameError("feature", text, [f"{module_name}:{name}" for name in declared], where)


def _require_not_hidden(module: ModuleType, text: str, where: str) -> None:
    """Refuse another module than the file of that name in the current folder."""
    meant = Path.cwd() / f"{module.__name__.replace('.', '/')}.py"
    came = getattr(module, "__file__", None)
    if meant.is_file() and (came is None or not meant.samefile(came)):
        raise UsageError(
            f"{where}: {text} does not reach {meant}: the name {module.__name__!r} is taken by "
            f"{came or 'a module of Python'}; rename the file"
        )


def _with_free_name(family: Family, text: str, where: str) -> Family:
    if family.name in _TAKEN or family.name.startswith("outcome_"):
        raise UsageError(
            f"{where}: {text}: every row has a column {family.name!r}; rename the function"
        )
    if not family.name.isidentifier():
        raise UsageError(f"{where}: {text}: {family.name} names no column; write it with def")
    return family


def source_hash(family: Family) -> str:
    """Return the SHA-256 of a user's function as written, or of its name where that is gone."""
    try:
        return sha256_of(inspect.getsource(family.function))  # type: ignore[arg-type]
    except OSError:
        return sha256_of(family.name)


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
