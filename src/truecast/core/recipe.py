"""The recipe: one YAML file that says what to forecast, from what, how, and how it is judged.

A recipe is frozen, refuses keys it does not know with the nearest valid one, and hashes to an id
that stands on every dataset, bundle, scorecard and forecast made from it.
"""

import re
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from truecast.core.errors import RecipeError, UsageError
from truecast.core.hashing import hash_of
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_errors import describe

TARGETS = ("direction", "price", "return", "volatility")
TargetName = Literal["direction", "price", "return", "volatility"]
_DURATION = re.compile(r"(\d+)([mh])")


class _Part(BaseModel):
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


class Choice(_Part):
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
            return {"name": name, "parameters": parameters or {}}
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
    return timedelta(minutes=int(match[1]) * (60 if match[2] == "h" else 1))


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(lambda value: f"{int(value.total_seconds() // 60)}m", return_type=str),
]


#: A day that calendars reach.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2100, 12, 31))]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


class TargetSpec(_Part):
    """What is forecast of a target: at which horizons, by which models, chosen how.

    ``cross_sessions`` lets an intraday outcome be valued in a later session than the forecast's;
    without it a forecast whose horizon ends after the session's close has no outcome.
    """

    later: ClassVar[frozenset[str]] = frozenset({"cross_sessions"})

    horizon: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_as_tuple)] = (1,)
    models: tuple[Choice, ...] = Field(min_length=1)
    select: str | None = None
    coverage: float = Field(default=0.9, gt=0.5, lt=1)
    cross_sessions: bool = False


class Segments(_Part):
    """Consecutive parts of the rows, in time: fractions, bar counts, or last sessions.

    Fractions sum to 1. With bar counts, ``train`` is whatever comes before. With dates, each is
    the last session of its part, and the last part may be left out: it ends with the data.
    """

    train: float | int | Day | None = None
    validate_: float | int | Day = Field(alias="validate")
    test: float | int | Day | None = None
    oot: float | int | Day | None = None
    embargo: int | None = Field(default=None, ge=0)

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


class Evaluation(_Part):
    """The walk-forward: over which sessions, refitted how often, on how many rows.

    ``from`` and ``to`` are the first and the last session that is forecast. ``refit_every`` counts
    sessions; ``part`` means one fit for the validation and one for the evaluation.
    ``prior_trials`` counts the model variants that were compared on these sessions before this
    recipe was written; the report adds them to its own.
    """

    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None
    refit_every: Annotated[int, Field(ge=1)] | Literal["part"] = 21
    window: int | None = Field(default=None, ge=250)
    prior_trials: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError(f"dates are the wrong way round: from {self.from_}, to {self.to}")
        return self


class History(_Part):
    """Which part of a source's history is read at all."""

    start: Day | None = None


class Gates(_Part):
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
    oot_auc: float | None = Field(default=None, ge=0, le=1)
    overfit_gap: float | None = Field(default=None, gt=0)
    missing_share: float | None = Field(default=None, ge=0, le=1)
    outliers_sd: float | None = Field(default=None, gt=1)
    latency_ms: float | None = Field(default=None, gt=0)


class Recipe(_Part):
    """One recipe. See ``docs/recipes.md`` for each key with an example."""

    later: ClassVar[frozenset[str]] = frozenset(
        {"simulation", "news", "sentiment", "adjust", "checks"}
    )

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    instruments: tuple[str, ...] = Field(min_length=1)
    context: tuple[str, ...] = ()
    interval: str = "1d"
    source: Choice = Choice(name="sample")
    simulation: dict[str, Any] = Field(default_factory=dict)
    news: tuple[Choice, ...] = ()
    sentiment: Choice = Choice(name="lexicon")
    adjust: Literal["none", "split", "total"] = "split"
    checks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    decide_after: Duration | None = None
    history: History = History()
    features: tuple[Choice, ...] = Field(min_length=1)
    targets: dict[TargetName, TargetSpec] = Field(min_length=1)
    split: Segments = Segments(train=0.6, validate_=0.2, test=0.2)
    evaluate: Evaluation = Evaluation()
    gates: Gates = Gates()

    @field_validator("targets", mode="before")
    @classmethod
    def _known_targets(cls, value: Any) -> Any:
        for name in value if isinstance(value, dict) else ():
            if name not in TARGETS:
                raise ValueError(str(UnknownNameError("target", str(name), TARGETS)))
        return value

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        return str(Interval(value))

    @field_validator("instruments", "context")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in value:
            if value.count(symbol) > 1:
                raise ValueError(f"{symbol} is named twice")
        return value

    @model_validator(mode="after")
    def _dates_fit(self) -> Self:
        start, begin = self.history.start, self.evaluate.from_
        if start and begin and start >= begin:
            raise ValueError(
                f"dates are the wrong way round: history starts {start}, evaluate.from is {begin}"
            )
        validated = self.split.validate_
        if begin and isinstance(validated, date) and validated >= begin:
            raise ValueError(
                f"split.validate ends {validated}, but selection may only see rows before "
                f"evaluate.from ({begin})"
            )
        return self

    @model_validator(mode="after")
    def _horizons_agree(self) -> Self:
        for name, spec in self.targets.items():
            if not spec.cross_sessions and (shared := self.crossing & {*spec.horizon}):
                raise ValueError(
                    f"targets of one horizon have one outcome: give {name} cross_sessions as well, "
                    f"or another horizon than {min(shared)}"
                )
        return self

    @model_validator(mode="after")
    def _gates_have_what_they_need(self) -> Self:
        if self.split.oot is None:
            for name in ("oot_auc", "overfit_gap"):
                if getattr(self.gates, name) is not None:
                    raise ValueError(f"gates.{name} is judged out of time: give split an oot part")
        if self.gates.oot_auc is not None and "direction" not in self.targets:
            raise ValueError("gates.oot_auc is about direction, which is none of the targets")
        return self

    @property
    def bar_interval(self) -> Interval:
        """The length of a bar."""
        return Interval(self.interval)

    @property
    def decision_delay(self) -> timedelta:
        """Time from a bar's close to the moment of the forecast: 30 minutes daily, 0 intraday."""
        if self.decide_after is not None:
            return self.decide_after
        return timedelta(minutes=30) if self.bar_interval.is_daily else timedelta()

    @property
    def crossing(self) -> frozenset[int]:
        """Horizons at which an intraday outcome may lie in a later session than its decision."""
        specs = self.targets.values()
        return frozenset(h for spec in specs if spec.cross_sessions for h in spec.horizon)

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the description, as 64 hexadecimal digits."""
        return hash_of(self.model_dump(mode="json", by_alias=True, exclude={"description"}))

    def with_source(self, text: str | None, news: str | None = None) -> "Recipe":
        """Return this recipe reading another source, and other news.

        Parameters
        ----------
        text : str or None
            Such as ``sample`` or ``files:PATH``; None for the recipe's own.
        news : str or None
            ``none``, ``simulated``, ``gdelt:QUERY``, ``files:PATH`` or another source of news.
            None for those that belong to the bars: the recipe's own where its source stays what
            it is; else, where it has any, the articles that move simulated bars, and none with
            all others.

        Notes
        -----
        Options that the recipe gives for the same source are kept, and ``simulation`` is those
        of ``simulated``.
        """
        simulated = Choice(name="simulated", parameters=self.simulation)
        source = self.source if text is None else _typed(text, (self.source, simulated))
        changed = self.model_copy(update={"source": source})
        if news is not None:
            return changed._with_news(news)
        if source == self.source:
            return self
        bring = bool(self.news) and source.name == "simulated"
        return changed._with_news("simulated" if bring else "none")

    def _with_news(self, text: str) -> "Recipe":
        found: tuple[Choice, ...] = () if text == "none" else (_typed(text, self.news),)
        if text == "simulated":
            market = self.source.parameters if self.source.name == text else {}
            about = {"instruments": [*self.instruments]}
            found = (Choice(name=text, parameters={**market, **about}),)
        return self.model_copy(update={"news": found})

    def anywhere(self) -> "Recipe":
        """Return this recipe with its sources' paths made absolute: the same from any folder.

        Its hash may be another one.
        """
        return self.model_copy(
            update={
                "source": _anywhere(self.source),
                "news": tuple(_anywhere(choice) for choice in self.news),
                "sentiment": _anywhere(self.sentiment, "folder"),
            }
        )


def _typed(text: str, known: tuple[Choice, ...]) -> Choice:
    """Read ``NAME`` or ``NAME:PATH`` (``gdelt:QUERY``, ``simulated:years=17,seed=2``).

    Options known of the same name are kept.

    Raises
    ------
    UsageError
        If options of ``simulated`` are not written as ``KEY=VALUE``, each value as in a recipe.
    """
    name, _, rest = text.partition(":")
    options = next((choice.parameters for choice in known if choice.name == name), {})
    if name == "simulated" and rest:
        return Choice(name=name, parameters={**options, **_pairs(rest)})
    option = "query" if name == "gdelt" else "path"
    return Choice(name=name, parameters={**options, option: rest} if rest else options)


def _pairs(text: str) -> dict[str, Any]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if wrong := ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]:
        raise UsageError(
            f"simulated: expected options such as years=17,seed=2; {wrong[0]!r} is none"
        )
    try:
        return {key: yaml.safe_load(value) for key, _, value in pairs}
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(
            f"simulated: {text!r} is not YAML: {' '.join(str(error).split())}"
        ) from error


def _anywhere(choice: Choice, option: str = "path") -> Choice:
    path = choice.parameters.get(option)
    if not isinstance(path, str):
        return choice
    options = {**choice.parameters, option: str(Path(path).expanduser().resolve())}
    return Choice(name=choice.name, parameters=options)


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with Truecast: name to file."""
    folder = resources.files("truecast.recipes")
    files = [Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return {path.stem: path for path in sorted(files)}


def load_recipe(name: str) -> Recipe:
    """Read a recipe by the name of a shipped one, or from a file.

    Parameters
    ----------
    name : str
        ``sp500-daily``, or the path of a YAML file.

    Raises
    ------
    RecipeError
        If the file cannot be read or says something that cannot be run.
    UnknownNameError
        If there is no such recipe; the message gives the nearest one.
    """
    shipped = shipped_recipes()
    path = Path(name)
    if name in shipped:
        path = shipped[name]
    elif not (path.suffix in {".yaml", ".yml"} or path.exists()):
        raise UnknownNameError("recipe", name, shipped)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # also of 2020-13-45
        raise RecipeError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path}: expected keys such as name, instruments, targets; found {content!r}"
        )
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{path}: {describe(error, Recipe)}") from error
