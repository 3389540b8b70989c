"""What is asked of single targets and of several days at once; ``/predict`` takes ``Asked``."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from truecast.serving.schemas import MOST_BARS, AskedTarget, Horizon, Name, PostedBar

Number = Annotated[float, Field(gt=-1e9, lt=1e9, allow_inf_nan=False)]
Ticker = Annotated[
    str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9^][A-Za-z0-9^=._-]*$")
]
_LONGEST_WINDOW = 10_000
_RECIPE = Field(None, description="A recipe, or recipe@source.")


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AskedRegime(AskedTarget):
    """Which regime is wanted: of an instrument, or of two runs of numbers and nothing else."""

    returns_window: tuple[Number, ...] | None = Field(
        None,
        min_length=1,
        max_length=_LONGEST_WINDOW,
        fail_fast=True,
        description="One-bar log returns in percent, the oldest first.",
    )
    volatility_window: tuple[Number, ...] | None = Field(
        None,
        min_length=1,
        max_length=_LONGEST_WINDOW,
        fail_fast=True,
        description="Of as many bars: standard deviation of the 22 one-bar returns up to it, in "
        "percent.",
    )

    @model_validator(mode="after")
    def _both_windows(self) -> Self:
        returns, volatility = self.returns_window, self.volatility_window
        if (returns is None) != (volatility is None):
            raise ValueError("returns_window and volatility_window go together: one is missing")
        if returns is None or volatility is None:
            return self
        if len(returns) != len(volatility):
            raise ValueError(
                f"returns_window has {len(returns)} numbers, volatility_window {len(volatility)}: "
                "send one of each for every bar"
            )
        if min(volatility) < 0:
            raise ValueError(f"a volatility is 0 or above, got {min(volatility):g}")
        if self.posted or self.timestamp is not None:
            raise ValueError("windows are filtered alone: leave bars, history and timestamp out")
        return self


class AskedPrices(_Asked):
    """Prices of how many bars ahead are wanted, and from which bars."""

    periods: Horizon = Field(description="Bars ahead: each from 1 to this.")
    recipe: Name | None = _RECIPE
    instrument: Name | None = Field(None, description="Such as ^GSPC.")
    history: tuple[PostedBar, ...] = Field(
        (),
        max_length=MOST_BARS,
        fail_fast=True,
        description="Bars, the oldest first, in place of those stored since the first of them; "
        "the last one is the newest.",
    )


class AskedParent(_Asked):
    """How many days of the index are wanted."""

    days: Horizon | None = Field(None, description="Sessions ahead; 5 if left out.")
    recipe: Name | None = _RECIPE


class AskedChild(AskedParent):
    """Which stock is wanted, and how many days of it."""

    ticker: Ticker = Field(description="Such as GOOG.")
