"""The rows of a recipe's gold tables, as the feature store takes them."""

from datetime import datetime
from pathlib import Path

import polars as pl

from truecast.core.clock import now
from truecast.core.progress import Progress
from truecast.core.recipe import Recipe
from truecast.core.slot import escape
from truecast.features.plan import FeaturePlan
from truecast.features.warmup import warm_up
from truecast.lake.errors import LakeError
from truecast.lake.gold import GoldTable
from truecast.pipelines.featurestore.definitions import CREATED, EVENT_TIME, INSTRUMENT, KNOWN
from truecast.pipelines.featurestore.lineage import SeriesLineage
from truecast.pipelines.stages import build, dataset_table, made_from
from truecast.serving.workspace import Workspace

#: Feast compares moments to the microsecond, in UTC.
_MOMENT = pl.Datetime("us", "UTC")


def export(
    workspace: Workspace, recipe: Recipe, plan: FeaturePlan, folder: Path, progress: Progress
) -> tuple[pl.DataFrame, dict[str, SeriesLineage]]:
    """Write all rows of each instrument as Parquet, and return the newest of each.

    What gold does not have, or has from other definitions, other code or older tables, is built.
    A file is replaced in one step, and files of instruments that the recipe no longer names go.

    Parameters
    ----------
    workspace, recipe : Workspace, Recipe
        Where the tables are, and whose.
    plan : FeaturePlan
        The recipe's features.
    folder : Path
        Where the files go, made if it is not there.
    progress : Progress
        Told if features must be compiled before they can be built.

    Returns
    -------
    pl.DataFrame, dict
        One row an instrument: instrument, event_time, as_of, created_at and the features
        (float32); and what the rows of each instrument are made from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted, created = made_from(workspace, recipe, plan), now()
    newest: list[pl.DataFrame] = []
    series: dict[str, SeriesLineage] = {}
    for symbol in recipe.instruments:
        table = _current(workspace, recipe, symbol, wanted)
        if table is None:
            warm_up(plan, progress)
            build(workspace, recipe)
            table = workspace.lake.read_gold(dataset_table(recipe, symbol))
        rows = _rows(table.frame, symbol, plan, created)
        _replace(folder / f"{escape(symbol)}.parquet", rows)
        newest.append(rows.tail(1))
        series[symbol] = SeriesLineage(
            rows=len(rows),
            event_time=rows[EVENT_TIME][-1],
            as_of=rows[KNOWN][-1],
            gold=dataset_table(recipe, symbol),
            gold_version=table.version,
            made_from=table.lineage,
        )
    named = {f"{escape(symbol)}.parquet" for symbol in recipe.instruments}
    for file in folder.glob("*.parquet"):
        if file.name not in named:
            file.unlink()
    return pl.concat(newest), series


def _current(
    workspace: Workspace, recipe: Recipe, symbol: str, wanted: dict[str, str]
) -> GoldTable | None:
    """Read an instrument's gold table, if it is there and made from what is wanted."""
    try:
        table = workspace.lake.read_gold(dataset_table(recipe, symbol))
    except LakeError:  # there is none yet
        return None
    return table if wanted.items() <= table.lineage.items() else None


def _rows(frame: pl.DataFrame, symbol: str, plan: FeaturePlan, created: datetime) -> pl.DataFrame:
    return frame.select(
        pl.lit(symbol).alias(INSTRUMENT),
        pl.col(EVENT_TIME).cast(_MOMENT),
        pl.col(KNOWN).cast(_MOMENT),
        pl.lit(created).cast(_MOMENT).alias(CREATED),
        *(pl.col(name).cast(pl.Float32) for name in plan.names),
    ).sort(KNOWN)


def _replace(path: Path, rows: pl.DataFrame) -> None:
    draft = path.with_suffix(".new")
    rows.write_parquet(draft)
    draft.replace(path)
