"""Recipes as files: those that come with Truecast, and a person's own."""

from importlib import resources
from pathlib import Path

import yaml
from pydantic import ValidationError

from truecast.core.errors import RecipeError
from truecast.core.names import UnknownNameError
from truecast.core.recipe import Recipe
from truecast.core.recipe_errors import describe


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with Truecast: name to file."""
    folder = resources.files("truecast.recipes")
    files = [Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return {path.stem: path for path in sorted(files)}


def load_recipe(name: str) -> Recipe:
    """Read a recipe by the name of a shipped one, or from a file.

    Parameters
    ----------
    name : str
        ``sp500-daily``, or the path of a YAML file.

    Raises
    ------
    RecipeError
        If the file cannot be read or says something that cannot be run.
    UnknownNameError
        If there is no such recipe; the message gives the nearest one.
    """
    shipped = shipped_recipes()
    path = Path(name)
    if name in shipped:
        path = shipped[name]
    elif not (path.suffix in {".yaml", ".yml"} or path.exists()):
        raise UnknownNameError("recipe", name, shipped)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # also of 2020-13-45
        raise RecipeError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path}: expected keys such as name, instruments, targets; found {content!r}"
        )
    try:
        return Recipe.model_validate(content).typed_as(name)
    except ValidationError as error:
        raise RecipeError(f"{path}: {describe(error, Recipe)}") from error
