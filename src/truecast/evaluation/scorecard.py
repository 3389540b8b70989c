"""The scorecard: what ``report --json`` prints."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from truecast.evaluation.nested import ClarkWest
from truecast.evaluation.significance import Verdict, Versus

Role = Literal["model", "baseline"]


class CardPart(BaseModel):
    """A part of a scorecard or a card: frozen, and JSON without NaN."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )


class Champion(CardPart):
    """The model that serves the slot: ``name`` is one of the scorecard's models."""

    name: str
    version: str
    model_type: str


class Window(CardPart):
    """What forecasts were judged on: first and last session of an outcome, and rows."""

    from_: Annotated[date, Field(alias="from")]
    to: date
    n: int


class IntervalCard(CardPart):
    """How well intervals held the outcomes.

    ``coverage``, ``coverage_ci95`` (Wilson), ``coverage_by_tercile`` (of volatility as known at
    each ``as_of``: low, middle, top) and ``min_coverage_250`` (the worst 250 consecutive rows) are
    shares; ``mean_width``, ``winkler`` and ``crps`` are in percent return, for volatility in
    percent standard deviation. A figure is null where it cannot be had: fewer than 250 rows, no
    volatility or no quantiles given.
    """

    model: str
    nominal: float
    coverage: float
    coverage_ci95: tuple[float, float]
    coverage_top_volatility_tercile: float | None
    coverage_by_tercile: tuple[float | None, float | None, float | None] | None
    min_coverage_250: float | None
    mean_width: float
    winkler: float
    crps: float | None


class BacktestCard(CardPart):
    """What trading by the forecasts would have made: an illustration, see ``backtest``.

    ``position`` says how a forecast becomes a position, ``cost_bps`` what a unit of turnover
    costs. Returns are of the whole window, in percent, compounded, before and after costs;
    ``turnover_a_year`` counts how often the capital is bought or sold; ``max_drawdown_pct`` is at
    most zero. ``sharpe`` is a year's, after costs, without a rate of interest;
    ``deflated_sharpe`` the probability that it is above what luck gives the best of ``trials``.
    Both are null where returns do not differ.
    """

    position: Literal["sign", "size"]
    cost_bps: float
    trades: int
    years: float
    gross_return_pct: float
    net_return_pct: float
    turnover_a_year: float
    max_drawdown_pct: float
    sharpe: float | None
    deflated_sharpe: float | None
    trials: int


class PartCard(CardPart):
    """A model's losses on one part of the split, and how many rows that is."""

    n: int
    losses: dict[str, float | None]


class ModelCard(CardPart):
    """One model's losses, beside the baselines.

    ``losses`` maps a metric to its value over the window (null where it is not defined),
    ``losses_by_year`` the years to the metric that decides. ``versus`` is ordered by metric, the
    deciding one first, then by baseline, the naive forecast first. ``trials`` counts the models
    that were compared on these dates, this one included. ``auc_ci95`` is for direction only.
    ``parts`` maps ``train``, ``validate``, ``test`` and ``oot``, where the split has them, to the
    losses there: on ``train`` those of the model that was fitted for the first validation row, on
    the rows that taught it (or 100,000 evenly spaced ones); on the others of the walk-forward.

    ``mcs_p_value`` is that of the model confidence set by the deciding loss, and ``in_mcs`` says
    whether the model is in the set of 90%: whether it may be the best. ``clark_west`` is there
    where the naive forecast is a special case of the model. Neither has a part in the verdict.
    ``backtest_illustration`` is no evidence of skill either.
    """

    name: str
    model_type: str
    role: Role
    losses: dict[str, float | None]
    versus: tuple[Versus, ...]
    trials: int = Field(ge=1)
    verdict: Verdict | Literal["baseline"]
    losses_by_year: dict[int, float]
    auc_ci95: tuple[float, float] | None = None
    intervals: IntervalCard | None = None
    parts: dict[str, PartCard] = Field(default_factory=dict)
    in_mcs: bool | None = None
    mcs_p_value: float | None = None
    clark_west: ClarkWest | None = None
    backtest_illustration: BacktestCard | None = None


class SlotCard(CardPart):
    """One slot: its champion, and every model on identical dates.

    ``metric`` is the loss that decides. ``intervals`` are the champion's. ``assumed_share`` is
    the share of rows whose ``known_at`` was assumed from the source's documented delay and not
    observed. ``provenance`` says in words what the figures rest on (calendar, adjustment, proxy),
    ``data_versions`` which versions of which tables. ``buy_and_hold_illustration`` is what
    holding would have made where models trade.
    """

    slot: str
    instrument: str
    target: str
    horizon: int = Field(ge=1)
    champion: Champion
    window: Window
    models: tuple[ModelCard, ...]
    intervals: IntervalCard | None
    metric: str
    baselines: tuple[str, ...]
    simulated: bool = False
    assumed_share: float | None = None
    provenance: dict[str, str] = Field(default_factory=dict)
    data_versions: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    buy_and_hold_illustration: BacktestCard | None = None

    @property
    def by_name(self) -> Mapping[str, ModelCard]:
        """The models by their names."""
        return {model.name: model for model in self.models}

    @property
    def judged(self) -> ModelCard:
        """The champion's card."""
        return self.by_name[self.champion.name]


class Scorecard(CardPart):
    """All slots of a recipe, as of a moment.

    ``as_of`` is when the scorecard was made, or the moment it was asked for.
    """

    recipe: str
    as_of: AwareDatetime
    slots: tuple[SlotCard, ...]
    recipe_hash: str = ""
    notes: tuple[str, ...] = ()
