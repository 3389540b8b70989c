"""The mean of several models: what one of them gets wrong by chance, another may get right."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice
from truecast.core.units import VARIANCE_FLOOR
from truecast.models.base import (
    Model,
    ModelError,
    Vector,
    Windows,
    check_predict,
    check_rows,
    check_target,
    takes_inputs,
)
from truecast.models.parameters import parameters_of
from truecast.models.state import STATE_FILE, dump_state, load_state, target_of, vector, whole

#: As a recipe writes them: names, or a name with parameters.
Members = Annotated[list[str | dict[str, dict[str, Any]]], Field(min_length=2)]


#: Part of the training rows, the newest, on which weights are measured.
HELD_OUT = 0.2


def combined(said: Sequence[Vector], target: str, weights: Vector | None = None) -> Vector:
    """Return the mean of what several models say of the same rows.

    Parameters
    ----------
    said : sequence of array of float64, shape (n,)
        Their predictions.
    target : str
        For volatility the mean is geometric, else arithmetic.
    weights : array of float64, shape (number of models,), or None
        Of each, summing to 1; None for equal ones.
    """
    stacked = np.stack(said)
    if target == "volatility":
        stacked = np.log(stacked)
    mean = stacked.mean(axis=0) if weights is None else (weights[:, None] * stacked).sum(axis=0)
    return np.asarray(np.exp(mean) if target == "volatility" else mean)


class Ensemble:
    """The mean of several models, each fitted by itself.

    Parameters
    ----------
    of : list of str or dict
        The members, two or more: names, or names with parameters such as
        ``{ridge: {alpha: 10}}``; no ensembles.
    weights : {"equal", "validation"}
        Equal parts; or by the loss on the newest fifth of the training rows, of members that were
        fitted on those before, the horizon left out between: a weight is the inverse of the mean
        squared error, for volatility of QLIKE. Then each is fitted twice.

    Attributes
    ----------
    target_ : str or None
        The target that it was fitted for.
    columns_ : int
        Number of columns that it was fitted on.
    members_ : tuple of Model
        The fitted members, in order.
    weights_ : array of float64 or None
        Of the members; None for equal parts.

    Notes
    -----
    The arithmetic mean of the members' forecasts; for volatility the geometric mean of their
    variances, since their errors are multiples. ``X`` holds the columns of the first member,
    then those of the next: a feature that two members take is there twice.

    References
    ----------
    Timmermann (2006), Forecast Combinations: equal weights are hard to beat.
    """

    name: ClassVar[str] = "ensemble"
    targets: ClassVar[frozenset[str]] = frozenset({"direction", "price", "return", "volatility"})
    target_: str | None = None
    columns_: int
    members_: tuple[Model, ...]
    weights_: Vector | None = None

    def __init__(self, *, of: Members, weights: Literal["equal", "validation"] = "equal") -> None:
        self.of = of
        self.weights = weights

    @property
    def window(self) -> int:
        """The longest of the members'."""
        return max(member.window for member in self.build())

    def build(self, target: str | None = None) -> tuple[Model, ...]:
        """Return the unfitted members.

        Raises
        ------
        UsageError
            If a name or a parameter is not known, a member does not forecast the target, or is
            an ensemble itself.
        """
        # The catalogue names this class among the others.
        from truecast.models.catalog import create

        choices = [Choice.model_validate(member) for member in self.of]
        if any(choice.name == self.name for choice in choices):
            raise UsageError(f"{self.name}.of: a member cannot be an ensemble; name its members")
        return tuple(create(choice, where=f"{self.name}.of", target=target) for choice in choices)

    def features(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Return the features of each member after those of the one before."""
        return tuple(name for member in self.build() for name in member.features(inputs))

    def fit(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Self:
        """Fit each member; see :class:`truecast.models.base.Model`."""
        check_target(self, target)
        members = self.build(target)
        check_rows(self, len(X), X.shape[2])
        if self.weights == "validation":
            self.weights_ = self._weigh(X, y, target=target, horizon=horizon)
        parts = self._parts(members, X)
        self.members_ = tuple(
            member.fit(part, y, target=target, horizon=horizon) for member, part in parts
        )
        self.target_, self.columns_ = target, X.shape[2]
        return self

    def predict(self, X: Windows) -> Vector:
        """Forecast the members' mean; see :class:`truecast.models.base.Model`."""
        check_predict(self, X, columns=None if self.target_ is None else self.columns_)
        said = [member.predict(part) for member, part in self._parts(self.members_, X)]
        return combined(said, str(self.target_), self.weights_)

    def _weigh(self, X: Windows, y: Vector, *, target: str, horizon: int) -> Vector:
        """Weigh the members by what they lose on the newest rows, fitted on those before."""
        begin = len(y) - round(HELD_OUT * len(y))
        # Rows whose outcome reaches into those that are held out teach nothing.
        taught = slice(0, begin - horizon)
        check_rows(self, taught.stop, X.shape[2])
        losses = []
        for member, part in self._parts(self.build(target), X):
            member.fit(part[taught], y[taught], target=target, horizon=horizon)
            losses.append(_loss(target, y[begin:], member.predict(part[begin:])))
        inverse = 1 / np.maximum(losses, np.finfo(float).tiny)
        return np.asarray(inverse / inverse.sum())

    @property
    def canary_tolerance(self) -> float:
        """The largest of the members', 0 if none says any; see ``models/bundle.py``."""
        return max(getattr(member, "canary_tolerance", 0.0) for member in self.members_)

    @property
    def parity_(self) -> float | None:
        """The largest of the members', None if none has any."""
        found = [getattr(member, "parity_", None) for member in self.members_]
        return max((one for one in found if one is not None), default=None)

    def payload(self) -> dict[str, bytes]:
        """Return the members' files, each name with the member's place before it."""
        if self.target_ is None:
            raise ModelError(f"{self.name}: not fitted yet; call fit first")
        weights = {} if self.weights_ is None else {"weights": self.weights_}
        files = {STATE_FILE: dump_state(target=self.target_, columns=self.columns_, **weights)}
        for place, member in enumerate(self.members_):
            files |= {f"m{place}_{name}": data for name, data in member.payload().items()}
        return files

    @classmethod
    def from_payload(cls, parameters: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild the fitted ensemble; see :class:`truecast.models.base.Model`."""
        model = cls(**parameters)
        weighed = ("weights",) if model.weights == "validation" else ()
        state = load_state(cls.name, files, "target", "columns", *weighed)
        members = []
        for place, member in enumerate(model.build()):
            prefix = f"m{place}_"
            own = {
                name.removeprefix(prefix): data
                for name, data in files.items()
                if name.startswith(prefix)
            }
            members.append(type(member).from_payload(parameters_of(member), own))
        model.members_ = tuple(members)
        if weighed:
            model.weights_ = vector(cls.name, state, "weights", len(members))
        model.target_ = target_of(cls, state)
        model.columns_ = whole(cls.name, state, "columns")
        return model

    def _parts(self, members: tuple[Model, ...], X: Windows) -> Iterator[tuple[Model, Windows]]:
        """Yield each member with its columns of X, and its newest rows."""
        own = [len(member.features(())) for member in members]
        taking = [takes_inputs(member) for member in members]
        takers = sum(taking)
        inputs, rest = divmod(X.shape[2] - sum(own), takers) if takers else (0, 0)
        if rest or inputs < 0 or (takers and not inputs):
            raise ModelError(
                f"{self.name}: {X.shape[2]} columns do not divide among {len(members)} members"
            )
        start = 0
        for member, count, takes in zip(members, own, taking, strict=True):
            stop = start + count + takes * inputs
            yield member, X[:, X.shape[1] - member.window :, start:stop]
            start = stop


def _loss(target: str, y: Vector, said: Vector) -> float:
    """Return a member's mean loss over the rows for which it says something."""
    there = np.isfinite(said)
    if not there.any():
        return float("inf")
    y, said = y[there], said[there]
    if target == "volatility":
        ratio = np.maximum(y, VARIANCE_FLOOR) / said
        return float(np.mean(ratio - np.log(ratio) - 1))
    return float(np.mean((y - said) ** 2))
