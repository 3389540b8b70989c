"""Which slot a question is about."""

from collections.abc import Callable, Sequence
from functools import cache

from truecast.core.names import nearest
from truecast.core.recipe import Recipe
from truecast.core.recipe_files import load_recipe, shipped_recipes
from truecast.core.slot import Slot
from truecast.serving.errors import AmbiguousError, NotReadyError, UnknownError
from truecast.serving.schemas import Asked

#: Answers where several recipes could.
DEFAULT_RECIPE = "sp500-daily"
#: Answers "tomorrow?" where it is served: whoever asks that has asked about gold before.
TOMORROW_RECIPE = "gold"
_PARTS = ("recipe", "instrument", "target", "horizon")
_MOST_CHOICES = 50
_LONGEST_NAME = 60


def choose(
    asked: Asked, served: Sequence[Slot], recipes: Sequence[Recipe], *, usual: bool = False
) -> Slot:
    """Return the slot that a question is about.

    Parameters
    ----------
    asked : Asked
        The question.
    served : sequence of Slot
        Every slot that has a champion.
    recipes : sequence of Recipe
        Those that the champions were trained for.
    usual : bool
        Take a recipe's first instrument and the shortest horizon where they are left out. So it
        is in any case where bars are sent, which leave nothing out but that.

    Raises
    ------
    NotReadyError
        If what is asked for is known, but no model of it has been promoted.
    UnknownError
        If it is not known.
    AmbiguousError
        If more than one slot fits.
    """
    if not served:
        raise NotReadyError(
            "no model has been promoted yet", f"run `truecast run {DEFAULT_RECIPE}`"
        )
    left = list(served)
    known = [*recipes, *_shipped()]
    if usual:
        _require_target(asked, served)
    for part in _PARTS:
        if (wanted := getattr(asked, part)) is not None:
            left = _narrowed(left, part, wanted, known)
    for preferred in _preferences(asked):
        left = [slot for slot in left if preferred(slot)] or left
    if usual or asked.posted:
        left = _usual(asked, left, recipes)
    if len(left) > 1:
        raise AmbiguousError(
            f"{len(left)} forecasts fit what is asked",
            f"say which {' and '.join(_differing(left))}, as one of the choices does",
            [_body(slot, left) for slot in left[:_MOST_CHOICES]],
        )
    return left[0]


@cache
def _shipped() -> tuple[Recipe, ...]:
    """Return the recipes that come with Truecast, the default one first."""
    names = sorted(shipped_recipes(), key=lambda name: name != DEFAULT_RECIPE)
    return tuple(load_recipe(name) for name in names)


def _require_target(asked: Asked, served: Sequence[Slot]) -> None:
    """Name the recipe that has a target of which nothing is served."""
    if not any(slot.target == asked.target for slot in served):
        have = [recipe.name for recipe in _shipped() if asked.target in recipe.targets]
        raise NotReadyError(
            f"no model of {asked.target} has been promoted yet",
            f"run `truecast run {have[0] if have else DEFAULT_RECIPE}`",
        )


def _usual(asked: Asked, left: list[Slot], recipes: Sequence[Recipe]) -> list[Slot]:
    if asked.instrument is None:
        first = {(recipe.name, recipe.instruments[0]) for recipe in recipes}
        left = [slot for slot in left if (slot.recipe, slot.instrument) in first] or left
    if asked.horizon is None:
        shortest: dict[tuple[str, ...], int] = {}
        for slot in left:
            series = (slot.recipe, slot.source, slot.instrument, slot.target)
            shortest[series] = min(slot.horizon, shortest.get(series, slot.horizon))
        left = [
            slot
            for slot in left
            if slot.horizon == shortest[slot.recipe, slot.source, slot.instrument, slot.target]
        ]
    return left


def _narrowed(
    left: list[Slot], part: str, wanted: str | int, known: Sequence[Recipe]
) -> list[Slot]:
    fitting = [slot for slot in left if _fits(slot, part, wanted)]
    if fitting:
        return fitting
    there = sorted({_value(slot, part, left) for slot in left}, key=str)
    choices = [{part: value} for value in there[:_MOST_CHOICES]]
    for recipe in known:
        if _has(recipe, part, wanted, {slot.recipe for slot in left}):
            raise NotReadyError(
                f"no model for {part} {wanted} has been promoted yet",
                f"run `truecast run {recipe.name}`",
            )
    shown = str(wanted)
    shown = shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"
    close = nearest(shown, [str(value) for value in there])
    raise UnknownError(
        f"{part} {shown!r} is not served",
        f"did you mean {close!r}?" if close else f"ask for one of the choices of {part}",
        choices,
    )


def _fits(slot: Slot, part: str, wanted: str | int) -> bool:
    if part == "recipe":
        return wanted in (slot.recipe, f"{slot.recipe}@{slot.source}")
    return bool(getattr(slot, part) == wanted)


def _has(recipe: Recipe, part: str, wanted: str | int, asked_of: set[str]) -> bool:
    """Say whether a recipe that is known would forecast this, had it been run."""
    if part == "recipe":
        return recipe.name == wanted
    if part == "instrument":
        return wanted in recipe.instruments
    # Of targets and horizons, those of the recipes in question.
    if recipe.name not in asked_of:
        return False
    if part == "target":
        return wanted in recipe.targets
    return any(wanted in spec.horizon for spec in recipe.targets.values())


def _preferences(asked: Asked) -> list[Callable[[Slot], bool]]:
    """Return what is taken where nothing is said, the most important first."""
    tomorrow = asked.predict_tomorrow is not None
    target = "price" if tomorrow or asked.is_empty else "direction"
    found: list[Callable[[Slot], bool]] = []
    if asked.recipe is None:
        if tomorrow:
            found.append(lambda slot: slot.recipe == TOMORROW_RECIPE)
        found.append(lambda slot: slot.recipe == DEFAULT_RECIPE)
    if asked.target is None:
        found.append(lambda slot: slot.target == target)
    if tomorrow and asked.horizon is None:
        found.append(lambda slot: slot.horizon == 1)
    return found


def _differing(left: Sequence[Slot]) -> list[str]:
    return [part for part in _PARTS if len({_value(slot, part, left) for slot in left}) > 1]


def _body(slot: Slot, left: Sequence[Slot]) -> dict[str, str | int]:
    """Return what to send for a slot: the parts in which it differs from the others."""
    return {part: _value(slot, part, left) for part in _differing(left)}


def _value(slot: Slot, part: str, among: Sequence[Slot]) -> str | int:
    """Return a part of a slot; a recipe with its source where there are several."""
    if part == "recipe" and len({one.source for one in among if one.recipe == slot.recipe}) > 1:
        return f"{slot.recipe}@{slot.source}"
    value: str | int = getattr(slot, part)
    return value
