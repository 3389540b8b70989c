"""The recipe: one YAML file that says what to forecast, from what, how, and how it is judged.

A recipe is frozen, refuses keys it does not know with the nearest valid one, and hashes to an id
that stands on every dataset, bundle, scorecard and forecast made from it.
"""

import shlex
from datetime import date, timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from truecast.core.hashing import hash_of
from truecast.core.interval import Interval
from truecast.core.names import UnknownNameError
from truecast.core.recipe_choices import anywhere, typed_choice
from truecast.core.recipe_parts import (
    TARGETS,
    Choice,
    Duration,
    Evaluation,
    Gates,
    History,
    Part,
    Segments,
    TargetName,
    TargetSpec,
    Transfer,
    Tuning,
)
from truecast.core.slot import POOLED
from truecast.core.strict import Flag


class Recipe(Part):
    """One recipe. See ``docs/recipes.md`` for each key with an example."""

    later: ClassVar[frozenset[str]] = frozenset(
        {"simulation", "news", "sentiment", "adjust", "checks", "tune", "pooled", "transfer"}
    )

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    instruments: tuple[str, ...] = Field(min_length=1)
    pooled: Flag = False
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
    tune: Tuning | None = None
    transfer: Transfer | None = None
    gates: Gates = Gates()
    _typed: str | None = PrivateAttr(default=None)

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
    def _can_be_pooled(self) -> Self:
        if not self.pooled:
            return self
        if len(self.instruments) < 2 or POOLED in self.instruments:
            raise ValueError(
                f"pooled is one model over several instruments, none of them named {POOLED!r}"
            )
        if lone := [name for name in self.targets if name in {"regime", "volatility"}]:
            raise ValueError(
                f"{lone[0]} is held against models of one series, such as GARCH, and cannot be "
                "pooled: give it a recipe of its own"
            )
        return self

    @model_validator(mode="after")
    def _parent_is_an_instrument(self) -> Self:
        if self.transfer is None:
            return self
        if self.transfer.parent not in self.instruments:
            raise ValueError(
                f"transfer.parent is one of the instruments, {', '.join(self.instruments)}; "
                f"{self.transfer.parent} is not: name it among them"
            )
        if self.pooled:
            raise ValueError(
                "transfer hands on from one instrument to another, pooled has one model"
            )
        if kept := [name for name, spec in self.targets.items() if spec.keep is not None]:
            raise ValueError(
                f"transfer needs the parent's features: leave targets.{kept[0]}.keep out"
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
    def typed(self) -> str:
        """What names this recipe after a command, as a shell reads it: for messages.

        Its name, unless something else was typed: no command finds a file of one's own by that.
        """
        return self._typed or self.name

    def typed_as(self, *words: str) -> "Recipe":
        """Return this recipe, which was typed as these words: a name or a file, and options."""
        copied = self.model_copy()
        copied._typed = shlex.join(words)
        return copied

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
        source = self.source if text is None else typed_choice(text, (self.source, simulated))
        changed = self.model_copy(update={"source": source})
        if news is not None:
            return changed._with_news(news)
        if source == self.source:
            return self
        bring = bool(self.news) and source.name == "simulated"
        return changed._with_news("simulated" if bring else "none")

    def _with_news(self, text: str) -> "Recipe":
        found: tuple[Choice, ...] = () if text == "none" else (typed_choice(text, self.news),)
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
                "source": anywhere(self.source),
                "news": tuple(anywhere(choice) for choice in self.news),
                "sentiment": anywhere(self.sentiment, "folder"),
            }
        )
