"""Time-ordered parts of the rows, and the folds of a walk-forward.

A row may teach a model only once its outcome is known: that is the purge, and it follows from
the horizon and the publication delay without any counting of bars. Training rows always lie
before the rows they are tested on, so no embargo is needed; a recipe may ask for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from truecast.core.calendars import Calendar
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Segments
from truecast.datasets.targets import DatasetError, Times

Rows = NDArray[np.intp]

#: Fewer rows than this teach no model; the walk-forward starts where there are as many.
MIN_TRAINING_ROWS = 250


@dataclass(frozen=True)
class Parts:
    """Where the parts of a split begin and end, as places in the rows.

    ``evaluation`` are the rows that the report is about; tuning and selection see only rows
    before them.
    """

    train: slice
    validate: slice
    test: slice
    oot: slice
    evaluation: slice


@dataclass(frozen=True)
class Fold:
    """Rows that one fit of a model answers for, and the moment of that fit.

    Parameters
    ----------
    number : int
        Counts refits from ``evaluate.from``; negative before it.
    start, stop : int
        The rows answered for: ``start <= row < stop``.
    as_of : datetime64[us]
        Moment of the fit, UTC: the decision of row ``start``. Whatever became known later is
        not seen.
    """

    number: int
    start: int
    stop: int
    as_of: np.datetime64


def parts_of(recipe: Recipe, sessions: Times, calendar: Calendar) -> Parts:
    """Cut the rows as the recipe says.

    Parameters
    ----------
    recipe : Recipe
        Its ``split`` and ``evaluate``.
    sessions : array of datetime64[D], shape (n,)
        Session of each row, not decreasing.
    calendar : Calendar
        Whose sessions those are.

    Raises
    ------
    DatasetError
        If a part has no rows.

    Notes
    -----
    ``evaluate.from`` and ``to`` are the first and the last session that is forecast one bar
    ahead, so with daily bars the first row of the evaluation is the session before ``from``.
    Validation never reaches it: where a fraction or a count would, it ends before.
    """
    edges = _edges(recipe.split, sessions)
    spec = recipe.evaluate
    begin, end = edges["validate"], len(sessions)
    daily = recipe.bar_interval.is_daily
    if spec.from_:
        opening = calendar.offset(spec.from_ - timedelta(days=1), 1)
        # A daily bar is forecast from the session before, an intraday one from its own.
        opening = calendar.offset(opening, -1) if daily else opening
        begin = int(np.searchsorted(sessions, np.datetime64(opening)))
    if spec.to:
        closing = calendar.offset(spec.to + timedelta(days=1), -1)
        closing = calendar.offset(closing, -1) if daily else closing
        end = int(np.searchsorted(sessions, np.datetime64(closing), side="right"))
    validate_end = min(edges["validate"], begin)
    parts = Parts(
        train=slice(0, edges["train"]),
        validate=slice(edges["train"], validate_end),
        test=slice(validate_end, edges["test"]),
        oot=slice(edges["test"], edges["oot"]),
        evaluation=slice(begin, end),
    )
    for name in ("train", "validate", "evaluation"):
        part: slice = getattr(parts, name)
        if part.stop - part.start < 1:
            first, last = (sessions[0], sessions[-1]) if len(sessions) else ("none", "none")
            raise DatasetError(
                f"the {name} part has no rows: the data has {len(sessions)} rows, sessions {first} "
                f"to {last}; change split or evaluate in the recipe, or ingest more history"
            )
    return parts


def _edges(split: Segments, sessions: Times) -> dict[str, int]:
    """Return where each part ends."""
    n = len(sessions)
    given = split.parts
    if split.kind == "dates":
        ends = {
            name: int(np.searchsorted(sessions, np.datetime64(str(day)), side="right"))
            for name, day in given.items()
        }
    elif split.kind == "fractions":
        totals = np.cumsum([float(str(value)) for value in given.values()])
        ends = {name: round(n * total) for name, total in zip(given, totals, strict=True)}
    else:
        counts = {name: int(str(value)) for name, value in given.items() if name != "train"}
        left = np.cumsum([0, *reversed(counts.values())])
        ends = {name: n - int(rest) for name, rest in zip(reversed(counts), left, strict=False)}
        ends["train"] = n - sum(counts.values())
        if ends["train"] < 1:
            raise DatasetError(
                f"split counts {sum(counts.values())} bars for validation and test, "
                f"but there are only {n} rows"
            )
    ends.setdefault("test", n)
    ends.setdefault("oot", ends["test"])
    return ends


def part_folds(parts: Parts, as_of: Times) -> Iterator[Fold]:
    """Cut all rows into a fold for the validation and one for the evaluation.

    Parameters
    ----------
    parts : Parts
        A fold begins with the validation, and one with the evaluation: so the rows to test on and
        those out of time are forecast by the same model, which has seen neither.
    as_of : array of datetime64[us], shape (n,)
        Decision moment of each row.

    Yields
    ------
    Fold
        In time order; every row is in exactly one. The evaluation's is number 0.
    """
    edges = [0, parts.validate.start, parts.evaluation.start, len(as_of)]
    for place, (start, stop) in enumerate(pairwise(edges)):
        yield Fold(place - 2, start, stop, as_of[start])


def fold_rows(
    sessions: Times, as_of: Times, *, anchor: int, refit_every: int, calendar: Calendar
) -> Iterator[Fold]:
    """Cut all rows into folds on the grid of refits.

    Parameters
    ----------
    sessions : array of datetime64[D], shape (n,)
        Session of each row, not decreasing.
    as_of : array of datetime64[us], shape (n,)
        Decision moment of each row.
    anchor : int
        Row at which a fold begins, the first of the evaluation.
    refit_every : int
        Sessions of the calendar from one refit to the next.
    calendar : Calendar
        Whose sessions are counted, so that a missing bar does not shift the grid.

    Yields
    ------
    Fold
        In time order; every row is in exactly one.
    """
    if not len(sessions):
        return
    ordinals = calendar.ordinals(sessions)
    numbers = (ordinals - ordinals[anchor]) // refit_every
    starts = np.flatnonzero(np.r_[True, np.diff(numbers) > 0])
    for start, stop in zip(starts, [*starts[1:], len(sessions)], strict=True):
        yield Fold(int(numbers[start]), int(start), int(stop), as_of[start])


def teachable(
    fold: Fold,
    known_at: Times,
    usable: NDArray[np.bool_],
    *,
    window: int | None,
    embargo: int = 0,
) -> Rows:
    """Return the rows that may teach the model of a fold.

    Parameters
    ----------
    fold : Fold
        The rows to be forecast, and the moment of the fit.
    known_at : array of datetime64[us], shape (n,)
        When each row's outcome became known, NaT where it is not. Rows whose outcome became
        known after ``fold.as_of`` are purged.
    usable : array of bool, shape (n,)
        Rows with everything else that the model needs.
    window : int or None
        Take at most the last so many; None for all.
    embargo : int
        Rows left out before the fold, on top of the purge.

    Returns
    -------
    array of intp, shape (m,)
        Places of the rows, increasing.
    """
    rows = np.flatnonzero(usable & (known_at <= fold.as_of))
    rows = rows[rows < fold.start - embargo]
    return rows if window is None else rows[-window:]
