from datetime import date

import numpy as np
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.recipe import Recipe
from truecast.datasets.splits import Fold, fold_rows, parts_of, teachable
from truecast.datasets.targets import DatasetError

XNYS = get_calendar("XNYS")
SESSIONS = XNYS.sessions(date(2013, 1, 2), date(2014, 12, 31))


def _recipe(**changes: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "mine",
            "instruments": ["X"],
            "features": ["rsi_14"],
            "targets": {"price": {"models": ["ridge"]}},
            **changes,
        }
    )


def _bounds(part: slice) -> tuple[int, int]:
    return part.start, part.stop


def test_fractions_cut_by_count() -> None:
    recipe = _recipe(split={"train": 0.5, "validate": 0.25, "test": 0.15, "oot": 0.1})
    parts = parts_of(recipe, SESSIONS[:200], XNYS)
    assert _bounds(parts.train) == (0, 100)
    assert _bounds(parts.validate) == (100, 150)
    assert _bounds(parts.test) == (150, 180)
    assert _bounds(parts.oot) == (180, 200)
    assert _bounds(parts.evaluation) == (150, 200)


def test_counts_are_taken_from_the_end() -> None:
    parts = parts_of(_recipe(split={"validate": 60, "test": 30}), SESSIONS[:200], XNYS)
    assert _bounds(parts.train) == (0, 110)
    assert _bounds(parts.validate) == (110, 170)
    assert _bounds(parts.test) == (170, 200)
    with pytest.raises(DatasetError, match=r"counts 90 bars .* only 80 rows"):
        parts_of(_recipe(split={"validate": 60, "test": 30}), SESSIONS[:80], XNYS)


def test_dates_are_last_sessions_and_the_evaluation_starts_with_what_is_forecast() -> None:
    recipe = _recipe(
        split={"train": date(2013, 6, 28), "validate": date(2014, 1, 13)},
        evaluate={"from": date(2014, 1, 14), "to": date(2014, 12, 26)},
    )
    parts = parts_of(recipe, SESSIONS, XNYS)
    assert SESSIONS[parts.train.stop - 1] == np.datetime64("2013-06-28")
    assert SESSIONS[parts.validate.start] == np.datetime64("2013-07-01")
    # The forecast of the 14th is made on the 13th: no longer a row to choose by.
    assert SESSIONS[parts.validate.stop - 1] == np.datetime64("2014-01-10")
    assert SESSIONS[parts.evaluation.start] == np.datetime64("2014-01-13")
    # The forecast of Friday the 26th is made on the 24th, since the 25th is a holiday.
    assert SESSIONS[parts.evaluation.stop - 1] == np.datetime64("2014-12-24")


def test_a_last_day_without_a_session_ends_the_evaluation_before() -> None:
    recipe = _recipe(
        split={"train": date(2013, 6, 28), "validate": date(2013, 12, 31)},
        evaluate={"from": date(2014, 1, 14), "to": date(2014, 12, 28)},
    )
    parts = parts_of(recipe, SESSIONS, XNYS)
    assert SESSIONS[parts.evaluation.stop - 1] == np.datetime64("2014-12-24")


def test_intraday_rows_are_forecast_in_their_own_session() -> None:
    recipe = _recipe(
        interval="1h",
        split={"train": date(2013, 6, 28), "validate": date(2013, 12, 31)},
        evaluate={"from": date(2014, 1, 14), "to": date(2014, 2, 14)},
    )
    hours = np.repeat(SESSIONS, 7)
    parts = parts_of(recipe, hours, XNYS)
    assert hours[parts.evaluation.start - 1] == np.datetime64("2014-01-13")
    assert hours[parts.evaluation.start] == np.datetime64("2014-01-14")
    assert hours[parts.evaluation.stop - 1] == np.datetime64("2014-02-14")
    assert hours[parts.evaluation.stop] == np.datetime64("2014-02-18")


def test_validation_never_reaches_the_evaluation() -> None:
    recipe = _recipe(
        split={"train": 0.5, "validate": 0.4, "test": 0.1}, evaluate={"from": date(2014, 1, 14)}
    )
    parts = parts_of(recipe, SESSIONS, XNYS)
    assert parts.validate.stop == parts.evaluation.start


def test_a_part_without_rows_is_an_error() -> None:
    recipe = _recipe(evaluate={"from": date(2016, 1, 4)})
    with pytest.raises(DatasetError, match="the evaluation part has no rows"):
        parts_of(recipe, SESSIONS, XNYS)


def test_folds_cover_each_row_once_on_a_grid_of_sessions() -> None:
    as_of = SESSIONS.astype("datetime64[us]") + np.timedelta64(21, "h")
    kept = np.ones(len(SESSIONS), dtype=bool)
    kept[105:108] = False  # missing bars do not shift the grid
    sessions, moments = SESSIONS[kept], as_of[kept]
    folds = list(fold_rows(sessions, moments, anchor=100, refit_every=10, calendar=XNYS))
    assert [fold.stop for fold in folds[:-1]] == [fold.start for fold in folds[1:]]
    assert (folds[0].start, folds[-1].stop) == (0, len(sessions))
    zero = next(fold for fold in folds if fold.number == 0)
    assert (zero.start, zero.stop) == (100, 107)
    one = next(fold for fold in folds if fold.number == 1)
    assert sessions[one.start] == SESSIONS[110]
    assert one.as_of == as_of[110]
    assert folds[0].number == -10


def test_only_settled_rows_teach() -> None:
    moments = np.datetime64("2014-01-01T21:00", "us") + np.arange(10) * np.timedelta64(1, "D")
    known_at = moments + np.timedelta64(2, "D")  # outcomes of a horizon of two bars
    known_at[-2:] = np.datetime64("NaT")
    fold = Fold(number=0, start=7, stop=10, as_of=moments[7])
    usable = np.ones(10, dtype=bool)
    usable[1] = False
    rows = teachable(fold, known_at, usable, window=None)
    np.testing.assert_array_equal(rows, [0, 2, 3, 4, 5])
    np.testing.assert_array_equal(teachable(fold, known_at, usable, window=2), [4, 5])
    np.testing.assert_array_equal(
        teachable(fold, known_at, usable, window=None, embargo=3), [0, 2, 3]
    )
