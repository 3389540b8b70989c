"""Proofs that no row knows its outcome, and no model its test rows."""

from collections.abc import Callable, Sequence

import numpy as np

from truecast.core.clock import to_utc
from truecast.datasets.assembly import Dataset
from truecast.datasets.splits import Fold, Rows
from truecast.datasets.targets import Outcomes
from truecast.features.results import CheckResult


def check_outcomes(dataset: Dataset, target: str, horizon: int, cuts: Sequence[int]) -> CheckResult:
    """Check that outcomes become known after their decision, and then no longer change.

    Parameters
    ----------
    dataset : Dataset
        Rows.
    target : str
        What is learned.
    horizon : int
        Bars.
    cuts : sequence of int
        Rows at whose decision the future is cut off.

    Returns
    -------
    CheckResult
        ``feature`` is the target.
    """
    outcomes = dataset.outcomes(horizon)
    as_of = dataset.decisions.as_of
    early = np.flatnonzero(outcomes.known_at <= as_of)
    if len(early):
        return _failed(
            "outcomes come later",
            target,
            dataset,
            early[0],
            f"its outcome was known at {outcomes.known_at[early[0]]}, not after the decision",
        )
    whole = dataset.response(target, outcomes)
    for cut in cuts:
        moment = as_of[cut]
        then = dataset.response(target, dataset.outcomes(horizon, to_utc(moment)))
        settled = np.flatnonzero(outcomes.known_at <= moment)
        settled = settled[_first_versions(dataset, outcomes, settled)]
        changed = settled[~_same(whole[settled], then[settled])]
        if len(changed):
            detail = f"differs once what became known after {moment} is cut off"
            return _failed("outcomes come later", target, dataset, changed[0], detail)
    return CheckResult(
        check="outcomes come later",
        passed=True,
        feature=target,
        first_row=None,
        detail=f"{np.isfinite(whole).sum()} outcomes, each known after its decision",
    )


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


def _first_versions(dataset: Dataset, outcomes: Outcomes, rows: Rows) -> np.ndarray:
    """Say which rows' bars were never revised: a revision may change an outcome, honestly."""
    versions = dataset.market.bars.versions
    revised = versions.filter(versions["version"] > 0)["event_time"].dt.replace_time_zone(None)
    if revised.is_empty():
        return np.ones(len(rows), dtype=bool)
    times = np.unique(revised.to_numpy().astype("datetime64[us]"))
    before = np.searchsorted(times, dataset.decisions.event_time[rows], side="left")
    after = np.searchsorted(times, outcomes.due[rows], side="right")
    return np.asarray(before == after)


def _same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))


def _failed(check: str, target: str, dataset: Dataset, row: int, detail: str) -> CheckResult:
    moment = to_utc(dataset.decisions.as_of[row]).isoformat()
    return CheckResult(check=check, passed=False, feature=target, first_row=moment, detail=detail)
