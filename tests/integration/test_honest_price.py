"""What the report says of gold's price is what is true; TRUECAST_REALDATA has the series.

No change, drift and every model are computed again here from the bars alone. Gold rose: no change
is beaten by whoever forecasts a rise each day, and nobody is told that this was skill.
"""

import gzip
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from statsmodels.tsa.stattools import diebold_mariano_test

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.evaluation.scorecard import Scorecard, SlotCard
from truecast.evaluation.significance import adjusted_p, bartlett_lag
from truecast.evaluation.words import verdict_sentence
from truecast.pipelines import stages
from truecast.pipelines.studies import Studies
from truecast.serving.workspace import Workspace

FOLDER = os.environ.get("TRUECAST_REALDATA")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(FOLDER is None, reason="TRUECAST_REALDATA names no folder"),
]
DAILY = Path(FOLDER or "") / "daily"


def judged(home: Path, source: dict[str, Any], **changes: Any) -> tuple[Scorecard, Path]:
    recipe = Recipe.model_validate(
        {
            "name": "gold-honest",
            "instruments": ["GC=F"],
            "source": {"files": source},
            "features": ["log_return_1", "log_return_5", "return_sd_22", "close_to_sma_20"],
            "targets": {"price": {"models": ["ridge", {"lightgbm": {"rounds": 30}}]}},
            **changes,
        }
    )
    studies = Studies(Workspace(Settings(home=home)), recipe)
    stages.ingest(studies.workspace, recipe)
    return stages.evaluate_and_report(studies)


def claims_hold(card: SlotCard) -> None:
    """No model is said to be better but by Diebold-Mariano, after the trials, beside all."""
    for model in card.models:
        beside = [one for one in model.versus if one.metric == card.metric]
        assert {one.baseline for one in beside} == set(card.baselines) - {model.name}
        shown = all(
            one.dm > 0 and adjusted_p(one.p_value, model.trials) < 0.05 and one.ci95[0] > 0
            for one in beside
        )
        if model.role == "model":
            assert (model.verdict == "beats naive") <= shown


def test_a_quarter_century_of_gold(tmp_path: Path) -> None:
    rows = pl.read_parquet(DAILY / "gold_gcf_2000_2025.parquet")
    source = {"path": str(DAILY), "instruments": {"GC=F": "gold_gcf_2000_2025.parquet"}}
    made, page = judged(
        tmp_path,
        source,
        split={"train": "2014-12-31", "validate": "2017-12-29"},
        evaluate={"from": "2018-01-02", "refit_every": 250},
    )
    (card,) = made.slots
    claims_hold(card)
    assert card.baselines == ("naive", "drift")
    assert card.judged.verdict == "no skill shown"
    assert "No skill shown" in verdict_sentence(card)
    assert "no skill shown" in page.read_text(encoding="utf-8")

    # No change and drift again, from the closes of the file.
    close = rows.sort("timestamp")["close"].to_numpy()
    dates = rows.sort("timestamp")["timestamp"].cast(pl.Date).to_numpy()
    returns = np.diff(np.log(close))
    place = np.flatnonzero(dates[1:] >= np.datetime64("2018-01-02"))
    naive = np.abs(close[place + 1] - close[place]) / close[place + 1]
    mean = np.cumsum(returns) / np.arange(1, len(returns) + 1)
    drifted = close[place] * np.exp(mean[place - 1])
    drift = np.abs(close[place + 1] - drifted) / close[place + 1]
    of = card.by_name
    # Sessions that the exchange's calendar has not are left out by the product: a few of 1,942.
    assert of["naive"].losses["mape"] == pytest.approx(100 * naive.mean(), rel=0.005)
    assert of["drift"].losses["mape"] == pytest.approx(100 * drift.mean(), rel=0.005)
    expected = diebold_mariano_test(
        np.zeros(len(place)),
        naive,
        drift,
        criterion=lambda _, loss: loss,
        lags=bartlett_lag(len(place)),
        harvey_adj=True,
    )
    (beside,) = [one for one in of["drift"].versus if one.baseline == "naive"]
    assert beside.dm == pytest.approx(expected.statistic, abs=0.3)
    assert beside.dm > 2  # by rising alone
    held = card.buy_and_hold_illustration
    assert held is not None
    assert held.net_return_pct == pytest.approx(
        100 * (close[place[-1] + 1] / close[place[0]] - 1), rel=0.03
    )


def test_the_five_years_of_an_existing_service(tmp_path: Path) -> None:
    """It reported an R2 of the level: no change has a higher one, and the report quotes neither."""
    raw = gzip.decompress((DAILY / "seed_gold_data.csv.gz").read_bytes())
    (tmp_path / "gold.csv").write_bytes(raw)
    source = {"path": str(tmp_path), "instruments": {"GC=F": "gold.csv"}, "dates": "dmy"}
    made, page = judged(
        tmp_path / "home",
        source,
        split={"train": "2022-12-30", "validate": "2023-12-29"},
        evaluate={"from": "2024-01-02", "refit_every": 126},
    )
    (card,) = made.slots
    claims_hold(card)
    naive, ridge = card.by_name["naive"], card.by_name["ridge"]
    assert ridge.verdict == "no skill shown"
    level = naive.losses["r2_level_uninformative"]
    assert level is not None
    assert level > 0.97
    assert ridge.losses["r2_oos"] is not None
    assert math.isfinite(ridge.losses["r2_oos"])
    text = page.read_text(encoding="utf-8")
    assert "so it says nothing" in text
    assert "uninformative" not in text
