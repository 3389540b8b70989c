"""Tuning: what is drawn depends on seed and place alone, and a killed search ends like another."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from truecast.core.errors import UsageError
from truecast.core.recipe_parts import Choice, Tuning
from truecast.models.base import ModelError
from truecast.models.space import Choices, Range
from truecast.training.fit import TrainingError
from truecast.training.tune import Tuned, Tuner

#: Scores after which the process is killed; the second time in what the first left.
KILLS = (22, 17) if os.environ.get("TRUECAST_SOAK") else (22,)
FOLDS = 4
BUDGET = Tuning(trials=16, seed=7)
SPACE = {
    "x": Range(-2.0, 2.0),
    "scale": Range(0.01, 100.0, log=True),
    "count": Range(1, 9, whole=True),
    "shape": Choices(((3, 2), "round")),
}


def scores(choice: Choice) -> Iterator[float]:
    """Yield a score that settles at a known function of the parameters; some cannot be fitted."""
    own = {"x": 1.5, "scale": 90.0, "count": 9, "shape": "round", **choice.parameters}
    if own["x"] < -1.6:
        raise ModelError("x is too small to be fitted")
    value = (own["x"] - 0.5) ** 2 + abs(np.log(own["scale"])) + abs(own["count"] - 4)
    for fold in range(FOLDS):
        yield value + (own["shape"] == "round") + 2 * np.cos(own["x"] * 40) / (fold + 1)


def tune(database: Path, budget: Tuning = BUDGET, name: str = "search") -> Tuned:
    return Tuner(database).tune(
        name, Choice(name="toy"), SPACE, budget, scores, folds=FOLDS, lower_is_better=True
    )


def killed_after(steps: int, database: Path) -> None:
    """Tune in a process that is killed at a score, and see that it was."""
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_tune as own
plain, left = own.scores, {steps}
def scores(choice):
    global left
    for score in plain(choice):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        yield score
own.scores = scores
own.tune(Path({str(database)!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ})
    assert done.returncode == -9


def trials(database: Path) -> list[tuple[object, ...]]:
    """Read what every trial drew and scored, without the library; the killed ones by no score."""
    with sqlite3.connect(database) as opened:
        return opened.execute(
            "select number, state, (select group_concat(param_name || '=' || param_value) from "
            "trial_params p where p.trial_id = t.trial_id), (select group_concat("
            "intermediate_value) from trial_intermediate_values v where v.trial_id = t.trial_id), "
            "(select count(*) from trial_user_attributes a where a.trial_id = t.trial_id "
            "and key = 'failed') from trials t order by number"
        ).fetchall()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuned, list[tuple[object, ...]]]:
    """A search that nothing disturbed."""
    database = tmp_path_factory.mktemp("whole") / "tuning.db"
    return tune(database), trials(database)


def test_a_killed_search_ends_like_one_that_was_not(
    tmp_path: Path, whole: tuple[Tuned, list[tuple[object, ...]]]
) -> None:
    """Killed in the midst of a trial: the history that later draws look at is the same."""
    database, (tuned, rows) = tmp_path / "tuning.db", whole
    for steps in KILLS:
        killed_after(steps, database)
    assert tune(database) == tuned
    lost = [row for row in trials(database) if row[1] == "FAIL" and not row[4]]
    assert len(lost) == len(KILLS)
    ended = [row for row in trials(database) if row not in lost]
    assert [row[1:] for row in ended] == [row[1:] for row in rows]
    assert {row[1] for row in rows} == {"COMPLETE", "PRUNED", "FAIL"}


def test_the_best_trial_is_the_best_of_those_tried(
    whole: tuple[Tuned, list[tuple[object, ...]]],
) -> None:
    tuned, rows = whole
    assert len(rows) == BUDGET.trials
    assert tuned.tried[0] == Choice(name="toy")  # the family as it is comes first
    failed = [row for row in rows if row[1] == "FAIL"]
    assert len(tuned.tried) == BUDGET.trials - len(failed)
    finals = {}
    for tried in tuned.tried:
        *_, finals[str(tried)] = scores(tried)
    assert str(tuned.choice) == min(finals, key=finals.__getitem__)
    assert tuned.value == finals[str(tuned.choice)]
    assert tuned.value < finals["toy"]
    assert tuned.choice.parameters["shape"] in ([3, 2], "round")
    assert 1 <= tuned.choice.parameters["count"] <= 9


def test_what_was_tried_is_not_tried_again(tmp_path: Path) -> None:
    database = tmp_path / "tuning.db"
    few, more = Tuning(trials=6, seed=3), Tuning(trials=9, seed=3)
    first = tune(database, few)
    assert tune(database, few) == first
    assert len(trials(database)) == 6
    longer = tune(database, more)
    assert longer.tried[: len(first.tried)] == first.tried
    assert len(trials(database)) == 9
    assert tune(database, few) == first  # as if the others had not been
    other = tune(database, Tuning(trials=6, seed=4), "other")
    assert other.tried[1:] != first.tried[1:]


def test_parameters_that_are_fixed_are_not_drawn(tmp_path: Path) -> None:
    fixed = Choice(name="toy", parameters={"scale": 1.0, "count": 4})
    space = {name: SPACE[name] for name in ("x", "shape")}
    found = Tuner(tmp_path / "tuning.db").tune(
        "fixed", fixed, space, Tuning(trials=5), scores, folds=FOLDS, lower_is_better=True
    )
    assert all(one.parameters["scale"] == 1.0 for one in found.tried)
    assert all(one.parameters["count"] == 4 for one in found.tried)
    assert len({one.parameters.get("x") for one in found.tried}) == len(found.tried)


def test_the_budget_of_time_ends_a_search(tmp_path: Path) -> None:
    found = tune(tmp_path / "tuning.db", Tuning(trials=50, seconds=1e-6))
    assert len(found.tried) == 1  # there is always one


def test_a_search_of_which_nothing_can_be_scored_says_why(tmp_path: Path) -> None:
    hopeless = Choice(name="toy", parameters={"x": -1.9})
    with pytest.raises(TrainingError, match=r"none of 2 trials.*x is too small to be fitted"):
        Tuner(tmp_path / "tuning.db").tune(
            "none", hopeless, {}, Tuning(trials=2), scores, folds=FOLDS, lower_is_better=True
        )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Range(2, 1), "to a larger one"),
        (lambda: Range(0.0, 1.0, log=True), "starts above 0"),
        (lambda: Range(1.5, 3, whole=True), "whole ends"),
        (lambda: Choices(("one",)), "two values at least"),
    ],
)
def test_a_range_that_is_none_is_refused(make: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make()  # type: ignore[operator]
