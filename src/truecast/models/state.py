"""Fitted state as JSON, from which every float64 comes back to the bit."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from truecast.core.hashing import canonical_json
from truecast.models.base import Model, ModelError, Vector

STATE_FILE = "model.json"


def dump_state(**values: Any) -> bytes:
    """Write named values as one JSON document.

    Parameters
    ----------
    **values
        Strings, finite numbers, None, lists of these; float64 arrays become lists.

    Raises
    ------
    ModelError
        If a number is not finite.
    """
    plain = {
        key: value.tolist() if isinstance(value, np.ndarray) else value
        for key, value in values.items()
    }
    try:
        return canonical_json(plain).encode()
    except ValueError as error:
        raise ModelError(f"a fitted value is not a finite number: {plain}") from error


def load_state(model: str, files: Mapping[str, bytes], *keys: str) -> dict[str, Any]:
    """Read what :func:`dump_state` wrote.

    Parameters
    ----------
    model : str
        Name of the model, for the message.
    files : mapping of str to bytes
        The payload; the document is its file ``model.json``.
    *keys : str
        What it must hold, all of it and nothing else.

    Raises
    ------
    ModelError
        If the file is missing, is not JSON, or holds something else.
    """
    try:
        state = json.loads(files[STATE_FILE])
    except KeyError as error:
        raise ModelError(f"{model}: the payload lacks {STATE_FILE}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{model}: {STATE_FILE} is not JSON") from error
    if not isinstance(state, dict) or set(state) != set(keys):
        found = sorted(state) if isinstance(state, dict) else type(state).__name__
        raise ModelError(f"{model}: expected {sorted(keys)} in {STATE_FILE}, found {found}")
    return state


def vector(model: str, state: Mapping[str, Any], key: str, size: int | None = None) -> Vector:
    """Return a list of numbers of the state as float64, ``size`` of them unless that is None.

    Raises
    ------
    ModelError
        If it is something else.
    """
    try:
        values = np.array(state[key], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{model}: {key} in {STATE_FILE} is not a list of numbers") from error
    right = values.ndim == 1 and size in {None, len(values)}
    if not right or not np.isfinite(values).all():
        count = "" if size is None else f"{size} "
        raise ModelError(f"{model}: expected {count}finite numbers as {key} in {STATE_FILE}")
    return values


def number(model: str, state: Mapping[str, Any], key: str) -> float:
    """Return one number of the state.

    Raises
    ------
    ModelError
        If it is something else.
    """
    return float(vector(model, {key: [state[key]]}, key, 1)[0])


def whole(model: str, state: Mapping[str, Any], key: str) -> int:
    """Return one whole number of the state, from 0.

    Raises
    ------
    ModelError
        If it is something else.
    """
    value = state[key]
    if type(value) is not int or value < 0:
        raise ModelError(f"{model}: expected a whole number as {key} in {STATE_FILE}")
    return value


def target_of(model: type[Model], state: Mapping[str, Any]) -> str:
    """Return the target that the state was fitted for.

    Raises
    ------
    ModelError
        If it is none that the model forecasts.
    """
    target = state["target"]
    if target not in sorted(model.targets):
        raise ModelError(f"{model.name}: {target!r} in {STATE_FILE} is not a target of this model")
    return str(target)
