"""Feast's definitions of a recipe, written from its feature plan: entity, source, view."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from truecast.core.errors import UsageError
from truecast.core.interval import Interval
from truecast.core.recipe import Recipe
from truecast.features.declaration import Feature
from truecast.features.plan import FeaturePlan
from truecast.pipelines.featurestore.library import load_feast

if TYPE_CHECKING:
    from feast import Entity, FeatureView, Field

#: The entity, and the column that names it: the instrument's symbol.
INSTRUMENT = "instrument"
#: Close of the newest bar in the row; beside the features, so that a row says which bar it is of.
EVENT_TIME = "event_time"
#: The view's timestamp: the decision's moment, when the row could first be used.
KNOWN = "as_of"
#: When the row was pushed. Nothing depends on it: there is one row a moment, for of two Feast's
#: file store takes now the earlier, now the later one.
CREATED = "created_at"

#: Longer than an exchange stays closed over holidays; the longest of the last decades were 11 days.
CLOSED = timedelta(days=14)


@dataclass(frozen=True)
class Definitions:
    """What is registered of a recipe.

    Parameters
    ----------
    entity : feast.Entity
        The instrument.
    view : feast.FeatureView
        One field a feature of the plan, in its order, after the bar's close.
    """

    entity: "Entity"
    view: "FeatureView"


def view_name(recipe: Recipe) -> str:
    """Name the view of a recipe: its name, with ``_`` for ``-``.

    A feature is asked for as ``sp500_daily:rsi_14``.
    """
    return recipe.name.replace("-", "_")


def time_to_live(interval: Interval) -> timedelta:
    """Return how long a row can be the newest one that there is: an interval and a closing.

    Point-in-time joins take no older row. Feast does not look at it when it reads online rows.

    Examples
    --------
    >>> time_to_live(Interval("1d")).days
    15
    """
    return CLOSED + interval.length


def define(recipe: Recipe, plan: FeaturePlan, rows: Path, tags: dict[str, str]) -> Definitions:
    """Write the definitions of a recipe.

    Parameters
    ----------
    recipe : Recipe
        Names the view; its interval gives the time to live.
    plan : FeaturePlan
        The features; a user's own are fields like all others.
    rows : Path
        Folder of the Parquet files with all rows.
    tags : dict of str to str
        What the view carries besides, such as the lineage of its rows.

    Raises
    ------
    UsageError
        If a feature has the name of a column that every row has.
    """
    feast = load_feast()
    if taken := {INSTRUMENT, EVENT_TIME, KNOWN, CREATED}.intersection(plan.names):
        raise UsageError(
            f"feature {min(taken)}: the feature store has a column of that name; rename the feature"
        )
    entity = feast.Entity(
        name=INSTRUMENT,
        join_keys=[INSTRUMENT],
        value_type=feast.ValueType.STRING,
        description="Symbol of the instrument, as the recipe writes it.",
    )
    name = view_name(recipe)
    source = feast.FileSource(
        name=f"{name}_rows",
        path=str(rows),
        timestamp_field=KNOWN,
        created_timestamp_column=CREATED,
        description="All rows, a file an instrument, taken from gold at the last push.",
    )
    view = feast.FeatureView(
        name=name,
        entities=[entity],
        ttl=time_to_live(recipe.bar_interval),
        schema=[_close_of_bar(), *map(_field, plan.features)],
        source=source,
        description=recipe.description,
        tags=tags,
    )
    return Definitions(entity, view)


def _close_of_bar() -> "Field":
    from feast.types import UnixTimestamp

    said = "Close of the newest bar in the row, UTC, to the second."
    field: Field = load_feast().Field(name=EVENT_TIME, dtype=UnixTimestamp, description=said)
    return field


def _field(feature: Feature) -> "Field":
    from feast.types import Float32

    field: Field = load_feast().Field(
        name=feature.name,
        dtype=Float32,
        description=f"{feature.formula} ({feature.unit})",
        tags={
            "formula": feature.formula,
            "unit": feature.unit,
            "lookback": str(feature.lookback),
            "source": feature.reference,
        },
    )
    return field
