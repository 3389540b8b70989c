"""Proofs that no row knows its outcome, and no model its test rows."""

from collections.abc import Callable, Sequence

import numpy as np

from truecast.core.clock import to_utc
from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import Fold, Rows
from truecast.datasets.targets import Outcomes
from truecast.features.results import CheckResult

OUTCOMES = "outcomes come later"


def check_outcomes(dataset: Dataset, target: str, horizon: int, cuts: Sequence[int]) -> CheckResult:
    """Check that outcomes are what happened, known after their decision, and final.

    Parameters
    ----------
    dataset : Dataset
        Rows.
    target : str
        What is learned.
    horizon : int
        Bars.
    cuts : sequence of int
        Rows at whose decision the future is cut off, and whose own outcome is worked out by hand.

    Returns
    -------
    CheckResult
        ``feature`` is the target.
    """
    outcomes = dataset.outcomes(horizon)
    as_of = dataset.decisions.as_of
    early = np.flatnonzero(outcomes.known_at <= as_of)
    if len(early):
        known = outcomes.known_at[early[0]]
        detail = f"its outcome was known at {known}, not after the decision"
        return _failed(OUTCOMES, target, dataset, early[0], detail)
    whole = dataset.response(target, outcomes)
    for cut in cuts:
        then = dataset.known_by(as_of[cut])
        again = then.response(target, then.outcomes(horizon))
        known = outcomes.known_at[: len(then)] <= as_of[cut]
        before = np.where(known, whole[: len(then)], np.nan)
        changed = np.flatnonzero(~_same(before, again))
        if len(changed):
            detail = f"differs once what became known after {as_of[cut]} is cut off"
            return _failed(OUTCOMES, target, dataset, changed[0], detail)
        expected, found = log_return_by_hand(dataset, horizon, cut), outcomes.log_return[cut]
        if not np.isclose(found, expected, rtol=1e-9, atol=1e-12, equal_nan=True):
            detail = f"its return is {found}, worked out by hand it is {expected}"
            return _failed(OUTCOMES, target, dataset, cut, detail)
    return CheckResult(
        check=OUTCOMES,
        passed=True,
        feature=target,
        first_row=None,
        detail=f"{np.isfinite(whole).sum()} outcomes, each known after its decision",
    )


def log_return_by_hand(dataset: Dataset, horizon: int, row: int) -> float:
    """Work out one outcome the obvious way, from the bars as known when it settled.

    Returns
    -------
    float
        Percent; NaN where there is none.
    """
    settled = dataset.outcomes(horizon).known_at[row]
    if np.isnat(settled):
        return float("nan")
    bars = dataset.market.bars.known(to_utc(settled)).select("session", "event_time", "close")
    start = to_utc(dataset.decisions.event_time[row])
    session, now = next((day, close) for day, time, close in bars.iter_rows() if time == start)
    if dataset.interval.is_daily:
        due = dataset.calendar.offset(session, horizon)
        later = [close for day, _, close in bars.iter_rows() if day == due]
    else:
        end = start + horizon * dataset.interval.length
        later = [
            close
            for day, time, close in bars.iter_rows()
            if end - dataset.interval.length < time <= end
            and (day == session or horizon in dataset.crossing)
        ]
    return 100 * float(np.log(later[-1] / now)) if later else float("nan")


def check_folds(
    dataset: Dataset,
    target: str,
    outcomes: Outcomes,
    folds: Sequence[Fold],
    training_rows: Callable[[Fold], Rows],
) -> CheckResult:
    """Check that each fold's model learned only from rows settled before its first forecast.

    Parameters
    ----------
    dataset : Dataset
        Rows.
    target : str
        What is learned.
    outcomes : Outcomes
        What came of each row.
    folds : sequence of Fold
        Rows that are forecast, and when their models are fitted.
    training_rows : callable
        Fold to the rows that teach its model.

    Returns
    -------
    CheckResult
        Fails for a training row that is itself forecast by the fold, lies after it, or whose
        outcome became known after the fold's first decision.
    """
    taught = 0
    for fold in folds:
        rows = training_rows(fold)
        taught += len(rows)
        inside = rows[rows >= fold.start]
        late = rows[outcomes.known_at[rows] > dataset.decisions.as_of[fold.start]]
        for found, reason in (
            (inside, "it is itself forecast by that model, or later than what is"),
            (late, "its outcome became known after that model's first forecast"),
        ):
            if len(found):
                detail = f"teaches the model of fold {fold.number} ({fold.as_of}), but {reason}"
                return _failed("training lies before", target, dataset, found.min(), detail)
    return CheckResult(
        check="training lies before",
        passed=True,
        feature=target,
        first_row=None,
        detail=f"{len(folds)} folds, {taught} training rows, all settled before the first forecast",
    )


def _same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))


def _failed(check: str, target: str, dataset: Dataset, row: int, detail: str) -> CheckResult:
    moment = to_utc(dataset.decisions.as_of[row]).isoformat()
    return CheckResult(check=check, passed=False, feature=target, first_row=moment, detail=detail)
