"""The parts of a recipe: what each of its keys may say.

Every part is frozen and refuses keys it does not know.
"""

import re
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from truecast.core.strict import Date, Flag, Number, Whole

TARGETS = ("direction", "price", "regime", "return", "volatility")
TargetName = Literal["direction", "price", "regime", "return", "volatility"]
_DURATION = re.compile(r"(\d{1,9})([mh])", re.ASCII)
#: Of a duration: so that no moment and no reading of it overflows.
LONGEST_MINUTES = 366 * 24 * 60


class Part(BaseModel):
    """A part of a recipe: frozen, and without keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    #: Keys that came after 0.1.0, which are written down only where a recipe uses them: hashes and
    #: bundles of recipes that do not stay what they were.
    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _told(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        for name in self.later:
            if getattr(self, name) == fields[name].get_default(call_default_factory=True):
                told.pop(name, None)
        return told


class Choice(Part):
    """Something named, with its parameters: ``ridge`` or ``ridge: {alpha: 10}``."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            name, parameters = next(iter(value.items()))
            return {"name": name, "parameters": {} if parameters is None else parameters}
        return value

    def __str__(self) -> str:
        inner = ", ".join(f"{key}={value}" for key, value in sorted(self.parameters.items()))
        return f"{self.name}({inner})" if inner else self.name


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"write minutes or hours such as 30m or 2h, got {value!r}")
    minutes = int(match[1]) * (60 if match[2] == "h" else 1)
    if minutes > LONGEST_MINUTES:
        raise ValueError(f"{value} is longer than a year")
    return timedelta(minutes=minutes)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(lambda value: f"{int(value.total_seconds() // 60)}m", return_type=str),
]


#: A day that calendars reach.
Day = Annotated[Date, Field(ge=date(1900, 1, 1), le=date(2100, 12, 31))]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


class TargetSpec(Part):
    """What is forecast of a target: at which horizons, by which models, chosen how.

    ``cross_sessions`` lets an intraday outcome be valued in a later session than the forecast's;
    without it a forecast whose horizon ends after the session's close has no outcome. ``keep`` is
    how many of the features a model gets: those that went most with the outcome in the rows that
    teach it, chosen anew at each fit; all without it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"cross_sessions", "keep"})

    horizon: Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], BeforeValidator(_as_tuple)] = (1,)
    models: tuple[Choice, ...] = Field(min_length=1)
    select: str | None = None
    coverage: Number = Field(default=0.9, gt=0.5, lt=1)
    cross_sessions: Flag = False
    keep: Whole | None = Field(default=None, ge=1)

    @field_validator("horizon")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len({*value}) < len(value):
            raise ValueError(f"expected horizons, each once, such as [1, 5], got {[*value]}")
        return value


class Tuning(Part):
    """How long the parameters that the recipe leaves open are searched for, a candidate each.

    Parameters
    ----------
    trials : int
        Trials at most; the first has the family's own defaults.
    seconds : float or None
        No trial is begun after so many seconds of trials; there is always one.
    seed : int
        Trial ``i`` is drawn by ``seed + i``.
    """

    trials: Whole = Field(default=20, ge=1)
    seconds: Number | None = Field(default=None, gt=0)
    seed: Whole = Field(default=1, ge=0, lt=2**31)


class Transfer(Part):
    """Networks of each instrument begin with what those of one of them, the parent, have learned.

    Parameters
    ----------
    parent : str
        One of the instruments.
    mode : {"finetune", "frozen"}
        Whether all weights go on learning, or those of the last layer alone.
    learning_rate : float or None
        Of the children; None for the model's own.
    """

    parent: str
    mode: Literal["finetune", "frozen"] = "finetune"
    learning_rate: Number | None = Field(default=None, gt=0)


class Segments(Part):
    """Consecutive parts of the rows, in time: fractions, bar counts, or last sessions.

    Fractions sum to 1. With bar counts, ``train`` is whatever comes before. With dates, each is
    the last session of its part, and the last part may be left out: it ends with the data.
    """

    train: Number | Whole | Day | None = None
    validate_: Number | Whole | Day = Field(alias="validate")
    test: Number | Whole | Day | None = None
    oot: Number | Whole | Day | None = None
    embargo: Whole | None = Field(default=None, ge=0)

    @property
    def parts(self) -> dict[str, float | int | date]:
        """The parts that are given, in time order."""
        given = {
            "train": self.train,
            "validate": self.validate_,
            "test": self.test,
            "oot": self.oot,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def kind(self) -> Literal["fractions", "counts", "dates"]:
        """How the parts are given."""
        first = self.validate_
        if isinstance(first, date):
            return "dates"
        return "counts" if isinstance(first, int) else "fractions"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parts = self.parts
        if len({type(value) for value in parts.values()}) > 1:
            raise ValueError("give all parts as fractions, all as bar counts, or all as dates")
        if self.kind == "dates":
            self._check_dates(parts)
        elif self.kind == "fractions":
            self._check_fractions(parts)
        elif any(isinstance(value, int) and value < 1 for value in parts.values()):
            raise ValueError("bar counts start at 1")
        elif self.test is None:
            raise ValueError("bar counts need test")
        return self

    @staticmethod
    def _check_dates(parts: dict[str, Any]) -> None:
        if "train" not in parts:
            raise ValueError("dates need train: the last session of the training part")
        for (earlier, first), (later, second) in zip(
            list(parts.items()), list(parts.items())[1:], strict=False
        ):
            if first >= second:
                raise ValueError(
                    f"dates are the wrong way round: {earlier} ends {first}, {later} ends {second}"
                )

    @staticmethod
    def _check_fractions(parts: dict[str, Any]) -> None:
        total = sum(parts.values())
        if min(parts.values()) <= 0 or abs(total - 1) > 1e-9:
            raise ValueError(f"fractions lie above 0 and sum to 1; these sum to {total:g}")
        if "train" not in parts or "test" not in parts:
            raise ValueError("fractions need train, validate and test")


class Backtest(Part):
    """The illustration of trading by forecasts of price, return and direction.

    ``cost_bps`` is paid for each unit of turnover, in basis points of the capital. ``position`` is
    all of it by the forecast's sign, or a share by its size beside the expected volatility.
    """

    cost_bps: Number = Field(default=5.0, ge=0, le=1000)
    position: Literal["sign", "size"] = "sign"


class Evaluation(Part):
    """The walk-forward: over which sessions, refitted how often, on how many rows.

    ``from`` and ``to`` are the first and the last session that is forecast. ``refit_every`` counts
    sessions; ``part`` means one fit for the validation and one for the evaluation.
    ``prior_trials`` counts the model variants that were compared on these sessions before this
    recipe was written; the report adds them to its own. ``backtest`` sets what the illustration of
    trading assumes.
    """

    later: ClassVar[frozenset[str]] = frozenset({"backtest"})

    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None
    refit_every: Annotated[Whole, Field(ge=1)] | Literal["part"] = 21
    window: Whole | None = Field(default=None, ge=250)
    prior_trials: Whole = Field(default=0, ge=0)
    backtest: Backtest = Backtest()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError(f"dates are the wrong way round: from {self.from_}, to {self.to}")
        return self


class History(Part):
    """Which part of a source's history is read at all."""

    start: Day | None = None


class Gates(Part):
    """What a trained version must pass before it may be the champion; a key left out asks nothing.

    Parameters
    ----------
    skill : {"report", "require"}
        Whether a model that shows no skill gives way to the naive forecast.
    oot_auc : float or None
        AUC on the out-of-time rows at least; direction only.
    overfit_gap : float or None
        How much better the model may be on the rows that taught it than out of time: AUC for
        direction; for the others the share by which it loses less than the naive forecast.
    missing_share : float or None
        Share of a feature's values that may be missing in the training rows.
    outliers_sd : float or None
        Beyond how many standard deviations from its mean a value is an outlier. Of a feature's
        values in the training rows half as many may be as any distribution can have: 2% for 5.
    latency_ms : float or None
        Time in which 99 of 100 one-row answers must be given, milliseconds.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"oot_auc", "overfit_gap", "missing_share", "outliers_sd", "latency_ms"}
    )

    skill: Literal["report", "require"] = "report"
    oot_auc: Number | None = Field(default=None, ge=0, le=1)
    overfit_gap: Number | None = Field(default=None, gt=0)
    missing_share: Number | None = Field(default=None, ge=0, le=1)
    outliers_sd: Number | None = Field(default=None, gt=1)
    latency_ms: Number | None = Field(default=None, gt=0)
