"""Push: define, write the rows, put the newest online, read them back, record the lineage."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from filelock import FileLock, Timeout

from truecast.core.clock import now
from truecast.core.progress import SILENT, Progress
from truecast.core.recipe import Recipe
from truecast.features.plan import FeaturePlan
from truecast.pipelines.featurestore.definitions import INSTRUMENT, define, view_name
from truecast.pipelines.featurestore.library import FeatureStoreError, load_feast
from truecast.pipelines.featurestore.lineage import Lineage, lineage_of
from truecast.pipelines.featurestore.read import find_view, online_values
from truecast.pipelines.featurestore.rows import export
from truecast.pipelines.featurestore.store import open_store, store_folder
from truecast.serving.planning import feature_plan, source_of
from truecast.serving.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

PATIENCE_SECONDS = 60


def push(workspace: Workspace, recipe: Recipe, progress: Progress = SILENT) -> Lineage:
    """Bring the newest feature row of each of a recipe's instruments into the online store.

    What was built before is taken as it is, unless it is from other definitions or older tables.
    Where the definitions have changed since the last push, the rows of before are deleted first:
    for a moment there is none, never one that is half of each.

    Returns
    -------
    Lineage
        What is online now, and what it was made from; :func:`~.read.online_row` gives it back.

    Raises
    ------
    FeatureStoreError
        If Feast is not installed, a store cannot be written or does not give back what was
        written, or another process pushes the recipe for more than a minute.
    """
    load_feast()  # before any work is done, if it is not there
    plan, _ = feature_plan(recipe)
    folder = store_folder(workspace, recipe)
    with _alone(folder):
        newest, series = export(workspace, recipe, plan, folder / "rows", progress)
        lineage = Lineage(
            recipe=recipe.name,
            source=source_of(recipe).name,
            view=view_name(recipe),
            features=len(plan.names),
            definition_hash=plan.hash,
            recipe_hash=recipe.hash,
            pushed_at=now(),
            series=series,
        )
        with open_store(workspace, recipe) as store:
            view = _defined(store, recipe, plan, folder / "rows", lineage)
            store.write_to_online_store(view.name, newest.to_pandas())
            _check(store, view, newest)
            # Last, so that what the view says of its rows is never ahead of them.
            _apply(store, recipe, plan, folder / "rows", lineage.tags())
    return lineage


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process push the recipe meanwhile; a kill frees the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "push.lock"
    try:
        with FileLock(path, timeout=PATIENCE_SECONDS):
            yield
    except Timeout as error:
        raise FeatureStoreError(
            f"{path}: another process has been pushing for over {PATIENCE_SECONDS} seconds; "
            "wait for it, or end it"
        ) from error


def _defined(
    store: "FeatureStore", recipe: Recipe, plan: FeaturePlan, rows: Path, lineage: Lineage
) -> "FeatureView":
    """Return the view, which has no rows of other definitions."""
    view = find_view(store, lineage.view)
    if view is not None:
        before = lineage_of(view)
        if before is not None and before.same_definitions(lineage):
            # Again, for where the online rows were deleted by hand: their table is made anew.
            return _apply(store, recipe, plan, rows, before.tags())
        store.apply([], objects_to_delete=[view], partial=False)
    return _apply(store, recipe, plan, rows, {})


def _apply(
    store: "FeatureStore", recipe: Recipe, plan: FeaturePlan, rows: Path, tags: dict[str, str]
) -> "FeatureView":
    definitions = define(recipe, plan, rows, tags)
    store.apply([definitions.entity, definitions.view])
    return definitions.view


def _check(store: "FeatureStore", view: "FeatureView", newest: pl.DataFrame) -> None:
    """Read back what was written.

    Raises
    ------
    FeatureStoreError
        If a value is not the same to the last bit.
    """
    for row in newest.iter_rows(named=True):
        _, values = online_values(store, view, row[INSTRUMENT])
        for name, value in values.items():
            if value != row[name] and not (isnan(value) and isnan(row[name])):
                raise FeatureStoreError(
                    f"{name} of {row[INSTRUMENT]} was written as {row[name]!r} and is read back "
                    f"as {value!r}: push again, and if it stays, report it"
                )
