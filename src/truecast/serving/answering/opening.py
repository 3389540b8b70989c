"""Series that are open: those of one state of the lake, and how they become those of the next."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from truecast.core.clock import to_datetime64, to_utc
from truecast.core.recipe import Recipe
from truecast.features.compute import Decisions
from truecast.features.news import Stories
from truecast.lake.errors import LakeError
from truecast.lake.growth import Place
from truecast.lake.opened import OpenedBars
from truecast.serving.answering.series import Series
from truecast.serving.planning import reads_news
from truecast.serving.workspace import Workspace, market_of, series_in
from truecast.sources.catalog import open_source

#: Hash of a recipe, and a symbol.
_Key = tuple[str, str]
#: Recipes whose hash is kept.
_HASHES = 1024


@dataclass(frozen=True, eq=False)
class Opened:
    """An instrument's series, and every moment at which its recipe decides."""

    series: Series
    decisions: Decisions

    def decided(self, row: int) -> datetime:
        """Return the moment of one decision."""
        return to_utc(self.decisions.as_of[row])

    def heard(self, row: int, by: datetime) -> datetime | None:
        """Return when the last story since a decision became known, if there was one by then."""
        news = self.series.market.news
        if news is None:
            return None
        known = news.known_at[: int(np.searchsorted(news.known_at, to_datetime64(by), "right"))]
        return to_utc(known[-1]) if len(known) and known[-1] > self.decisions.as_of[row] else None


class OpenSeries:
    """Series of one state of the lake, each opened when it is first needed.

    Parameters
    ----------
    workspace : Workspace
        Where the bars are.
    versions : mapping of str to int
        Of the tables that series are read from; empty if there is none.
    """

    def __init__(self, workspace: Workspace, versions: Mapping[str, int]) -> None:
        self.versions = versions
        self._workspace = workspace
        self._places: tuple[Place, Place] | None = None
        self._bars: dict[_Key, OpenedBars] = {}
        self._news: dict[str, Stories] = {}
        self._opened: dict[_Key, Opened] = {}
        #: By hash, with the name of the source as it was when a series was opened.
        self._recipes: dict[str, tuple[Recipe, str]] = {}
        #: By id, with its hash: that takes longer than a forecast.
        self._hashes: dict[int, tuple[Recipe, str]] = {}
        self._asked: set[_Key] = set()

    def of(self, recipe: Recipe, symbol: str) -> Opened:
        """Open an instrument's bars, their context, and news if features read any.

        Raises
        ------
        NoDataError
            If there are none.
        """
        key = (self._hash_of(recipe), symbol)
        self._asked.add(key)
        if self._places is None:
            # Before anything is read: what is read may be newer, and is never older.
            self._places = self._workspace.lake.places()
        if key not in self._opened:
            self._opened[key] = self._open(recipe, *key)
        return self._opened[key]

    def renewed(self, versions: Mapping[str, int]) -> "OpenSeries":
        """Return the series of the lake's next state.

        Where bars were appended that are plainly newer, a series that is open goes on with them;
        see :meth:`truecast.lake.opened.OpenedBars.longer`. All others are opened anew, and those
        that nobody has asked for in this state are let go.

        Parameters
        ----------
        versions : mapping of str to int
            Of the tables, in the next state.
        """
        after, growth = OpenSeries(self._workspace, versions), None
        if self._places is not None:
            # What cannot be read is said by whoever opens it anew.
            with suppress(LakeError):
                after._places = self._workspace.lake.places()
                growth = self._workspace.lake.growth(self._places, after._places)
        if growth is None:
            return after
        # Copied whole before they are gone through: others go on asking.
        asked, opened, every = set(self._asked), dict(self._opened), dict(self._bars)
        used = {(name, one) for name, symbol in asked for one in self._read(name, symbol)}
        for key in used & every.keys():
            (name, symbol), bars = key, every[key]
            recipe, source = after._recipes[name] = self._recipes[name]
            series = (source, symbol, recipe.interval)
            rows = growth.bars.get(series)
            longer = bars if rows is None else bars.longer(rows)
            if longer is not None and series not in growth.acted:
                after._bars[key] = longer
        if versions.get("silver/news") == self.versions.get("silver/news"):
            told = dict(self._news)
            after._news |= {name: told[name] for name in after._recipes.keys() & told.keys()}
        hashes = dict(self._hashes)
        after._hashes |= {one: of for one, of in hashes.items() if of[1] in after._recipes}
        for key in asked & opened.keys():
            after._go_on(*key, opened[key])
        return after

    def _hash_of(self, recipe: Recipe) -> str:
        if id(recipe) not in self._hashes:
            if len(self._hashes) >= _HASHES:
                self._hashes.clear()
            self._hashes[id(recipe)] = (recipe, recipe.hash)
        return self._hashes[id(recipe)][1]

    def _read(self, name: str, symbol: str) -> tuple[str, ...]:
        """Return the symbols whose bars an instrument's features are computed from."""
        known = self._recipes.get(name)
        return () if known is None else (symbol, *known[0].context)

    def _go_on(self, name: str, symbol: str, before: Opened) -> None:
        """Make a series from parts that have gone on; it is opened later where one has not."""
        parts = self._read(name, symbol)
        if not parts or any((name, one) not in self._bars for one in parts):
            return
        market = before.series.market
        if market.news is not None and name not in self._news:
            return
        bars, *context = (self._bars[name, one].history for one in parts)
        market = replace(
            market,
            bars=bars,
            context=dict(zip(parts[1:], context, strict=True)),
            news=self._news.get(name),
        )
        series = before.series.going_on(market)
        same = series is before.series
        self._opened[name, symbol] = before if same else Opened(series, series.decisions)

    def _open(self, recipe: Recipe, name: str, symbol: str) -> Opened:
        # Named before anything is open: who goes on finds the name of all that is.
        self._recipes.setdefault(name, (recipe, open_source(recipe.source).name))
        for one in (symbol, *recipe.context):
            if (name, one) not in self._bars:
                self._bars[name, one] = self._workspace.bars(recipe, one)
        if reads_news(recipe) and name not in self._news:
            self._news[name] = self._workspace.stories(recipe)
        parts = {one: self._bars[name, one].history for one in (symbol, *recipe.context)}
        series = series_in(market_of(recipe, symbol, parts, self._news.get(name)), recipe)
        return Opened(series, series.decisions)
