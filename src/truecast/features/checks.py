"""Prove that features read nothing from the future, and that the tail equals the batch.

``truncation`` forgets all that became known after a moment, ``perturbation`` changes it at
random: no row decided up to that moment may change. ``tail`` computes a decision from the bars
that its lookback names and no others: it must equal the row of the batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import PRICES, QUOTES
from truecast.core.clock import to_utc
from truecast.features.compute import compute_at
from truecast.features.declaration import Feature, FeatureError
from truecast.features.market import Decisions, Market
from truecast.features.plan import FeaturePlan
from truecast.features.results import CheckResult
from truecast.features.user import UserFeatureError
from truecast.lake.history import BarHistory

Rows = NDArray[np.floating]

#: The check of bars that come late; see ``livechecks``.
LATE = "shuffled known_at of bars"
#: The checks that change the future.
CHANGES = ("truncation", "perturbation")
#: How many decisions beside the cuts the tail check recomputes.
TAILS = 8


def check_features(
    plan: FeaturePlan, market: Market, *, cuts: int = 3, seed: int = 0
) -> list[CheckResult]:
    """Check a plan on real bars.

    Parameters
    ----------
    plan : FeaturePlan
        What to check.
    market : Market
        The bars to check it on.
    cuts : int
        Number of moments after which the future is taken away, >= 1.
    seed : int
        Chooses the moments, and how the future is changed.

    Returns
    -------
    list of CheckResult
        For each check one result that passed, or one for each feature that failed.

    Raises
    ------
    FeatureError
        If there are fewer than 20 decisions to check.
    """
    decisions = market.decisions()
    if len(decisions) < 20:
        raise FeatureError(
            f"{market.symbol}: {len(decisions)} decisions are too few to check features: "
            "at least 20 are needed"
        )
    rng = np.random.default_rng(seed)
    batch = compute_at(plan, market, decisions)
    places = _cuts(plan, len(decisions), cuts, rng)
    compare = Comparison(plan, batch, decisions)
    results: list[CheckResult] = []
    for check, change in zip(CHANGES, (_truncated, _perturbed), strict=True):
        for place in places:
            changed = change(market, decisions.as_of[place], rng)
            kept = decisions[: place + 1]
            compare.rows(compute_at(plan, changed, kept), np.arange(place + 1))
        results += compare.results(check, f"the future after {len(places)} moments")
    tails = np.unique(
        [*places, *rng.integers(places[0], len(decisions), TAILS), len(decisions) - 1]
    )
    for place in tails:
        only = _tail(plan, market, decisions[int(place)])
        try:
            row = compute_at(plan, only, decisions[int(place)])
        except UserFeatureError as error:
            when = _iso(decisions.as_of[place])
            return [*results, CheckResult("tail", False, error.feature, when, str(error))]
        compare.rows(row, np.array([place]), to_the_bit=False)
    results += compare.results("tail", f"{len(tails)} decisions from their lookback alone")
    return results


@dataclass
class _Difference:
    first: int
    last: int
    count: int
    cut: int


class Comparison:
    """Rows held against the batch, and the first that differs for each feature."""

    def __init__(self, plan: FeaturePlan, batch: Rows, decisions: Decisions) -> None:
        self.plan, self.batch, self.decisions = plan, batch, decisions
        size = np.where(np.isfinite(batch), np.abs(batch), np.nan)
        usual = [np.nanmedian(column) if np.isfinite(column).any() else 0.0 for column in size.T]
        self.usual = np.array(usual, dtype=np.float64)
        self.found: dict[int, _Difference] = {}

    def rows(self, rows: Rows, places: NDArray[np.int64], *, to_the_bit: bool = True) -> None:
        """Compare rows with those of the batch at these places."""
        for column, feature in enumerate(self.plan.features):
            exact = not feature.recursive or (to_the_bit and feature.family.function is None)
            here, there = rows[:, column], self.batch[places, column]
            wrong = _differs(here, there, 0.0 if exact else float(self.usual[column]), exact)
            if not wrong.any():
                continue
            at = places[wrong]
            before = self.found.get(column)
            if before is None or at[0] < before.first:
                cut = int(places[-1])
                self.found[column] = _Difference(int(at[0]), int(at[-1]), len(at), cut)

    def results(self, check: str, what: str) -> Iterator[CheckResult]:
        """Yield what was found since the last call."""
        found, self.found = self.found, {}
        if not found:
            same = "unchanged by" if check in CHANGES else "equal the batch at"
            detail = f"{len(self.plan.features)} features {same} {what}"
            yield CheckResult(check, True, None, None, detail)
        for column, difference in found.items():
            feature = self.plan.features[column]
            yield CheckResult(
                check,
                False,
                feature.name,
                _iso(self.decisions.as_of[difference.first]),
                _cause(check, feature, difference),
            )


def _iso(moment: np.datetime64) -> str:
    return to_utc(moment).isoformat()


def _differs(here: Rows, there: Rows, usual: float, exact: bool) -> NDArray[np.bool_]:
    one_missing = np.isnan(here) != np.isnan(there)
    if exact:
        both = ~np.isnan(here) & ~np.isnan(there)
        return np.asarray(one_missing | ((here != there) & both))
    larger = np.maximum(np.abs(here), np.abs(there)).astype(np.float32)
    # Next to zero one ulp is too little to ask of a difference of two larger numbers.
    allowed = np.fmax(np.spacing(larger), np.float32(1e-9 * usual))
    with np.errstate(invalid="ignore"):
        return np.asarray(one_missing | (np.abs(here - there) > allowed))


def _cause(check: str, feature: Feature, difference: _Difference) -> str:
    if check == LATE:
        return (
            "computed from what was known at its moment alone it is another: a bar is used before "
            "it is known, as where series are joined by when a bar closed"
        )
    if check not in CHANGES:
        return (
            f"from its lookback of {feature.lookback} bars alone it differs from the batch: it "
            "reads further back, or later bars, or a figure of the whole series"
        )
    verb = "taking away" if check == "truncation" else "changing"
    reach = difference.cut - difference.first + 1
    if difference.count == reach and reach < 100 and reach < difference.cut / 2:
        return (
            f"{verb} the future changes the {reach} row(s) before it: it looks {reach} bar(s) ahead"
        )
    return (
        f"{verb} the future changes {difference.count} rows up to {reach - 1} bars before it: a "
        "figure of the whole series (scale, quantile, fit, smoothed state or choice) is in it"
    )


def _cuts(plan: FeaturePlan, n: int, cuts: int, rng: np.random.Generator) -> list[int]:
    """Choose places apart from each other, past the warm-up where the history allows."""
    start = min(plan.lookback(None), n // 2)
    edges = np.linspace(start, n - 1, cuts + 1).astype(int)
    return [int(rng.integers(low, max(low + 1, high))) for low, high in pairwise(edges)]


def _changed(market: Market, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Market:
    return replace(
        market,
        bars=BarHistory(change(market.bars.versions)),
        context={of: BarHistory(change(bars.versions)) for of, bars in market.context.items()},
    )


def _known(moment: np.datetime64) -> pl.Expr:
    limit = pl.lit(moment).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.col("known_at") <= limit


def _truncated(market: Market, moment: np.datetime64, _rng: np.random.Generator) -> Market:
    return market.known_by(moment)


def _perturbed(market: Market, moment: np.datetime64, rng: np.random.Generator) -> Market:
    def change(versions: pl.DataFrame) -> pl.DataFrame:
        prices, volumes = (
            pl.Series(np.exp(rng.normal(0.0, 0.5, versions.height))) for _ in range(2)
        )
        sizes = ("volume", "bid_size", "ask_size")
        factors = [(name, prices) for name in (*PRICES, *QUOTES) if name not in sizes]
        factors += [(name, volumes) for name in sizes]
        return versions.with_columns(
            pl.when(_known(moment)).then(pl.col(name)).otherwise(pl.col(name) * factor).alias(name)
            for name, factor in factors
            if name in versions.columns
        )

    return _changed(market, change)


def _tail(plan: FeaturePlan, market: Market, decision: Decisions) -> Market:
    """Keep, of each series, the bars known at a decision that the lookback reaches."""

    def last(history: BarHistory, lookback: int, close: np.datetime64 | None = None) -> BarHistory:
        known = history.versions.filter(_known(decision.as_of[0]))
        if close is not None:
            # Later bars than the decision's own may be known: the lookback begins at its own.
            known = known.filter(pl.col("event_time") <= to_utc(close))
        if not lookback or known.is_empty():
            return BarHistory(known)
        first = known["event_time"].unique().sort().tail(lookback)[0]
        return BarHistory(known.filter(pl.col("event_time") >= first))

    return replace(
        market,
        bars=last(market.bars, plan.lookback(None), decision.event_time[0]),
        context={of: last(history, plan.lookback(of)) for of, history in market.context.items()},
    )
