"""Prove that features of news react to a story when it is known, and not before.

Each check looks at single stories, and at the decisions shortly before and after: ``truncation of
news`` forgets the story and all that became known later, ``perturbation of news`` changes,
removes and adds stories from its moment on; no row decided before may change. ``shuffled known_at``
lets one story become known later than it did: until then every row must be as though there were no
such story, and rows before its old moment, and after its windows have closed, must stay as they
were.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from truecast.core.clock import to_utc
from truecast.features.compute import compute_at
from truecast.features.declaration import Feature, FeatureError
from truecast.features.market import Decisions, Market
from truecast.features.news import AGE_CAP, Stories
from truecast.features.plan import FeaturePlan
from truecast.features.results import CheckResult

Rows: TypeAlias = NDArray[np.floating]
Mask: TypeAlias = NDArray[np.bool_]
Moment: TypeAlias = np.datetime64

TRUNCATION, PERTURBATION = "truncation of news", "perturbation of news"
SHUFFLED = "shuffled known_at"
#: How many stories are looked at, and how many decisions before and after each.
STORIES, ROWS = 8, 4000
#: Lengths of buckets in minutes that a cause is looked for among.
BUCKETS = (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440)

_MINUTE = np.timedelta64(60_000_000, "us")
_INSTANT = np.timedelta64(1, "us")


def check_news(plan: FeaturePlan, market: Market, *, seed: int = 0) -> list[CheckResult]:
    """Check a plan's features of news on real stories.

    Parameters
    ----------
    plan : FeaturePlan
        What to check; features of bars are left alone.
    market : Market
        The bars and the stories to check it on.
    seed : int
        Chooses the stories, and how they are changed.

    Returns
    -------
    list of CheckResult
        Nothing where the plan reads no news. Else for each check one result that passed, or one
        for each feature that failed: it names the feature, the first row and the likely cause.

    Raises
    ------
    FeatureError
        If features read news and there are none.
    """
    features = tuple(feature for feature in plan.features if feature.family.of_news)
    if not features:
        return []
    if market.news is None:
        raise FeatureError(f"{market.symbol}: features read news, and none were given")
    rng = np.random.default_rng(seed)
    decisions = market.decisions()
    chosen = _choose(market.news, decisions, rng)
    if not len(chosen):
        detail = "no story became known between two decisions: there is nothing to check"
        return [CheckResult(SHUFFLED, True, None, None, detail)]
    findings = {check: _Findings(features) for check in (TRUNCATION, PERTURBATION, SHUFFLED)}
    probes = [_Probe(FeaturePlan(features), market, decisions, int(place)) for place in chosen]
    for probe in probes:
        _forget(probe, findings[TRUNCATION])
        _change(probe, findings[PERTURBATION], rng)
        _delay(probe, findings[SHUFFLED], rng)
    return [
        result
        for check, found in findings.items()
        for result in found.results(check, decisions, len(chosen))
    ]


@dataclass
class _Probe:
    """One story, the decisions around the moment it became known, and their features."""

    plan: FeaturePlan
    market: Market
    every: Decisions
    place: int

    def __post_init__(self) -> None:
        middle = int(np.searchsorted(self.every.as_of, self.known))
        self.decisions = self.every[max(0, middle - ROWS) : middle + ROWS]
        self.before = self.decisions.as_of < self.known
        self.rows = self.given(self.news)

    @property
    def news(self) -> Stories:
        if self.market.news is None:
            raise FeatureError(f"{self.market.symbol}: there are no stories")
        return self.market.news

    @property
    def known(self) -> Moment:
        found: Moment = self.news.known_at[self.place]
        return found

    def given(self, news: Stories) -> Rows:
        """Compute the features from other stories, shape (n, k)."""
        return compute_at(self.plan, replace(self.market, news=news), self.decisions, np.float64)


@dataclass
class _Findings:
    """What one check found: by feature, rows that may not react, each with its story's moment."""

    features: Sequence[Feature]
    early: dict[int, list[tuple[Moment, Moment]]] = field(default_factory=dict)
    other: dict[int, tuple[Moment, str]] = field(default_factory=dict)

    def not_before(self, probe: _Probe, rows: Rows) -> None:
        """Note rows that react to a story although they were decided before it was known."""
        for column, first in _first(probe, rows, probe.rows, probe.before):
            self.early.setdefault(column, []).append((first, probe.known))

    def same(self, probe: _Probe, pair: tuple[Rows, Rows], where: Mask, why: str) -> None:
        """Note rows that differ where they may not."""
        for column, first in _first(probe, *pair, where):
            self.other.setdefault(column, (first, why))

    def results(self, check: str, decisions: Decisions, count: int) -> Iterable[CheckResult]:
        """Yield what the check says in the end."""
        bucket = _bucket([one for found in self.early.values() for one in found], decisions)
        for column, found in self.early.items():
            first, known = min(found)
            detail = _cause_of_early(first, known, bucket)
            yield CheckResult(check, False, self.features[column].name, _iso(first), detail)
        for column, (first, why) in self.other.items():
            if column not in self.early:
                yield CheckResult(check, False, self.features[column].name, _iso(first), why)
        if not self.early and not self.other:
            detail = f"{len(self.features)} features of news, {count} stories: {_PASSED[check]}"
            yield CheckResult(check, True, None, None, detail)


_PASSED = {
    TRUNCATION: "no row before a story is known changes where all from it on is forgotten",
    PERTURBATION: "no row before a story is known changes with what is told from then on",
    SHUFFLED: "a story that becomes known later changes the rows between, and none before",
}


def _choose(news: Stories, decisions: Decisions, rng: np.random.Generator) -> NDArray[np.integer]:
    """Choose stories: half of them where a decision came shortly before, half anywhere."""
    before = np.searchsorted(decisions.as_of, news.known_at) - 1
    inside = np.flatnonzero((before >= 0) & (before < len(decisions) - 1))
    gap = news.known_at[inside] - decisions.as_of[before[inside]]
    shuffled = rng.permutation(len(inside))
    near = shuffled[np.argsort(gap[shuffled], kind="stable")][: 4 * STORIES]
    picked = [*rng.permutation(near)[: STORIES // 2], *shuffled[: STORIES // 2]]
    return inside[np.unique(np.array(picked, dtype=np.int64))]


def _forget(probe: _Probe, found: _Findings) -> None:
    found.not_before(probe, probe.given(probe.news.known_by(probe.known - _INSTANT)))


def _change(probe: _Probe, found: _Findings, rng: np.random.Generator) -> None:
    """Change the scores of what is known from a story on, remove some of it, and add to it."""
    news = probe.news
    earlier = news.known_by(probe.known - _INSTANT)
    later = news.known_at[len(earlier) :]
    kept = later[rng.random(len(later)) < 0.7]
    added = probe.known + rng.integers(0, 360 * 60_000_000, 20).astype("timedelta64[us]")
    known_at = np.sort(np.concatenate([kept, added]))
    drawn = rng.dirichlet(np.full(3, 0.3), len(known_at)).T
    before = (earlier.positive, earlier.negative, earlier.neutral)
    positive, negative, neutral = map(np.concatenate, zip(before, drawn, strict=True))
    told = Stories(
        np.concatenate([earlier.known_at, known_at]), positive, negative, neutral, news.scorer
    )
    found.not_before(probe, probe.given(told))


def _delay(probe: _Probe, found: _Findings, rng: np.random.Generator) -> None:
    """Let a story become known later than it did."""
    news, as_of = probe.news, probe.decisions.as_of
    following = int(np.argmin(probe.before))
    later = as_of[following] + rng.integers(1, 360 * 60_000_000) * _INSTANT
    moments = news.known_at.copy()
    moments[probe.place] = later
    order = np.argsort(moments, kind="stable")
    delayed = probe.given(replace(news[order], known_at=moments[order]))
    without = probe.given(news[np.arange(len(news)) != probe.place])
    found.not_before(probe, delayed)
    between = ~probe.before & (as_of < later)
    found.same(probe, (delayed, without), between, _BETWEEN)
    reach = np.array([_reach(feature) for feature in probe.plan.features])
    after = as_of[:, None] >= later + reach * _MINUTE
    found.same(probe, (delayed, probe.rows), after, _AFTER)
    counted = np.zeros(delayed.shape, bool)
    counted[following] = _counts(probe, as_of[following])
    found.same(probe, (delayed, probe.rows - 1), counted, _UNMOVED)


_BETWEEN = (
    "a story whose moment of knowing was put off still counts before the new one: it is dated by "
    "something else than known_at"
)
_AFTER = (
    "a story whose window is over still changes it: it reads further back than its window, or a "
    "figure of all stories is in it"
)
_UNMOVED = (
    "a story that becomes known later is not missing from the rows between: it is not counted by "
    "known_at"
)


def _counts(probe: _Probe, moment: Moment) -> list[bool]:
    """Say which features count stories, the probe's own too, at a moment."""
    since = moment - probe.known
    return [
        feature.family.name == "article_count" and bool(since < _reach(feature) * _MINUTE)
        for feature in probe.plan.features
    ]


def _reach(feature: Feature) -> int:
    """Return for how many minutes a story can matter to a feature."""
    return feature.parameters.get("window", AGE_CAP)


def _differ(here: Rows, there: Rows) -> Mask:
    return np.asarray((here != there) & ~(np.isnan(here) & np.isnan(there)))


def _first(probe: _Probe, here: Rows, there: Rows, where: Mask) -> Iterable[tuple[int, Moment]]:
    """Yield the features that differ in certain rows, with the moment of the first."""
    allowed = where if where.ndim == 2 else where[:, None]
    wrong = _differ(here, there) & allowed
    for column in np.flatnonzero(wrong.any(axis=0)):
        yield int(column), probe.decisions.as_of[int(np.argmax(wrong[:, column]))]


def _bucket(early: Sequence[tuple[Moment, Moment]], decisions: Decisions) -> int | None:
    """Return the length in minutes of the buckets whose START would explain rows too early."""

    def explains(minutes: int) -> bool:
        length = np.timedelta64(minutes * 60, "s")
        epoch = np.datetime64(0, "us")
        for first, known in early:
            start = epoch + (known - epoch) // length * length
            if decisions.as_of[np.searchsorted(decisions.as_of, start)] != first:
                return False
        return True

    return next((minutes for minutes in BUCKETS if early and explains(minutes)), None)


def _cause_of_early(first: Moment, known: Moment, bucket: int | None) -> str:
    ahead = (known - first) / _MINUTE
    said = f"it reacts to a story {ahead:.1f} minutes before it was known ({_iso(known)})"
    if bucket is None:
        return f"{said}: it looks ahead, or a figure of all stories is in it"
    return (
        f"{said}, at the first decision of that bucket of {bucket} minutes: stories are put into "
        "buckets that are stamped with their start; stamp them with their end, or use a window "
        "that ends at the decision"
    )


def _iso(moment: Moment) -> str:
    return to_utc(moment).isoformat()
