"""What is in the feature store: the newest row, and the rows as known at moments of the past."""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from truecast.core.clock import now
from truecast.core.names import UnknownNameError
from truecast.core.recipe import Recipe
from truecast.pipelines.featurestore.definitions import (
    EVENT_TIME,
    INSTRUMENT,
    KNOWN,
    time_to_live,
    view_name,
)
from truecast.pipelines.featurestore.library import FeatureStoreError
from truecast.pipelines.featurestore.lineage import Lineage, lineage_of
from truecast.serving.planning import feature_plan

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

# Feast's own name of the moments that a join is asked for.
_MOMENT = "event_timestamp"


@dataclass(frozen=True)
class OnlineRow:
    """The newest row of an instrument.

    Parameters
    ----------
    instrument : str
        Its symbol.
    event_time : datetime
        Close of the newest bar in the row.
    as_of : datetime
        When the row could first be used.
    expired : bool
        Whether it is older than a row can be if its source still gives bars.
    values : dict of str to float
        The features in the plan's order, each a float32; NaN where one is missing.
    lineage : Lineage
        The push that brought it.
    """

    instrument: str
    event_time: datetime
    as_of: datetime
    expired: bool
    values: dict[str, float]
    lineage: Lineage


def online_row(store: "FeatureStore", recipe: Recipe, symbol: str) -> OnlineRow:
    """Read the newest row of an instrument.

    Parameters
    ----------
    store : feast.FeatureStore
        The recipe's, from :func:`~truecast.pipelines.featurestore.store.open_store`.
    recipe : Recipe
        As it was pushed.
    symbol : str
        One of its instruments.

    Raises
    ------
    UsageError
        If the recipe does not name the instrument.
    FeatureStoreError
        If nothing was pushed, it was pushed by other definitions than today's, or the last push
        did not come to its end.
    """
    if symbol not in recipe.instruments:
        raise UnknownNameError("instrument", symbol, recipe.instruments, recipe.name)
    again = f"run `truecast features push {recipe.typed}`"
    view = find_view(store, view_name(recipe))
    lineage = None if view is None else lineage_of(view)
    if view is None or lineage is None:
        raise FeatureStoreError(f"no features of {recipe.name} have been pushed: {again}")
    plan, _ = feature_plan(recipe)
    if (lineage.recipe_hash, lineage.definition_hash) != (recipe.hash, plan.hash):
        raise FeatureStoreError(
            f"the features of {recipe.name} were pushed {lineage.pushed_at:%Y-%m-%d %H:%M} UTC "
            f"from another version of the recipe or its features: {again}"
        )
    event_time, values = online_values(store, view, symbol)
    pushed = lineage.series[symbol]
    if event_time != pushed.event_time.replace(microsecond=0):
        raise FeatureStoreError(
            f"the online row of {symbol} is of {event_time}, but the last push that came to its "
            f"end wrote {pushed.event_time}: {again}"
        )
    return OnlineRow(
        instrument=symbol,
        event_time=pushed.event_time,
        as_of=pushed.as_of,
        expired=now() > pushed.as_of + time_to_live(recipe.bar_interval),
        values={name: values[name] for name in plan.names},
        lineage=lineage,
    )


def find_view(store: "FeatureStore", name: str) -> "FeatureView | None":
    """Return a view, or None where it has never been defined."""
    return next((view for view in store.list_feature_views() if view.name == name), None)


def online_values(
    store: "FeatureStore", view: "FeatureView", symbol: str
) -> tuple[datetime | None, dict[str, float]]:
    """Read the fields of a view online.

    Returns
    -------
    datetime or None, dict of str to float
        Close of the row's newest bar, to the second (None where there is no row), and every
        feature; NaN where it is missing.
    """
    found = store.get_online_features(_references(view), [{INSTRUMENT: symbol}]).to_dict()
    closed = found.pop(EVENT_TIME)[0]
    values = {
        name: float("nan") if column[0] is None else float(column[0])
        for name, column in found.items()
        if name != INSTRUMENT
    }
    return None if closed is None else closed.astimezone(UTC), values


def rows_as_of(store: "FeatureStore", recipe: Recipe, moments: pl.DataFrame) -> pl.DataFrame:
    """Join the features that were known at moments of the past, by Feast.

    Parameters
    ----------
    store : feast.FeatureStore
        The recipe's, from :func:`~truecast.pipelines.featurestore.store.open_store`.
    recipe : Recipe
        As it was pushed.
    moments : pl.DataFrame
        ``instrument`` and ``as_of`` (datetime, UTC), in any order.

    Returns
    -------
    pl.DataFrame
        The same rows in the same order with ``event_time`` and the features (float32) of the last
        row that could be used by then; null and NaN where there was none, or it was older than
        the view's time to live.

    Raises
    ------
    FeatureStoreError
        If nothing was pushed.

    Notes
    -----
    Feast holds each moment against each row of its instrument, in memory. For many moments on
    years of minutes take :meth:`~truecast.serving.workspace.Workspace.dataset`, which has the
    same rows.
    """
    view = find_view(store, view_name(recipe))
    if view is None:
        raise FeatureStoreError(
            f"no features of {recipe.name} have been pushed: "
            f"run `truecast features push {recipe.typed}`"
        )
    asked = moments.select(INSTRUMENT, pl.col(KNOWN).cast(pl.Datetime("us", "UTC")).alias(_MOMENT))
    job = store.get_historical_features(asked.unique().to_pandas(), _references(view))
    with warnings.catch_warnings():
        # Dask relies on what pandas will do otherwise one day.
        warnings.filterwarnings("ignore", "Downcasting object dtype", FutureWarning)
        found = pl.from_pandas(job.to_df(), nan_to_null=False)
    # Feast leaves out the moments that it has no row for.
    keys = [INSTRUMENT, _MOMENT]
    joined = asked.join(
        found.cast({_MOMENT: asked.schema[_MOMENT]}), on=keys, how="left", maintain_order="left"
    )
    names = [field.name for field in view.features if field.name != EVENT_TIME]
    return joined.select(
        INSTRUMENT, pl.col(_MOMENT).alias(KNOWN), EVENT_TIME, pl.col(names).fill_null(float("nan"))
    )


def _references(view: "FeatureView") -> list[str]:
    return [f"{view.name}:{field.name}" for field in view.features]
