"""The record of a push: what is in the online store, and from what it was made."""

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from feast import FeatureView

_TAG = "lineage"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeriesLineage(_Record):
    """One instrument's rows: how many, the newest, and the gold table that they are from.

    ``made_from`` is the gold table's own lineage: the recipe's and the definitions' hashes, the
    code's, and the version of each table that was read.
    """

    rows: int
    event_time: datetime
    as_of: datetime
    gold: str
    gold_version: int
    made_from: dict[str, str]


class Lineage(_Record):
    """A push. ``definition_hash`` is the feature plan's: of formulas, inputs and parameters.

    It stands on the view in Feast's registry, in the tag ``lineage``.
    """

    recipe: str
    source: str
    view: str
    features: int
    definition_hash: str
    recipe_hash: str
    pushed_at: datetime
    series: dict[str, SeriesLineage]

    def tags(self) -> dict[str, str]:
        """Return it as the tags of a view, with the hashes by themselves for whoever browses."""
        return {
            "definition_hash": self.definition_hash,
            "recipe_hash": self.recipe_hash,
            _TAG: self.model_dump_json(),
        }

    def same_definitions(self, other: "Lineage") -> bool:
        """Say whether rows of both mean the same."""
        return (self.definition_hash, self.recipe_hash) == (
            other.definition_hash,
            other.recipe_hash,
        )


def lineage_of(view: "FeatureView") -> Lineage | None:
    """Read the lineage of a view's rows.

    None before the view's first push is complete, and where it is not as this version of Truecast
    writes it: such rows are pushed anew.
    """
    try:
        return Lineage.model_validate_json(view.tags.get(_TAG, ""))
    except ValidationError:
        return None
