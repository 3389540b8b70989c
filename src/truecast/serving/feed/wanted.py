"""What the live feed asks vendors for, by the recipes that are served."""

from collections.abc import Callable, Iterator
from functools import partial

from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.serving.feed.polls import Articles, Bars, What
from truecast.serving.planning import reads_news, source_of
from truecast.sources.catalog import open_news_source

#: Sources that are told, and cannot be asked.
_PUSHED = "api"


def wanted_by(recipe: Recipe) -> Iterator[tuple[str, Callable[[], list[What]]]]:
    """Yield each vendor that a live recipe is fed from, and what says what it is asked for."""
    if recipe.source.name != _PUSHED:
        yield recipe.source.name, partial(_bars, recipe)
    for choice in recipe.news if reads_news(recipe) else ():
        if choice.name != _PUSHED:
            yield f"news {choice.name}", partial(_articles, choice)


def _bars(recipe: Recipe) -> list[What]:
    source, interval, start = source_of(recipe), recipe.bar_interval, recipe.history.start
    symbols = (*recipe.instruments, *recipe.context)
    configured = recipe.source.model_dump_json()
    return [Bars(source, configured, symbol, interval, start) for symbol in symbols]


def _articles(choice: Choice) -> list[What]:
    """Return the articles of a source that may have more; files may grow."""
    source = open_news_source(choice)
    return [Articles(source, choice.name)] if choice.name == "files" or source.live else []
