"""What a recipe comes to: its source, its slots, the models that are run and their features."""

from truecast.core.calendars import Calendar, get_calendar
from truecast.core.errors import UsageError
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.slot import Slot
from truecast.datasets.assembly import DEVIATION, RATIO
from truecast.evaluation.slots import BASELINES, REFERENCES
from truecast.features.catalog import SETS, split_context
from truecast.features.plan import FeaturePlan
from truecast.models.catalog import create
from truecast.sources.base import Source
from truecast.sources.catalog import open_source

#: Whose volatility scales the intervals: the first that has what it needs, see ``scales``.
SCALE_WITH_INDEX = Choice(name="har_vix")
SCALE = Choice(name="har_leverage")
SCALE_WITHOUT_RANGE = Choice(name="garch")


def source_of(recipe: Recipe) -> Source:
    """Open the source that a recipe reads.

    Raises
    ------
    UsageError
        If there is no such source, or it does not have what the recipe names.
    """
    source = open_source(recipe.source)
    for symbol in (*recipe.instruments, *recipe.context):
        source.instrument(symbol)
    return source


def calendar_of(recipe: Recipe, symbol: str) -> Calendar:
    """Return the sessions of one of a recipe's instruments."""
    return get_calendar(open_source(recipe.source).instrument(symbol).calendar)


def slots_of(recipe: Recipe) -> tuple[Slot, ...]:
    """Return every slot of a recipe: instrument × target × horizon."""
    source = source_of(recipe).name
    return tuple(
        Slot(recipe.name, source, symbol, target, horizon)
        for symbol in recipe.instruments
        for target, spec in recipe.targets.items()
        for horizon in spec.horizon
    )


def champion_slots(recipe: Recipe) -> tuple[Slot, ...]:
    """Return the slots of a recipe that have a champion: all, or where it is pooled one for all.

    A pool's champion forecasts every instrument, each in its own slot.
    """
    every = slots_of(recipe)
    return tuple(dict.fromkeys(slot.pool for slot in every)) if recipe.pooled else every


def roster(recipe: Recipe, target: str) -> dict[str, Choice]:
    """Return every model that is run for a target: naive forecasts, references, candidates.

    Two candidates of one family are told apart by their parameters.
    """
    spec = recipe.targets[target]  # type: ignore[index]
    always = (*BASELINES[target], *REFERENCES.get(target, ()))
    models = {name: Choice(name=name) for name in always}
    return models | {candidate_name(choice, spec.models): choice for choice in spec.models}


def candidates(recipe: Recipe, target: str) -> dict[str, Choice]:
    """Return the models that may become the champion, by the name in the roster."""
    spec = recipe.targets[target]  # type: ignore[index]
    return {candidate_name(choice, spec.models): choice for choice in spec.models}


def candidate_name(choice: Choice, among: tuple[Choice, ...]) -> str:
    """Name a candidate by its family, and by its parameters where the family occurs twice."""
    alone = sum(other.name == choice.name for other in among) == 1
    return choice.name if alone else str(choice)


def feature_plan(recipe: Recipe) -> tuple[FeaturePlan, tuple[str, ...]]:
    """Return the features to compute, and the names of those that the recipe asks for.

    A recipe that names no news goes without the features of news in the sets that it names; see
    :func:`left_out`.

    Raises
    ------
    UsageError
        If a feature, a model or a parameter is not known, or a feature of news is named by itself
        where no news are.
    """
    required: dict[str, None] = {RATIO: None}
    if "regime" in recipe.targets:
        required[DEVIATION] = None
    for target in recipe.targets:
        where = f"targets.{target}.models"
        for choice in roster(recipe, target).values():
            own = create(choice, where=where).features(())
            _refuse_lost_context(recipe, own, f"{where}: {choice}")
            required |= dict.fromkeys(own)
    for choice in scales(recipe):
        required |= dict.fromkeys(create(choice, where="scale").features(()))
    asked = FeaturePlan.from_choices(recipe.features, context=recipe.context)
    plan = FeaturePlan.from_choices(
        recipe.features, context=recipe.context, required=tuple(required)
    )
    if not recipe.news:
        _refuse_single_news(recipe)
        asked, plan = _without_news(asked), _without_news(plan)
    return plan, asked.names


def reads_news(recipe: Recipe) -> bool:
    """Say whether a recipe's features read its news."""
    return bool(feature_plan(recipe)[0].of_news)


def left_out(recipe: Recipe) -> tuple[str, ...]:
    """Return the features of named sets that a recipe goes without, since it reads no news."""
    if recipe.news:
        return ()
    whole = FeaturePlan.from_choices(recipe.features, context=recipe.context)
    return tuple(feature.name for feature in whole.features if feature.family.of_news)


def scales(recipe: Recipe) -> tuple[Choice, ...]:
    """Return the models one of which scales a recipe's intervals, the best first.

    The volatility index counts where the context has it. The study takes the first whose features
    were there before the validation: bars may have no range, an index may begin later.
    """
    own = create(SCALE_WITH_INDEX, where="scale").features(())
    indexed = not _lost_context(recipe, own)
    return (*([SCALE_WITH_INDEX] if indexed else []), SCALE, SCALE_WITHOUT_RANGE)


def _lost_context(recipe: Recipe, names: tuple[str, ...]) -> list[str]:
    """Return the features of context series that the recipe's context does not have."""
    return [name for name in names if "__" in name and not split_context(name, recipe.context)[1]]


def _refuse_lost_context(recipe: Recipe, names: tuple[str, ...], what: str) -> None:
    for name in _lost_context(recipe, names):
        ending = name.rpartition("__")[2].upper()
        raise UsageError(
            f"{what} takes {name}, of a series that the recipe's context does not have: "
            f"add ^{ending} to context, or the symbol that the source has for it"
        )


def _refuse_single_news(recipe: Recipe) -> None:
    for place, choice in enumerate(recipe.features):
        single = choice.name not in SETS
        if single and FeaturePlan.from_choices([choice], context=recipe.context).of_news:
            raise UsageError(
                f"features[{place}]: {choice} reads news, and no news are read: add news to the "
                "recipe or say --news, such as --news simulated, or leave the feature out"
            )


def _without_news(plan: FeaturePlan) -> FeaturePlan:
    kept = tuple(feature for feature in plan.features if not feature.family.of_news)
    if not kept:
        raise UsageError("features: all of them read news, and no news are read: say --news")
    return FeaturePlan(kept)
