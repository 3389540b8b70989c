"""Features that share work, and the one call that computes them."""

import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truecast.features.declaration import INPUTS, ROWS, Asked, Family, Feature, Output


@dataclass(frozen=True)
class Group:
    """Features of one kernel, or one feature of a user's.

    Parameters
    ----------
    members : tuple of (int, Feature)
        The features with their places in the outputs.
    rows : tuple of str
        The rows of the inputs: :data:`ROWS`, then those of context series beside them.
    """

    members: tuple[tuple[int, Feature], ...]
    rows: tuple[str, ...] = ROWS

    @property
    def family(self) -> Family:
        """One of its families."""
        return self.members[0][1].family

    @cached_property
    def halo(self) -> int:
        """Number of bars before a row that it depends on."""
        return max(feature.lookback for _, feature in self.members) - 1

    @cached_property
    def warm_up(self) -> int:
        """Number of bars that the first value of each member needs, the most of them."""
        return max(feature.warm_up for _, feature in self.members)

    @cached_property
    def recursive(self) -> bool:
        """Whether any feature carries a state from bar to bar."""
        return any(feature.recursive for _, feature in self.members)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns that it reads, each once."""
        return tuple(dict.fromkeys(name for _, feature in self.members for name in feature.inputs))

    def run(self, x: NDArray[np.float64], begin: int, out: Output, start: int) -> None:
        """Write the group's features; see ``features/kernels``."""
        kernel, asked = self._call
        kernel(x, begin, self.halo, out, start, *asked)

    @cached_property
    def _call(self) -> tuple[Any, tuple[Asked, ...]]:
        """The kernel, and what is asked of each of its families."""
        from truecast.features.kernels.compiling import FIRST

        kernel = kernel_of(self.family.kernel)
        names = [*inspect.signature(kernel.py_func).parameters][FIRST:]
        return kernel, tuple(self._asked_of(name) for name in names)

    def _asked_of(self, family: str) -> Asked:
        asked = [
            [place, *feature.parameters.values(), *self._rows_beside(feature)]
            for place, feature in self.members
            if feature.family.name == family
        ]
        return np.array(asked, np.int64) if asked else np.empty((0, 4), np.int64)

    def _rows_beside(self, feature: Feature) -> list[int]:
        return [self.rows.index(f"{feature.of}:{name}") for name in feature.family.context_inputs]


@cache
def kernel_of(name: str) -> Any:
    """Import a kernel by its ``module:function``."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"truecast.features.kernels.{module}"), function)


def group_features(features: Sequence[tuple[int, Feature]]) -> tuple[Group, ...]:
    """Put features that share work together.

    Parameters
    ----------
    features : sequence of (int, Feature)
        Features of one series, with the place of each in the output.
    """
    groups: dict[object, list[tuple[int, Feature]]] = {}
    for place, feature in features:
        family = feature.family
        groups.setdefault(family.kernel or (family.name, place), []).append((place, feature))
    beside = {name for _, feature in features for name in feature.inputs} - set(INPUTS)
    rows = (*ROWS, *sorted(beside))
    return tuple(Group(tuple(found), rows) for found in groups.values())
