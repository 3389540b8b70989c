"""From the names in a recipe to the features, and the history that they need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from truecast.core.errors import UsageError
from truecast.core.hashing import hash_of
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Choice
from truecast.features.catalog import SETS, members, resolve, split_context
from truecast.features.declaration import Feature
from truecast.features.groups import Group, group_features
from truecast.features.user import source_hash


@dataclass(frozen=True)
class FeaturePlan:
    """The features of a recipe, in order, and what they need.

    Parameters
    ----------
    features : tuple of Feature
        With names that differ.
    """

    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names: the columns' order everywhere."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The column of each feature."""
        return {name: place for place, name in enumerate(self.names)}

    def columns(self, names: tuple[str, ...]) -> slice | NDArray[np.intp]:
        """Return the columns of some features; as a slice where they follow one another."""
        if names not in self._columns:
            self._columns[names] = as_run(np.array([self.places[name] for name in names], np.intp))
        return self._columns[names]

    @cached_property
    def _columns(self) -> dict[tuple[str, ...], slice | NDArray[np.intp]]:
        return {}

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definitions, in order; of a user's function its source too."""
        return hash_of(
            [
                {
                    "name": feature.name,
                    "of": feature.of,
                    "parameters": dict(feature.parameters),
                    "inputs": [*feature.inputs],
                    "lookback": feature.lookback,
                    "formula": feature.formula,
                    **({"source": source_hash(feature.family)} if feature.family.function else {}),
                }
                for feature in self.features
            ]
        )

    @cached_property
    def context(self) -> tuple[str, ...]:
        """The context symbols that are needed, in order of first use."""
        return tuple(dict.fromkeys(feature.of for feature in self.features if feature.of))

    def lookback(self, of: str | None = None) -> int:
        """Return how many bars of a series a row depends on; 0 if none.

        Parameters
        ----------
        of : str or None
            A context symbol, or None for the instrument.
        """
        return self._lookbacks.get(of, 0)

    @cached_property
    def _lookbacks(self) -> dict[str | None, int]:
        found: dict[str | None, int] = {}
        for feature in self.features:
            if feature.family.of_news:
                continue
            reach = {feature.of: 1, feature.series: feature.lookback}
            for of, bars in reach.items():
                found[of] = max(found.get(of, 0), bars)
        return found

    @property
    def kernels(self) -> tuple[str, ...]:
        """The compiled loops that compute it, each once."""
        return tuple(dict.fromkeys(f.family.kernel for f in self.features if f.family.kernel))

    @cached_property
    def of_news(self) -> tuple[tuple[str, int, int], ...]:
        """Features of articles: family, window in minutes, place."""
        return tuple(
            (feature.family.name, feature.parameters.get("window", 0), place)
            for place, feature in enumerate(self.features)
            if feature.family.of_news
        )

    def groups(self, of: str | None = None) -> tuple[Group, ...]:
        """Return what is computed on a series, features that share work together."""
        return self._groups.get(of, ())

    @cached_property
    def _groups(self) -> dict[str | None, tuple[Group, ...]]:
        return {
            series: group_features(
                [
                    (i, feature)
                    for i, feature in enumerate(self.features)
                    if feature.series == series and not feature.family.of_news
                ]
            )
            for series in (None, *self.context)
        }

    @classmethod
    def from_choices(
        cls,
        choices: Sequence[Choice],
        *,
        context: Sequence[str] = (),
        required: Sequence[str] = (),
    ) -> Self:
        """Resolve what a recipe names.

        Parameters
        ----------
        choices : sequence of Choice
            Sets, features (``rsi_14``), families with parameters (``{rsi: {window: 14}}``, with
            ``of:`` for a context symbol) and users' own (``module:function``).
        context : sequence of str
            The recipe's context symbols.
        required : sequence of str
            Names of further features, which the models need.

        Returns
        -------
        FeaturePlan
            The features in the order named, each once.

        Raises
        ------
        UsageError
            If a name, a parameter or a context symbol is not known; the message says where and
            gives the nearest valid one.
        """
        found: dict[str, Feature] = {}
        for feature, where in _resolved(choices, context, required):
            before = found.setdefault(feature.name, feature)
            if before != feature:
                raise UsageError(
                    f"{where}: {feature.name} already means another feature ({before.formula}); "
                    "rename one of them"
                )
        if not found:
            raise UsageError("features: name at least one")
        return cls(tuple(found.values()))


def _resolved(
    choices: Sequence[Choice], context: Sequence[str], required: Sequence[str]
) -> Iterator[tuple[Feature, str]]:
    for i, choice in enumerate(choices):
        where = f"features[{i}]"
        for feature in _of_choice(choice, context, where):
            yield feature, where
    for name in required:
        where = f"features of the models ({name})"
        yield _of_name(name, {}, None, context, where), where


def _of_choice(choice: Choice, context: Sequence[str], where: str) -> Sequence[Feature]:
    if choice.name not in SETS:
        given = dict(choice.parameters)
        of = given.pop("of", None)
        return [_of_name(choice.name, given, of, context, where)]
    if choice.parameters:
        raise UsageError(
            f"{where}: the set {choice.name} takes no parameters, "
            f"got {', '.join(choice.parameters)}"
        )
    found = members(choice.name, where)
    for feature in found:
        if feature.of is not None and feature.of not in context:
            raise UsageError(
                f"{where}: the set {choice.name} reads {feature.of} ({feature.name}): "
                f"add {feature.of} to context"
            )
    return found


def _of_name(
    name: str, given: Mapping[str, object], of: object, context: Sequence[str], where: str
) -> Feature:
    if of is None and ":" not in name:
        name, of = split_context(name, context)
    if of is not None and of not in context:
        raise UnknownNameError("context symbol", str(of), context, f"{where}.of")
    return resolve(name, given, None if of is None else str(of), where)


def as_run(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return places that follow one another as a slice, so that no copy is made of them."""
    whole = len(places) > 0 and bool((np.diff(places) == 1).all())
    return slice(int(places[0]), int(places[-1]) + 1) if whole else places
