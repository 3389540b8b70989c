"""Bars that are not in the lake: a forecast from them is the one that they give once stored."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from truecast.core.clock import to_utc
from truecast.core.forecast import Forecast
from truecast.core.recipe import Recipe
from truecast.lake.history import BarHistory
from truecast.pipelines.studies import Studies
from truecast.pipelines.train import train
from truecast.serving.answering.forecaster import Forecaster
from truecast.serving.answering.series import Series
from truecast.serving.planning import slots_of
from truecast.serving.workspace import series_of

#: Sessions after the fit.
LATER = 60
TARGETS = {
    "direction": {"horizon": 1, "models": ["logistic"]},
    "price": {"horizon": 5, "models": ["ridge"]},
    "volatility": {"horizon": 1, "models": ["har_leverage"]},
}
FREE = {"id", "input_hash", "issued_at", "latency_ms"}


def _until(series: Series, closed: np.datetime64) -> Series:
    versions = series.market.bars.versions
    kept = versions.filter(pl.col("event_time") <= to_utc(closed))
    return replace(series, market=series.market.with_bars(BarHistory(kept)))


def test_bars_that_are_sent_give_what_they_give_once_they_are_stored(
    small_recipe: Callable[..., Recipe], studies: Callable[[Recipe], Studies]
) -> None:
    opened = studies(small_recipe(targets=TARGETS))
    researcher = opened.researcher("^GSPC")
    start = researcher.parts.evaluation.start
    fold = next(fold for fold in researcher.folds if fold.start == start)
    decisions = researcher.dataset.decisions
    closes, as_of = decisions.event_time, to_utc(decisions.as_of[start + LATER])
    whole = series_of(opened.workspace, opened.recipe, "^GSPC")
    stored = _until(whole, closes[start + LATER])
    for slot in slots_of(opened.recipe):
        bundles = opened.workspace.bundles
        manifest = train(bundles, opened.recipe, researcher, opened.study(slot), fold)
        forecaster = Forecaster(bundles.load(slot, manifest.version))

        def said(series: Series, forecaster: Forecaster = forecaster) -> Forecast:
            return forecaster.forecast(series, as_of, mode="whatif", skill="")

        one = said(stored)
        for newer in (1, 7):
            sent = stored.market.bars.versions[-newer:].with_columns(
                known_at=pl.col("event_time") + opened.recipe.decision_delay
            )
            before = _until(whole, closes[start + LATER - newer])
            posted = before.with_bars(sent)
            assert len(posted.market.bars.versions) < len(stored.market.bars.versions)
            other = said(posted)
            assert said(posted).id == other.id
            for name in set(Forecast.model_fields) - FREE:
                expected = getattr(one, name)
                if isinstance(expected, float):
                    assert getattr(other, name) == pytest.approx(expected, rel=1e-6), name
                else:
                    assert getattr(other, name) == expected, name

            # Of bars that are stored, none is read that closed as these did, or later.
            over = said(whole.with_bars(sent))
            assert (over.id, over.lower, over.upper) == (other.id, other.lower, other.upper)
            moved = sent.with_columns(pl.col("close", "high") * 1.03)
            changed = said(before.with_bars(moved))
            assert changed.last_close == pytest.approx(1.03 * one.last_close)
            assert changed.input_hash != other.input_hash
            assert changed.upper != other.upper
        assert said(stored).id == one.id
