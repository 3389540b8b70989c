"""Where everything is kept, and how a recipe's series are opened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from truecast.core.calendars import get_calendar
from truecast.core.clock import now, to_datetime64, to_utc
from truecast.core.errors import UsageError
from truecast.core.forecast import Mode
from truecast.core.progress import SILENT, Progress
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.database.engine import open_database
from truecast.datasets.assembly import Dataset
from truecast.features.compute import Decisions, Market
from truecast.features.news import Stories, first_told
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.history import BarHistory
from truecast.lake.lake import Lake
from truecast.lake.opened import OpenedBars
from truecast.lake.trials import Trials
from truecast.ledger.ledger import Ledger
from truecast.registry.registry import Registry, open_registry
from truecast.registry.store import BundleStore
from truecast.sentiment.catalog import open_scorer
from truecast.serving.answering.series import Series
from truecast.serving.planning import (
    calendar_of,
    candidates,
    feature_plan,
    reads_news,
    source_of,
)
from truecast.sources.catalog import open_news_source, open_source


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
