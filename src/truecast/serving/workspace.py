"""Where everything is kept, and how a recipe's series are opened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from truecast.core.calendars import Calendar, get_calendar
from truecast.core.clock import now, to_datetime64, to_utc
from truecast.core.errors import UsageError
from truecast.core.forecast import Mode
from truecast.core.progress import SILENT, Progress
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.database.engine import open_database
from truecast.datasets.assembly import DEVIATION, RATIO, Dataset
from truecast.evaluation.slots import BASELINES, REFERENCES
from truecast.features.catalog import SETS, split_context
from truecast.features.compute import Decisions, Market
from truecast.features.news import Stories, first_told
from truecast.features.plan import FeaturePlan
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.history import BarHistory
from truecast.lake.lake import Lake
from truecast.lake.opened import OpenedBars
from truecast.lake.trials import Trials
from truecast.ledger.ledger import Ledger
from truecast.models.catalog import create
from truecast.registry.registry import Registry, open_registry
from truecast.registry.store import BundleStore
from truecast.sentiment.catalog import open_scorer
from truecast.serving.answering.series import Series
from truecast.sources.base import Source
from truecast.sources.catalog import open_news_source, open_source

#: Whose volatility scales the intervals: the first that has what it needs, see ``scales``.
SCALE_WITH_INDEX = Choice(name="har_vix")
SCALE = Choice(name="har_leverage")
SCALE_WITHOUT_RANGE = Choice(name="garch")


@dataclass(frozen=True)
class Workspace:
    """The lake, the bundles, the ledger and the reports of one home.

    Parameters
    ----------
    settings : Settings
        Says where they are.
    """

    settings: Settings

    @property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(self.settings.lake_url)

    @property
    def bundles(self) -> BundleStore:
        """The trained models."""
        return BundleStore(self.settings.home / "bundles")

    @cached_property
    def registry(self) -> Registry:
        """Which of them answers for a slot."""
        return open_registry(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """What was forecast, and what came of it."""
        return Ledger(open_database(self.settings.database))

    def report_folder(self, recipe: Recipe) -> Path:
        """Folder of a recipe's scorecard and report."""
        return self.settings.home / "reports" / f"{recipe.name}@{source_of(recipe).name}"

    def market(self, recipe: Recipe, symbol: str) -> Market:
        """Open one instrument's bars, those of the recipe's context, and news if features read any.

        Raises
        ------
        NoDataError
            If a series, or a source of news, has not been ingested.
        SentimentError
            If the news cannot be scored.
        """
        series = {one: self.bars(recipe, one).history for one in (symbol, *recipe.context)}
        return market_of(
            recipe, symbol, series, self.stories(recipe) if reads_news(recipe) else None
        )

    def stories(self, recipe: Recipe, progress: Progress = SILENT) -> Stories:
        """Open what all of a recipe's sources of news told, scored by the recipe's scorer.

        Parameters
        ----------
        recipe : Recipe
            Whose news.
        progress : Progress
            Told how many stories are scored that were not before.

        Raises
        ------
        NoDataError
            If a source of news has not been ingested.
        SentimentError
            If the news cannot be scored.
        """
        told = first_told(self.lake.news(open_news_source(choice).name) for choice in recipe.news)
        scorer = open_scorer(recipe.sentiment, self.settings.home)
        return Stories.of(self.lake.score_articles(told, scorer, progress), scorer.id)

    def bars(self, recipe: Recipe, symbol: str) -> OpenedBars:
        """Open a series as the recipe wants it: checked, and in the units of each moment.

        Raises
        ------
        NoDataError
            If it has not been ingested.
        """
        source, interval = source_of(recipe), recipe.bar_interval
        start = recipe.history.start
        return OpenedBars.of(
            self.lake.history(source.name, symbol, interval, start=start).versions,
            self.lake.actions(source.name, symbol, interval),
            source.instrument(symbol),
            interval,
            ChecksOptions.of(recipe.checks),
            recipe.adjust,
        )

    def dataset(self, recipe: Recipe, symbol: str, as_of: datetime | None = None) -> Dataset:
        """Compute all rows of one instrument up to a moment."""
        plan, inputs = feature_plan(recipe)
        instrument = source_of(recipe).instrument(symbol)
        market = self.market(recipe, symbol)
        if not len(market.decisions()):
            raise UsageError(
                f"{symbol}: no bar is known when the recipe decides: bars become known "
                f"{instrument.publication_delay} after their close, decisions are made "
                f"{recipe.decision_delay} after it; give decide_after in the recipe"
            )
        built = Dataset.build(
            market,
            plan,
            inputs=inputs,
            calendar=get_calendar(instrument.calendar),
            interval=recipe.bar_interval,
            as_of=as_of,
        )
        return replace(built, crossing=recipe.crossing)


def market_of(
    recipe: Recipe, symbol: str, series: Mapping[str, BarHistory], news: Stories | None
) -> Market:
    """Put together what one instrument's features are computed from.

    Parameters
    ----------
    recipe, symbol : Recipe, str
        The instrument.
    series : mapping of str to BarHistory
        Its bars and those of the recipe's context, by symbol.
    news : Stories or None
        What was told, if the recipe's features read it.
    """
    return Market(
        symbol=symbol,
        bars=series[symbol],
        context={one: series[one] for one in recipe.context},
        decide_after=recipe.decision_delay,
        calendar=calendar_of(recipe, symbol),
        news=news,
    )


def series_of(workspace: Workspace, recipe: Recipe, symbol: str) -> Series:
    """Open what a forecaster reads of an instrument."""
    return series_in(workspace.market(recipe, symbol), recipe)


def series_in(market: Market, recipe: Recipe) -> Series:
    """Return what a forecaster reads of an opened instrument."""
    return Series(
        market=market,
        plan=feature_plan(recipe)[0],
        calendar=calendar_of(recipe, market.symbol),
        interval=recipe.bar_interval,
        crossing=recipe.crossing,
    )


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


def own_trials(recipe: Recipe, target: str) -> int:
    """Count the models that a recipe itself compares, and those that it says came before."""
    return recipe.evaluate.prior_trials + len(candidates(recipe, target))


def all_trials(workspace: "Workspace", recipe: Recipe, slot: Slot) -> int:
    """Count the models that were ever compared on a slot's series and target, by any recipe."""
    compared = recipe.evaluate.prior_trials + Trials(workspace.settings.lake_url).count(slot)
    return max(own_trials(recipe, slot.target), compared)


def trials_of_record(
    workspace: "Workspace", recipe: Recipe | None, mode: Mode | None, slot: Slot
) -> int:
    """Count the models that may have been chosen with a look at the outcomes of a record.

    Of live forecasts there is one: they are written down before their outcome is known. Of a
    replay it is every model that was ever compared on the series and target.
    """
    if mode in {None, "live"}:
        return 1
    if recipe is None:
        return max(1, Trials(workspace.settings.lake_url).count(slot))
    return all_trials(workspace, recipe, slot)


def calendar_of(recipe: Recipe, symbol: str) -> Calendar:
    """Return the sessions of one of a recipe's instruments."""
    return get_calendar(open_source(recipe.source).instrument(symbol).calendar)


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


def reads_news(recipe: Recipe) -> bool:
    """Say whether a recipe's features read its news."""
    return bool(feature_plan(recipe)[0].of_news)


def left_out(recipe: Recipe) -> tuple[str, ...]:
    """Return the features of named sets that a recipe goes without, since it reads no news."""
    if recipe.news:
        return ()
    whole = FeaturePlan.from_choices(recipe.features, context=recipe.context)
    return tuple(feature.name for feature in whole.features if feature.family.of_news)


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


def latest(decisions: Decisions, recipe: Recipe) -> datetime:
    """Return the moment that "now" is for a series: the present, or its end if it has ended."""
    if open_source(recipe.source).live or not len(decisions):
        return now()
    return min(now(), to_utc(decisions.as_of[-1]))


def decided_by(decisions: Decisions, moment: datetime | date) -> int:
    """Return the row of the last decision made by a moment, or on or before a session.

    Returns
    -------
    int
        Place of the row; −1 if the first decision is later.
    """
    if isinstance(moment, datetime):
        known = np.searchsorted(decisions.as_of, to_datetime64(moment), side="right")
    else:
        known = np.searchsorted(decisions.session, np.datetime64(moment), side="right")
    return int(known) - 1
