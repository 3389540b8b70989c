"""How well volatility is forecast one day ahead: every family beside GARCH(1,1), walk-forward.

Three samples, each with features of prices alone and with the VIX as known at the decision: the
S&P 500 of 2009 to 2013 and of 2014 to 2018, and the NASDAQ of 2014 to 2018. All models are those of
recipes, refitted every 21 sessions on all history known by then. The VIX comes from
``macro/vix_daily_1990_2023.parquet`` in the folder that ``TRUECAST_REALDATA`` names; without it
that half is left out. Last come the 90% intervals of the S&P 500's return.

What is meant to serve is the mean of a line and of trees, half each. It was chosen on 2005 to 2008,
before any of these samples; the other rows are families as they come.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from _measure import _machine

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.evaluation.intervals import (
    coverage_by_tercile,
    covered,
    crps_from_quantiles,
    rolling_coverage,
    winkler_loss,
)
from truecast.evaluation.metrics import METRICS
from truecast.evaluation.significance import diebold_mariano, improvement
from truecast.pipelines.judge import LEVELS
from truecast.pipelines.stages import ingest
from truecast.pipelines.study import Researcher, scale_calibration
from truecast.serving.workspace import Workspace

VIX_FILE = "macro/vix_daily_1990_2023.parquet"
SAMPLES = {
    "^GSPC": [("2009-01-02", "2013-12-31"), ("2014-01-14", "2018-12-31")],
    "^IXIC": [("2014-01-14", "2018-12-31")],
}
PRICES = ["gjr", "egarch", "ewma", "har", "har_leverage", "lightgbm"]
WITH_VIX = ["har_vix", "lightgbm"]
METRIC_NAMES = ("qlike_gk", "qlike_r2")
COVERAGE = 0.9


@dataclass(frozen=True)
class Row:
    """A model on a sample; ``better`` is how much lower its loss is than GARCH's, percent."""

    instrument: str
    since: str
    until: str
    context: str
    model: str
    n: int
    qlike_gk: float
    qlike_r2: float
    better_gk: float
    better_r2: float
    dm_gk: float
    dm_r2: float
    dm_gk_har_leverage: float
    dm_r2_har_leverage: float


@dataclass(frozen=True)
class IntervalRow:
    """The 90% intervals of next-day returns on a sample, scaled by one model's volatility."""

    instrument: str
    since: str
    until: str
    scale: str
    n: int
    coverage: float
    worst_250: float
    top_tercile: float
    winkler: float
    crps: float


def recipe_of(symbol: str, folder: Path | None, refit_every: int) -> Recipe:
    """Return a recipe of prices alone, from the sample, or with the VIX, from a folder of files."""
    ensemble = {"ensemble": {"of": ["har_leverage" if folder is None else "har_vix", "lightgbm"]}}
    models = [*(PRICES if folder is None else WITH_VIX), ensemble]
    return Recipe.model_validate(
        {
            "name": "volatility",
            "instruments": [symbol],
            "context": [] if folder is None else ["^VIX"],
            "source": "sample" if folder is None else {"files": {"path": str(folder)}},
            "features": ["daily" if folder is None else "sp500_daily"],
            "targets": {"volatility": {"models": models}},
            "split": {"train": "2007-12-31", "validate": "2008-12-31"},
            "evaluate": {"from": "2009-01-02", "refit_every": refit_every},
        }
    )


def write_files(folder: Path, symbols: dict[str, str]) -> bool:
    """Write the sample's series and the VIX beside each other; say whether the VIX is there."""
    from arch.data import nasdaq, sp500

    vix = Path(os.environ.get("TRUECAST_REALDATA", "")) / VIX_FILE
    if not vix.is_file():
        return False
    pl.read_parquet(vix).select("date", "open", "high", "low", "close").write_csv(
        folder / "VIX.csv"
    )
    loaders = {"^GSPC": sp500, "^IXIC": nasdaq}
    for symbol, stem in symbols.items():
        loaders[symbol].load().to_csv(folder / f"{stem}.csv", index_label="Date")
    return True


def studied(home: Path, recipe: Recipe, symbol: str) -> tuple[Researcher, dict[str, Any]]:
    """Walk every model of a recipe forward; return the researcher and what each said."""
    workspace = Workspace(Settings(home=home))
    ingest(workspace, recipe)
    researcher = Researcher(recipe, workspace.dataset(recipe, symbol))
    slot = Slot(recipe.name, "", symbol, "volatility", 1)
    said, _ = researcher.walk(slot, lambda: None)
    return researcher, said


def rows_between(researcher: Researcher, said: dict[str, Any], since: str, until: str) -> Any:
    """Return the rows due between two sessions that have an outcome and all forecasts."""
    outcomes = researcher.dataset.outcomes(1)
    gk = researcher.dataset.response("volatility", outcomes)
    due = outcomes.due_session
    usable = (due >= np.datetime64(since)) & (due <= np.datetime64(until))
    for values in (gk, outcomes.squared_return, *said.values()):
        usable &= np.isfinite(values)
    return np.flatnonzero(usable)


def judged(
    researcher: Researcher, said: dict[str, Any], symbol: str, since: str, until: str, context: str
) -> Iterator[Row]:
    """Hold every model against GARCH(1,1) and HAR with leverage on identical dates."""
    rows = rows_between(researcher, said, since, until)
    outcomes = researcher.dataset.outcomes(1)
    truth = {
        "qlike_gk": researcher.dataset.response("volatility", outcomes)[rows],
        "qlike_r2": outcomes.squared_return[rows],
    }
    losses = {
        name: {metric: METRICS[metric].loss(truth[metric], values[rows]) for metric in METRIC_NAMES}
        for name, values in said.items()
    }

    def test(name: str, other: str, metric: str) -> float:
        if name == other:
            return 0.0
        return diebold_mariano(losses[name][metric], losses[other][metric], 1).statistic

    for name, lost in losses.items():
        yield Row(
            *(symbol, since, until, context, name, len(rows)),
            *(float(lost[metric].mean()) for metric in METRIC_NAMES),
            *(improvement(lost[metric], losses["garch"][metric]) for metric in METRIC_NAMES),
            *(test(name, "garch", metric) for metric in METRIC_NAMES),
            *(test(name, "har_leverage", metric) for metric in METRIC_NAMES),
        )


def intervals(researcher: Researcher, symbol: str, since: str, until: str) -> IntervalRow:
    """Judge the intervals of next-day returns, each from the outcomes known at its decision."""
    dataset, variance = researcher.dataset, researcher.variance(1)
    outcomes = dataset.outcomes(1)
    rows = rows_between(researcher, {"scale": variance}, since, until)
    scores = scale_calibration(dataset, variance, outcomes, 1)
    as_of, spread = dataset.decisions.as_of[rows], variance[rows]
    lower, upper = scores.return_band(spread, as_of, coverage=COVERAGE)
    quantiles = scores.return_quantiles(spread, as_of, levels=LEVELS)
    truth = outcomes.log_return[rows]
    hits = covered(truth, lower, upper)
    return IntervalRow(
        *(symbol, since, until, researcher.scale.name, len(rows)),
        coverage=float(hits.mean()),
        worst_250=float(rolling_coverage(hits).min()),
        top_tercile=coverage_by_tercile(truth, lower, upper, spread)[2],
        winkler=float(winkler_loss(truth, lower, upper, COVERAGE).mean()),
        crps=float(crps_from_quantiles(LEVELS, quantiles, truth).mean()),
    )


def run(folder: Path, refit_every: int) -> tuple[list[Row], list[IntervalRow]]:
    """Walk all samples forward, with the VIX where it is there."""
    rows: list[Row] = []
    bands: list[IntervalRow] = []
    files = folder / "files"
    files.mkdir()
    with_vix = write_files(files, {"^GSPC": "GSPC", "^IXIC": "IXIC"})
    if not with_vix:
        print(f"without the VIX: TRUECAST_REALDATA names no folder with {VIX_FILE}")
    for context, source in (("prices", None), ("vix", files)):
        if source is not None and not with_vix:
            continue
        for symbol, samples in SAMPLES.items():
            recipe = recipe_of(symbol, source, refit_every)
            researcher, said = studied(folder / "home", recipe, symbol)
            for since, until in samples:
                rows += judged(researcher, said, symbol, since, until, context)
                if symbol == "^GSPC":
                    bands.append(intervals(researcher, symbol, since, until))
    return rows, bands


def show(rows: list[Row], bands: list[IntervalRow]) -> None:
    """Print the tables for people."""
    before = None
    for row in rows:
        if (row.instrument, row.since, row.context) != before:
            before = row.instrument, row.since, row.context
            print(f"\n{row.instrument} {row.since} to {row.until}, {row.context}, n = {row.n}")
            print(f"{'':14}QLIKE GK   r²     better, %: GK    r²   DM: GK   r²   beside HAR+lev")
        print(
            f"{row.model:14}{row.qlike_gk:8.4f}{row.qlike_r2:8.4f}{row.better_gk:14.1f}"
            f"{row.better_r2:7.1f}{row.dm_gk:9.2f}{row.dm_r2:6.2f}"
            f"{row.dm_gk_har_leverage:9.2f}{row.dm_r2_har_leverage:6.2f}"
        )
    print("\n90% intervals of the next return: held, worst 250, top tercile, Winkler, CRPS")
    for band in bands:
        print(
            f"{band.instrument} {band.since} to {band.until} by {band.scale:14}"
            f"{band.coverage:7.3f}{band.worst_250:7.3f}{band.top_tercile:7.3f}"
            f"{band.winkler:7.3f}{band.crps:7.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--refit", type=int, default=21, help="sessions between refits")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows, bands = run(Path(folder), given.refit)
    show(rows, bands)
    document = {
        "bench": "volatility",
        "machine": _machine(),
        "refit_every": given.refit,
        "rows": [asdict(row) for row in rows],
        "intervals": [asdict(band) for band in bands],
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
