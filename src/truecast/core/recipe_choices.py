"""Choices that are typed on the command line, and those that name files."""

from pathlib import Path
from typing import Any

import yaml

from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice


def typed_choice(text: str, known: tuple[Choice, ...]) -> Choice:
    """Read ``NAME`` or ``NAME:PATH`` (``gdelt:QUERY``, ``simulated:years=17,seed=2``).

    Options known of the same name are kept.

    Raises
    ------
    UsageError
        If options of ``simulated`` are not written as ``KEY=VALUE``, each value as in a recipe.
    """
    name, _, rest = text.partition(":")
    options = next((choice.parameters for choice in known if choice.name == name), {})
    if name == "simulated" and rest:
        return Choice(name=name, parameters={**options, **_pairs(rest)})
    option = "query" if name == "gdelt" else "path"
    return Choice(name=name, parameters={**options, option: rest} if rest else options)


def _pairs(text: str) -> dict[str, Any]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if wrong := ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]:
        raise UsageError(
            f"simulated: expected options such as years=17,seed=2; {wrong[0]!r} is none"
        )
    try:
        return {key: yaml.safe_load(value) for key, _, value in pairs}
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(
            f"simulated: {text!r} is not YAML: {' '.join(str(error).split())}"
        ) from error


def anywhere(choice: Choice, option: str = "path") -> Choice:
    """Return a choice whose path, if it names one, is absolute: the same from any folder."""
    path = choice.parameters.get(option)
    if not isinstance(path, str):
        return choice
    options = {**choice.parameters, option: str(Path(path).expanduser().resolve())}
    return Choice(name=choice.name, parameters=options)
