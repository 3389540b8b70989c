"""A stretch of bars with the bars before it that its first row depends on."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from truecast.features import kernels
from truecast.features.declaration import Column, Matrix, Output, Parameters, Windows

#: Parameters asked for, the context symbol or None, and the column to write.
Wanted: TypeAlias = tuple[Parameters, str | None, Output]


class Workspace:
    """Scratch arrays that are used again for each block, so that they stay in the cache."""

    def __init__(self) -> None:
        self._buffers: list[Column] = []
        self._used = 0

    def restart(self) -> None:
        """Let all arrays be used again."""
        self._used = 0

    def take(self, rows: int, columns: int) -> Matrix:
        """Return an array of this shape; what it holds is not defined."""
        size = rows * columns
        if self._used == len(self._buffers):
            self._buffers.append(np.empty(size))
        elif self._buffers[self._used].size < size:
            self._buffers[self._used] = np.empty(size)
        buffer = self._buffers[self._used]
        self._used += 1
        return buffer[:size].reshape(rows, columns)


class Block:
    """What a family's ``compute`` gets: inputs, scratch space, and the columns to write.

    Inputs and scratch arrays have ``halo + n`` rows, columns to write have the last ``n``. Where
    the bars have no rows before the first, the halo is NaN.

    Parameters
    ----------
    inputs : mapping of str to float64 array, shape (halo + n,)
        The columns that the families read.
    halo : int
        Number of rows before the first one to be written.
    wanted : mapping of str to list
        Family to what is asked for of it.
    workspace : Workspace
        Where scratch arrays come from.
    """

    __slots__ = ("_inputs", "_wanted", "_workspace", "halo", "rows")

    def __init__(
        self,
        inputs: Mapping[str, Column],
        halo: int,
        rows: int,
        wanted: Mapping[str, Sequence[Wanted]],
        workspace: Workspace,
    ) -> None:
        self.halo = halo
        self.rows = rows
        self._inputs, self._wanted, self._workspace = inputs, wanted, workspace

    def input(self, name: str) -> Column:
        """Return an input, halo included."""
        return self._inputs[name]

    def wanted(self, family: str) -> list[tuple[Parameters, Output]]:
        """Return the parameters asked for of a family, each with the column to write."""
        return [(values, out) for values, _, out in self.wanted_of(family)]

    def wanted_of(self, family: str) -> Sequence[Wanted]:
        """Return the same with the symbol of the context series that is read beside."""
        return self._wanted.get(family, ())

    def wants(self, *families: str) -> bool:
        """Whether any of these families is asked for."""
        return any(family in self._wanted for family in families)

    def scratch(self) -> Column:
        """Return an array for intermediate values, halo included; what it holds is not defined."""
        found: Column = self._workspace.take(1, self.rows)[0]
        return found

    def now(self, column: Column) -> Column:
        """Return the rows to be written."""
        return column[self.halo :]

    def before(self, column: Column, bars: int) -> Column:
        """Return, for each row to be written, the value that many bars earlier."""
        return column[self.halo - bars : self.rows - bars]

    def log_ratio(self, a: Column, b: Column, scale: float = 1.0) -> Column:
        """Return ``scale·ln(a/b)`` of each row."""
        out = self.scratch()
        kernels.log_ratio(a, b, scale, out)
        return out

    def log_returns(self) -> Column:
        """Return ``100·ln(C/C[1])`` of each row; the first is NaN."""
        close, out = self.input("close"), self.scratch()
        out[0] = np.nan
        kernels.log_ratio(close[1:], close[:-1], 100.0, out[1:])
        return out

    def sums(self, column: Column, windows: Sequence[int]) -> dict[int, Column]:
        """Return the sum over each window, by window."""
        chosen = _windows(tuple(windows))
        out = self._workspace.take(chosen.size, self.rows)
        kernels.window_sums(column, chosen, self._workspace.take(2, self.rows), out)
        return dict(zip(windows, out, strict=True))

    def moments(self, column: Column, windows: Sequence[int]) -> dict[int, tuple[Column, Column]]:
        """Return the sum over each window and the sum of squared distances from its mean."""
        chosen = _windows(tuple(windows))
        sums = self._workspace.take(chosen.size, self.rows)
        squares = self._workspace.take(chosen.size, self.rows)
        kernels.window_moments(column, chosen, self._workspace.take(4, self.rows), sums, squares)
        return dict(zip(windows, zip(sums, squares, strict=True), strict=True))

    def highest(self, column: Column, window: int) -> Column:
        """Return the largest value of each window."""
        out = self.scratch()
        kernels.window_extreme(column, window, 1.0, self._workspace.take(2, self.rows), out)
        return out

    def lowest(self, column: Column, window: int) -> Column:
        """Return the smallest value of each window."""
        out = self.scratch()
        kernels.window_extreme(column, window, -1.0, self._workspace.take(2, self.rows), out)
        return out

    def exponential_mean(self, column: Column, alpha: float) -> Column:
        """Return the exponentially weighted mean with this weight on the newest row."""
        out = self.scratch()
        kernels.exponential_mean(column, alpha, out)
        return out

    def windows(self, *families: str, parameter: str = "window") -> list[int]:
        """Return the distinct windows asked for of some families, in order."""
        found = {
            values[parameter] for family in families for values, _, _ in self.wanted_of(family)
        }
        return sorted(found)


@lru_cache(maxsize=256)
def _windows(windows: tuple[int, ...]) -> Windows:
    return np.array(windows, dtype=np.int64)
