"""One sentence for what is wrong in a recipe, with the nearest valid key."""

import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from truecast.core.names import suggestion


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Say what is wrong first: where, what came, what is valid.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type of BaseModel
        The model that was validated; its fields are the valid keys.
    """
    errors = error.errors()
    # A typo in a key often also leaves a required key missing: the typo is what to mend.
    first = next((found for found in errors if found["type"] == "extra_forbidden"), errors[0])
    place = [part for part in first["loc"] if not _is_union_branch(part)]
    where = ".".join(str(part) for part in place)
    if first["type"] == "extra_forbidden":
        valid = _keys_at(model, place[:-1])
        return (
            f"unknown key {place[-1]!r}{_inside(place[:-1])}: {suggestion(str(place[-1]), valid)}"
        )
    if first["type"] == "missing":
        return f"{where}: this key is required"
    message = first["msg"]
    if first["type"] == "value_error":
        message = message.removeprefix("Value error, ")
    else:
        if first["type"] == "model_type":
            message = f"expected keys with values ({', '.join(_keys_at(model, place))})"
        # A word that would do instead of a number, such as ``part``: whichever was meant.
        words = [one["msg"] for one in errors if one["type"] == "literal_error"]
        if words and first["loc"][-1] == "constrained-int":
            message = f"{message}, or {words[0][:1].lower()}{words[0][1:]}"
        message = f"{message[:1].lower()}{message[1:]} (got {first['input']!r})"
    return f"{where}: {message}" if where else message


def _is_union_branch(part: int | str) -> bool:
    branches = {"float", "int", "constrained-int", "date"}
    return isinstance(part, str) and (part in branches or "[" in part)


def _inside(place: Sequence[int | str]) -> str:
    return f" in {'.'.join(str(part) for part in place)}" if place else ""


def _keys_at(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    current: Any = model
    for part in place:
        if _is_model(current):
            fields = current.model_fields.items()
            current = next(
                field.annotation for name, field in fields if part in {name, field.alias}
            )
            if typing.get_origin(current) not in {dict, tuple}:
                current = _model_within(current)
        else:  # a key of a dict, or a place in a tuple
            current = _model_within(current)
    if not _is_model(current):
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_within(annotation: Any) -> Any:
    """Find the model in ``tuple[Model, ...]``, ``dict[str, Model]`` or ``Model | None``."""
    if _is_model(annotation) or not (
        typing.get_origin(annotation) or isinstance(annotation, types.UnionType)
    ):
        return annotation
    for inner in typing.get_args(annotation):
        found = _model_within(inner)
        if _is_model(found):
            return found
    return annotation
