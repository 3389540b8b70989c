"""What a recipe may set on a model, and in which range.

A model's constructor says it all: the names of its keyword arguments are the valid parameters,
their annotations the valid values. ``create`` checks them when a recipe is read and ``fit``
when a model was built by hand.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.models.base import Model

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Order = Annotated[int, Field(ge=0)]
Several = Annotated[int, Field(ge=2)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def check_parameters(
    kind: type[Model], given: Mapping[str, Any], *, where: str = ""
) -> dict[str, Any]:
    """Return the parameters with valid names and values, as the constructor takes them.

    Parameters
    ----------
    kind : type of Model
        The model's class.
    given : mapping of str to object
        Parameter to value, as read from a recipe or a manifest.
    where : str
        Where it was read, for the message.

    Raises
    ------
    UnknownNameError
        If the model has no such parameter; the message gives the nearest one.
    UsageError
        If a value has the wrong type or is out of range.
    """
    valid = _annotations(kind)
    for name in _required(kind):
        if name not in given:
            place = f" in {where}" if where else ""
            raise UsageError(f"{kind.name}{place} needs {name}: see docs/recipes.md")
    checked = {}
    for key, value in given.items():
        if key not in valid:
            raise UnknownNameError(f"parameter of {kind.name}", key, valid, where)
        try:
            checked[key] = _adapters(kind)[key].validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            place = f" in {where}" if where else ""
            raise UsageError(
                f"{key} of {kind.name}{place}: {reason[:1].lower() + reason[1:]}, got {value!r}"
                f"{_hint(value)}"
            ) from error
    return checked


def parameters_of(model: Model) -> dict[str, Any]:
    """Return all parameters of a model with their values, checked.

    Raises
    ------
    UsageError
        If a value has the wrong type or is out of range.
    """
    kind = type(model)
    return check_parameters(kind, {key: getattr(model, key) for key in _annotations(kind)})


# A walk-forward checks the parameters of the same few classes thousands of times.
@cache
def _annotations(kind: type[Model]) -> dict[str, Any]:
    names = inspect.signature(kind).parameters
    hints = get_type_hints(kind.__init__, include_extras=True) if names else {}
    return {name: hints[name] for name in names}


@cache
def _required(kind: type[Model]) -> tuple[str, ...]:
    given = inspect.signature(kind).parameters.values()
    return tuple(one.name for one in given if one.default is inspect.Parameter.empty)


@cache
def _adapters(kind: type[Model]) -> dict[str, TypeAdapter[Any]]:
    strict = ConfigDict(strict=True, allow_inf_nan=False)
    return {key: TypeAdapter(valid, config=strict) for key, valid in _annotations(kind).items()}


def _hint(value: Any) -> str:
    """YAML 1.1 reads 1e-3 as text: say how to write it."""
    if not isinstance(value, str):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    return f"; in YAML write {number:f}"
