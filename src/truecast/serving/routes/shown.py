"""What is asked and answered about versions and champions."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from truecast.core.recipe_parts import TargetName
from truecast.serving.schemas import Name


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelsAsked(_Shown):
    """Whose versions are shown; of every slot if nothing is said."""

    slot: Name | None = Field(None, description="Such as sp500-daily@sample:~5EGSPC:price:1.")
    recipe: Name | None = None
    instrument: Name | None = Field(None, description="Of a pool it is `pooled`.")
    target: TargetName | None = None
    versions: int = Field(5, ge=1, le=100, description="Of each slot, the newest ones.")


class PromoteAsked(_Shown):
    """Which version is to be the champion."""

    version: Name | None = Field(
        None,
        description="Such as v2574ddc2aea5; left out: the newest that its training chose, unless "
        "it failed a gate or did not beat the champion as it should.",
    )


class RollbackAsked(_Shown):
    """Nothing: the champion before is meant."""


class ChampionShown(_Shown):
    """A champion, and why it is."""

    version: str
    name: str = Field(description="Of the model among the recipe's candidates.")
    skill: str | None = Field(description="The verdict of its newest evaluation, if there was one.")
    reason: str
    promoted_at: datetime


class VersionShown(_Shown):
    """A trained version."""

    version: str
    name: str = Field(description="Of the model among the recipe's candidates.")
    model_type: str
    recipe_hash: str
    skill: str | None = Field(description="The verdict of its newest evaluation, if there was one.")
    chosen: bool = Field(description="Whether its training chose it among the candidates.")
    blocked: str | None = Field(description="Which gates it failed: then it cannot be promoted.")
    held: str | None = Field(description="Why it is promoted only if it is named.")
    reason: str
    metrics: dict[str, float]
    trained_through: datetime
    trained_at: datetime


class ModelShown(_Shown):
    """A slot, its champion and its newest versions."""

    slot: str
    recipe: str
    source: str
    instrument: str
    target: str
    horizon: int
    champion: ChampionShown | None
    answering: str | None = Field(description="The version that answers here at the moment.")
    refused: str | None = Field(description="Why the champion does not answer, if it does not.")
    versions: list[VersionShown]


class Models(_Shown):
    """Every slot for which something was trained."""

    count: int
    models: list[ModelShown]


class Promoted(_Shown):
    """The champion of a slot after a promotion or a rollback."""

    slot: str
    champion: ChampionShown
    before: str | None = Field(description="The version that was champion, if there was one.")
    changed: bool
    notices: list[str] = Field(description="What could not be told MLflow, or was put back there.")
