"""Series that go on with what comes are those that are opened anew: bars, features, forecasts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from truecast.core.bars import PARSED_ACTIONS
from truecast.core.clock import frozen_at
from truecast.core.forecast import Forecast
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.serving.answering.champions import Seat
from truecast.serving.answering.opening import Opened, OpenSeries
from truecast.serving.planning import source_of
from truecast.serving.service import open_service
from truecast.serving.workspace import Workspace
from truecast.sources.base import Parsed, Payload
from truecast.sources.catalog import open_news_source

NOON, HOUR = datetime(2024, 3, 20, 12, tzinfo=UTC), timedelta(hours=1)
MARKET = {"seed": 11, "calendar": "24/7", "start": "2024-01-02", "volatility": [0.4]}
NEWS = {**MARKET, "articles_per_day": 40, "instruments": ["A"]}
RECIPE = Recipe.model_validate(
    {
        "name": "beside",
        "instruments": ["A"],
        "context": ["^VIX"],
        "interval": "1h",
        "source": {"simulated": {**MARKET, "articles_per_day": 40}},
        "news": [{"simulated": NEWS}],
        "adjust": "split",
        "features": [
            *("return_sd_22", "rsi_14", "avg_sentiment_360", "news_age"),
            {"log_return": {"window": 1, "of": "^VIX"}},
        ],
        "targets": {
            "direction": {"models": ["logistic"]},
            "return": {"models": ["ridge"]},
            "volatility": {"models": ["har_leverage"]},
        },
        "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
        "evaluate": {"refit_every": "part"},
    }
)
#: What differs from one time that a forecast is made to the next.
FREE = {"issued_at", "latency_ms"}
ROUNDS = 22


class Market:
    """A home, and what comes into its lake hour by hour."""

    def __init__(self, home: Path) -> None:
        self.workspace = Workspace(Settings(home=home))
        self.source = source_of(RECIPE)
        self.chance = np.random.default_rng(4)
        with frozen_at(NOON):
            ingest(self.workspace, RECIPE)
            train_slots(Studies(self.workspace, RECIPE))
            promote(self.workspace, RECIPE)
            self.seats = [*open_service(Settings(home=home)).look().seats.values()]
        with frozen_at(NOON + 2 * ROUNDS * HOUR):
            self.bars = {symbol: self.fetched(symbol) for symbol in ("A", "^VIX")}
        self.hour = 0

    def fetched(self, symbol: str) -> pl.DataFrame:
        payloads = list(self.source.fetch(symbol, RECIPE.bar_interval, NOON - HOUR))
        return pl.concat([self.source.parse(one).bars for one in payloads])

    def at(self, hour: int) -> datetime:
        return NOON + hour * HOUR

    def send(self, symbol: str, *hours: int, by: float = 1.0, split: bool = False) -> None:
        """Store the bars of some hours, as they are or with a close by so much higher."""
        rows = self.bars[symbol].filter(pl.col("event_time").is_in([*map(self.at, hours)]))
        rows = rows.with_columns(pl.col("close", "high") * by)
        content = rows.write_ndjson().encode()
        received = self.at(self.hour) + timedelta(seconds=1 + hash(content) % 50)
        name, interval = self.source.name, RECIPE.interval
        payload = Payload(name, symbol, interval, {}, content, "x/y", received)
        actions = pl.DataFrame(schema=PARSED_ACTIONS)
        if split:
            row = {"row": 1, "session": received.date(), "kind": "split", "value": 2.0}
            given = {key: row.get(key) for key in PARSED_ACTIONS}
            actions = pl.DataFrame([given], schema=PARSED_ACTIONS)
        told = Parsed(rows, actions)
        self.workspace.lake.store(payload, told, self.source.instrument(symbol), True, True)

    def go_on(self) -> Iterator[str]:
        """Let an hour pass, and this or that come; yield what it is, once it is stored."""
        kinds = ["plain"] * 4 + ["beside first", "own first", "gap", "news", "revised"]
        kinds += ["beside revised", "two", "split"]
        for what in (*kinds, *self.chance.choice(kinds, ROUNDS - len(kinds)).tolist()):
            self.hour += 1
            with frozen_at(self.at(self.hour) + timedelta(minutes=1)):
                yield from self._come(str(what))

    def _come(self, what: str) -> Iterator[str]:
        now = self.hour
        if what == "beside first":
            self.send("^VIX", now)
            yield what
            self.send("A", now)
        elif what == "own first":
            self.send("A", now)
            yield what
            self.send("^VIX", now)
        elif what == "gap":
            self.hour += 1
            self.send("A", now + 1)
            self.send("^VIX", now, now + 1)
            yield what
            self.send("A", now)
        elif what == "two":
            self.hour += 1
            self.send("A", now, now + 1)
            self.send("^VIX", now, now + 1)
        else:
            self.send("A", now, by=1.001 if what == "split" else 1.0, split=what == "split")
            self.send("^VIX", now)
        if what == "news":
            self.workspace.lake.ingest_news(open_news_source(RECIPE.news[0]))
        if "revised" in what:
            self.send("^VIX" if "beside" in what else "A", now - 1, by=1.002)
        yield what


def same(one: Opened, other: Opened) -> None:
    mine, theirs = one.series.market, other.series.market
    for of in (None, *RECIPE.context):
        assert_frame_equal(mine.history(of).versions, theirs.history(of).versions)
    for name in ("event_time", "as_of", "session"):
        np.testing.assert_array_equal(getattr(one.decisions, name), getattr(other.decisions, name))
    assert mine.news is not None
    assert theirs.news is not None
    np.testing.assert_array_equal(mine.news.known_at, theirs.news.known_at)
    np.testing.assert_array_equal(mine.news.positive, theirs.news.positive)
    moment = one.decided(-1)
    since = one.decisions.event_time[-400]
    rows = [opened.series.tail(moment, since, 3) for opened in (one, other)]
    np.testing.assert_array_equal(rows[0].X, rows[1].X)
    np.testing.assert_array_equal(rows[0].last_close, rows[1].last_close)


def said(seat: Seat, opened: Opened) -> dict[str, Any]:
    found = seat.forecast(opened.series, opened.decided(-1), "whatif")
    return {name: getattr(found, name) for name in set(Forecast.model_fields) - FREE}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return Market(tmp_path_factory.mktemp("beside") / "home")


def test_series_that_go_on_are_those_that_are_opened_anew(market: Market) -> None:
    workspace, lake = market.workspace, market.workspace.lake
    opened = OpenSeries(workspace, lake.versions())
    opened.of(RECIPE, "A")
    kept: dict[str, set[bool]] = {}
    for what in market.go_on():
        opened = opened.renewed(lake.versions())
        went_on = bool(opened._opened)
        kept.setdefault(what, set()).add(went_on)
        one, anew = opened.of(RECIPE, "A"), OpenSeries(workspace, lake.versions())
        same(one, anew.of(RECIPE, "A"))
        for seat in market.seats:
            fresh = replace(seat, forecaster=replace(seat.forecaster))
            assert said(seat, one) == said(fresh, anew.of(RECIPE, "A")), what
    assert kept["plain"] & {True}
    assert kept["two"] & {True}
    assert kept["revised"] == kept["beside revised"] == {False}
    # Nothing changes where nothing has come.
    assert opened.renewed(lake.versions()).of(RECIPE, "A") is opened.of(RECIPE, "A")


def test_a_file_that_is_gone_and_what_nobody_asks_for_keep_nothing_else(tmp_path: Path) -> None:
    workspace, days = Workspace(Settings(home=tmp_path / "home")), 300
    closes = [100 + day % 7 for day in range(days)]
    given = {"date": [date(2024, 1, 1) + timedelta(day) for day in range(days)]}
    given |= dict.fromkeys(("open", "high", "low", "close"), closes)

    def opened_from(name: str) -> Recipe:
        path = tmp_path / f"{name}.csv"
        pl.DataFrame(given).write_csv(path)
        source = {"files": {"path": str(path), "calendar": "24/7"}}
        named = {"name": name.lower(), "instruments": [name], "source": source, "interval": "1d"}
        targets = {"return": {"models": ["ridge"]}}
        recipe = Recipe.model_validate(named | {"features": ["rsi_14"], "targets": targets})
        ingest(workspace, recipe)
        return recipe

    gone, there = opened_from("GONE"), opened_from("THERE")
    lake = workspace.lake
    before = OpenSeries(workspace, lake.versions())
    kept = before.of(gone, "GONE"), before.of(there, "THERE")
    (tmp_path / "GONE.csv").unlink()
    opened_from("OTHER")
    after = before.renewed(lake.versions())
    assert (after.of(gone, "GONE"), after.of(there, "THERE")) == kept
    # Of what nobody asks for in one state nothing is left in the next but one.
    last = after.renewed({}).renewed({})
    assert (last._opened, last._bars, last._recipes, last._hashes) == ({}, {}, {}, {})


def test_files_that_are_put_together_hold_the_same_bars(market: Market) -> None:
    lake = market.workspace.lake
    opened = OpenSeries(market.workspace, lake.versions())
    first = opened.of(RECIPE, "A").series.market
    before = lake.version("silver/bars")
    with frozen_at(market.at(market.hour)):
        lake.optimize()
    assert lake.version("silver/bars") != before
    after = opened.renewed(lake.versions()).of(RECIPE, "A").series.market
    assert after.bars is first.bars
    assert after.context["^VIX"] is first.context["^VIX"]
