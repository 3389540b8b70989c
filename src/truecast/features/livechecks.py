"""Prove that features bear bars that come late, and that bar by bar they equal the batch.

``shuffled known_at of bars`` lets bars become known later than they did, some after others that
closed after them: a row computed among all others must equal the one computed from what was known
at its own moment, so nothing is joined by when a bar closed. ``bar by bar`` pushes bars into a
:class:`truecast.features.tail.Tail`, as a live feed does.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from truecast.core.clock import to_utc
from truecast.features.checks import LATE, Comparison
from truecast.features.compute import compute_at
from truecast.features.market import Decisions, Market
from truecast.features.plan import FeaturePlan
from truecast.features.results import CheckResult
from truecast.features.tail import Tail
from truecast.features.user import UserFeatureError
from truecast.lake.history import BarHistory

LIVE = "bar by bar"
#: Bars in a stretch whose moments are shuffled, and the share of them that come late.
STRETCH, LATE_SHARE = 120, 0.3
#: By how many bars they come late at most.
LATEST = 6
#: How many decisions of a stretch are computed alone, and how many bars are pushed one by one.
ALONE, PUSHED = 12, 5


def check_live(
    plan: FeaturePlan, market: Market, *, stretches: int = 3, seed: int = 0
) -> list[CheckResult]:
    """Check a plan on stretches of real bars.

    Parameters
    ----------
    plan : FeaturePlan
        What to check.
    market : Market
        The bars to check it on.
    stretches : int
        How many.
    seed : int
        Chooses the stretches, and which bars come late.

    Returns
    -------
    list of CheckResult
        For each check one result that passed, or one for each feature that failed.
    """
    rng = np.random.default_rng(seed)
    decisions = market.decisions()
    last = len(decisions) - 1
    earliest = min(plan.lookback(None), last // 2) + PUSHED
    ends = np.unique(np.append(rng.integers(min(earliest, last), last + 1, stretches - 1), last))
    found = [
        _found(
            LATE,
            _checked_late(plan, _late(plan, market, decisions[: end + 1], rng), rng),
            decisions.as_of[end],
        )
        for end in ends
    ]
    results = [one for several in found for one in several if not one.passed][: len(plan.features)]
    if not results:
        detail = (
            f"{len(plan.features)} features use no bar before it is known in {len(ends)} stretches "
            f"of {STRETCH} bars, {LATE_SHARE:.0%} of them late"
        )
        results = [CheckResult(LATE, True, None, None, detail)]
    live = _checked_live(plan, market, decisions, ends)
    return [*results, *_found(LIVE, live, decisions.as_of[ends[0]])]


def _found(check: str, results: Iterator[CheckResult], moment: np.datetime64) -> list[CheckResult]:
    """Return what a check finds, or that a user's function fails on the few bars it is given."""
    try:
        return list(results)
    except UserFeatureError as error:
        when = to_utc(moment).isoformat()
        return [CheckResult(check, False, error.feature, when, str(error))]


def _late(
    plan: FeaturePlan, market: Market, decisions: Decisions, rng: np.random.Generator
) -> Market:
    """Return the bars that the last decisions read, of which some become known later."""
    begin = decisions.event_time[max(0, len(decisions) - STRETCH)]

    def shuffled(history: BarHistory, lookback: int) -> BarHistory:
        versions = history.versions.filter(pl.col("known_at") <= to_utc(decisions.as_of[-1]))
        before = versions.filter(pl.col("event_time") <= to_utc(begin))["event_time"].unique()
        first = before.sort().tail(lookback + 1)
        kept = versions.filter(pl.col("event_time") >= first[0]) if len(first) else versions
        step = kept["event_time"].unique().sort().diff().median()
        delay = rng.integers(1, LATEST + 1, kept.height) * (rng.random(kept.height) < LATE_SHARE)
        moved = pl.when(pl.col("event_time") > to_utc(begin)).then(pl.Series(delay)).otherwise(0)
        return BarHistory(
            kept.with_columns(known_at=pl.col("known_at") + moved * pl.lit(step, pl.Duration("us")))
        )

    return replace(
        market,
        bars=shuffled(market.bars, plan.lookback(None)),
        context={of: shuffled(one, plan.lookback(of)) for of, one in market.context.items()},
    )


def _checked_late(
    plan: FeaturePlan, market: Market, rng: np.random.Generator
) -> Iterator[CheckResult]:
    decisions = market.decisions()[-STRETCH:]
    if not len(decisions):
        return
    compare = Comparison(plan, compute_at(plan, market, decisions), decisions)
    for place in np.unique(rng.integers(0, len(decisions), ALONE)):
        then = market.known_by(decisions.as_of[place])
        compare.rows(compute_at(plan, then, decisions[int(place)]), np.array([place]))
    yield from compare.results(LATE, f"{ALONE} decisions")


def _checked_live(
    plan: FeaturePlan, market: Market, decisions: Decisions, ends: np.ndarray
) -> Iterator[CheckResult]:
    """Push the bars of the last decisions of each stretch one by one."""
    pushed = [np.arange(max(1, end - PUSHED + 1), end + 1) for end in ends]
    places = np.unique(np.concatenate(pushed))
    if not len(places):
        return
    compare = Comparison(plan, compute_at(plan, market, decisions[places]), decisions[places])
    tail, revised = None, _revisions(market)
    for row, place in enumerate(places):
        before, now = decisions.as_of[place - 1], decisions.as_of[place]
        if ((revised > before) & (revised <= now)).any():
            tail = _tail(plan, market, decisions[int(place)])
        else:
            if tail is None or place - 1 not in places:
                tail = _tail(plan, market, decisions[int(place) - 1])
            for of in (*plan.context, None):
                for bar in _new(market, of, decisions[place - 1 : place + 1]):
                    tail.push(bar, of)
        compare.rows(tail.row(now, market.news)[None], np.array([row]), to_the_bit=False)
    yield from compare.results(LIVE, f"{len(places)} decisions, bars pushed one by one")


def _tail(plan: FeaturePlan, market: Market, decision: Decisions) -> Tail:
    """Return the tail that a decision is made from: later bars may be known, its own is newest."""
    own = pl.col("event_time") <= to_utc(decision.event_time[0])
    upto = replace(market, bars=BarHistory(market.bars.versions.filter(own)))
    return Tail.of(plan, upto, decision.as_of[0])


def _revisions(market: Market) -> np.ndarray:
    """Return the moments at which an earlier bar changed, or came late."""
    found = []
    for of in (None, *market.context):
        bars = market.versions(of)
        known = bars.times("known_at")
        late = np.r_[False, known[1:] < np.maximum.accumulate(known)[:-1]]
        found.append(known[(bars.values("version") > 0) | late])
        found.append(np.maximum.accumulate(known)[late])
    return np.concatenate(found)


def _new(market: Market, of: str | None, pair: Decisions) -> Iterator[dict[str, object]]:
    """Yield the bars that came between two decisions, as a feed gives them."""
    versions = market.history(of).versions
    if of is None:
        # A bar may be known, and revised, before the decision that precedes its own.
        first, last = (to_utc(close) for close in pair.event_time)
        fresh = (pl.col("event_time") > first) & (pl.col("event_time") <= last)
    else:
        fresh = pl.col("known_at") > to_utc(pair.as_of[0])
    yield from BarHistory(versions.filter(fresh)).known(to_utc(pair.as_of[1])).iter_rows(named=True)
