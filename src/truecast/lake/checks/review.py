"""Look a series over, and say from when on what is to be read otherwise.

The walk takes each bar's first version, in the order of time, but for bars that became known
after a later one: as nothing that comes late is walked, nothing that comes late changes what was
found before. Late bars and further versions are judged by the walked bars around them. So the
findings of a moment are the same whether they are made then or years after.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import PRICES, QUOTES, UTC_TIME
from truecast.core.formatting import formatted
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.checks import kernels
from truecast.lake.checks.options import ROW_FLAGS, ChecksOptions
from truecast.lake.checks.runs import find_stale, find_volume_jumps
from truecast.lake.contracts import without_false_ranges

#: One row a finding. ``known_at`` is when it could first be made, ``factor`` by what its prices
#: are multiplied in a repair, ``action`` what the options make of it.
FINDINGS: Final[dict[str, pl.DataType]] = {
    "event_time": UTC_TIME,
    "session": pl.Date(),
    "check": pl.String(),
    "action": pl.String(),
    "known_at": UTC_TIME,
    "detail": pl.String(),
    "factor": pl.Float64(),
}

_SCALED: Final = (*PRICES, *(name for name in QUOTES if not name.endswith("size")))
# So many bars' time may pass for each bar that a false price may stand: a weekend for daily bars,
# some quiet minutes for others.
_PATIENCE: Final = 10
# The row of ``versions`` that a finding is about.
_PLACE: Final = "place"


@dataclass(frozen=True)
class Review:
    """What the checks find in a series, and the series as it is then read.

    Parameters
    ----------
    findings : pl.DataFrame
        Columns ``FINDINGS``, sorted by ``event_time``, ``check`` and ``known_at``.
    versions : pl.DataFrame
        The versions that were looked over, and for each bar that is read otherwise a further one,
        known when the finding is: repaired, or ``withdrawn``, a boolean column that says that the
        bar is not read from then on. A bar that is withdrawn as soon as it is known is not there
        at all. Numbered anew.
    level : float
        By which the next bar is judged, see :func:`are_usual`; NaN where the last ones are not
        decided yet.
    """

    findings: pl.DataFrame
    versions: pl.DataFrame
    level: float


def review(
    versions: pl.DataFrame,
    instrument: Instrument,
    interval: Interval,
    options: ChecksOptions,
    actions: pl.DataFrame | None = None,
) -> Review:
    """Run every check on a series.

    Parameters
    ----------
    versions : pl.DataFrame
        Rows of ``silver/bars`` for one series, raw, sorted by ``event_time`` and ``version``.
    instrument, interval : Instrument, Interval
        What the series is.
    options : ChecksOptions
        What each check does.
    actions : pl.DataFrame or None
        Rows of ``silver/actions`` for it: a split that is known explains a jump.
    """
    walked = _in_order(versions)
    base = versions.filter(walked)
    places = np.flatnonzero(walked.to_numpy())
    jumps, level = _find_jumps(versions, walked, _Scale(instrument, interval, actions), options)
    found = [jumps]
    runs = {"stale": find_stale(base, options.stale)}
    if not interval.is_daily:
        runs["volume_unit_jump"] = find_volume_jumps(base, options.volume_unit_jump)
    for name, run in runs.items():
        known = base["known_at"].gather(run["decided"])
        found.append(_found(name, places[run["bar"].to_numpy()], known, run["detail"]))
    flagged = {name: _flagged(versions, name) for name in ROW_FLAGS}
    if options.outside_range.action == "repair" and len(flagged["outside_range"]):
        # Known with the bar itself: it is never read otherwise.
        versions = without_false_ranges(versions)
    named = _named(versions, pl.concat([*found, *flagged.values()]), options)
    return Review(named.select(*FINDINGS), _applied(versions, named), level)


def are_usual(
    bars: pl.DataFrame, level: float, instrument: Instrument, options: ChecksOptions
) -> float | None:
    """Say whether bars behind a reviewed series change nothing of how it, or they, are read.

    Parameters
    ----------
    bars : pl.DataFrame
        First versions, each later and known later than all before, with no split from then on.
    level : float
        Of the :class:`Review` of what is before.
    instrument, options : Instrument, ChecksOptions
        As :func:`review` takes them.

    Returns
    -------
    float or None
        The level behind them; None where they may change something: then all is reviewed anew.

    Notes
    -----
    Prices no farther from the close before than ``false_print.smallest`` are never false, whatever
    the bars before them did, and in no other unit. A closer look than that takes all bars.
    """
    limits = _Scale(instrument, Interval("1d"), None).limits(options)
    told_apart = limits.jump - limits.smallest > limits.tolerance
    flagged = bars["flags"].list.len().max()
    if instrument.may_be_negative or not told_apart or options.stale.action != "flag" or flagged:
        return None
    prices = np.log(bars.select(PRICES).cast(pl.Float64).to_numpy())
    levels = np.append(level, prices[:-1, -1])
    # Absent prices do not count, an undecided level does.
    near = np.isfinite(levels[:, None]) & ~(np.abs(prices - levels[:, None]) > limits.smallest)
    return float(prices[-1, -1]) if near.all() else None


def _in_order(versions: pl.DataFrame) -> pl.Series:
    """Mark the first versions that were known before every later bar."""
    first = versions["version"] == 0
    later = versions.select(
        pl.when(first).then("known_at").cum_min(reverse=True).shift(-1)
    ).to_series()
    # The last known_at of none that follow is null; it is in order.
    later = later.fill_null(strategy="backward")
    return first & (versions["known_at"] <= later).fill_null(value=True)


@dataclass(frozen=True)
class _Scale:
    """How the prices of a series are compared: by logarithms, unless they may be negative."""

    instrument: Instrument
    interval: Interval
    actions: pl.DataFrame | None

    @property
    def logs(self) -> bool:
        return not self.instrument.may_be_negative

    def limits(self, options: ChecksOptions) -> kernels.Limits:
        false, unit = options.false_print, options.unit_jump
        patience = _PATIENCE * false.longest * self.interval.length
        return kernels.Limits(
            sigmas=false.sigmas,
            smallest=float(np.log1p(false.smallest)) if self.logs else 0.0,
            longest=false.longest,
            patience=patience // timedelta(microseconds=1),
            # Where prices may be negative, no ratio says that the unit is another one.
            jump=float(np.log(unit.factor)) if self.logs else 0.0,
            tolerance=float(np.log1p(unit.tolerance)),
        )

    def bars(self, rows: pl.DataFrame) -> kernels.Bars:
        prices = np.empty((len(rows), len(PRICES)))
        for part, name in enumerate(PRICES):
            price = rows[name].to_numpy()
            prices[:, part] = np.log(price) if self.logs else price
        return kernels.Bars(prices, rows["event_time"].to_physical().to_numpy(), self._splits(rows))

    def _splits(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Return what splits that were known by then take off the prices, at their first bar."""
        taken = np.zeros(len(rows))
        if self.actions is None or not self.logs:
            return taken
        sessions = rows["session"].to_numpy()
        splits = self.actions.filter(pl.col("kind") == "split").sort("session", "version")
        for (ex_date,), split in splits.group_by("session", maintain_order=True):
            place = int(np.searchsorted(sessions, np.datetime64(ex_date)))
            if 0 < place < len(rows):
                told = split.filter(pl.col("known_at") <= rows["known_at"][place])["value"]
                if len(told) and told[-1] is not None and told[-1] > 0:
                    taken[place] += np.log(told[-1])
        return taken

    def level(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(scaled) if self.logs else scaled


def _find_jumps(
    versions: pl.DataFrame, walked: pl.Series, scale: _Scale, options: ChecksOptions
) -> tuple[pl.DataFrame, float]:
    """Find prices in another unit, and false ones, in the walked versions and in the others."""
    base, late = versions.filter(walked), versions.filter(~walked)
    limits, bars = scale.limits(options), scale.bars(base)
    walk = kernels.walk(bars, options.false_print.window, limits)
    hit = np.flatnonzero(walk.kind != kernels.NOTHING)
    judged = pl.DataFrame(
        {
            _PLACE: np.flatnonzero(walked.to_numpy())[hit],
            "kind": walk.kind[hit],
            "factor": np.exp(walk.shift[hit]),
            "level": scale.level(walk.level[hit]),
            "known_at": base["known_at"].gather(walk.decided[hit]),
        }
    )
    if late.is_empty():
        return _name_jumps(versions, judged), walk.end
    others = scale.bars(late)
    level = np.searchsorted(bars.times, others.times, side="left")
    after = np.searchsorted(bars.times, others.times, side="right")
    kind, shift, decided, pending = kernels.judge(others, level, after, bars, walk, limits)
    hit = np.flatnonzero(kind != kernels.NOTHING)
    further = pl.DataFrame(
        {
            _PLACE: np.flatnonzero(~walked.to_numpy())[hit],
            "kind": kind[hit],
            "factor": np.exp(shift[hit]),
            "level": scale.level(walk.level[level[hit]]),
            "known_at": base["known_at"].gather(decided[hit]),
        }
    ).with_columns(known_at=pl.max_horizontal("known_at", late["known_at"].gather(hit)))
    end = np.nan if pending else walk.end
    return _name_jumps(versions, pl.concat([judged, further])), end


def _name_jumps(versions: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    prices = versions.select(low=pl.min_horizontal(PRICES), high=pl.max_horizontal(PRICES))
    told = judged.hstack(prices[judged[_PLACE]])
    detail = formatted("prices from {} to {} after a close of {}", "low", "high", "level")
    parts = []
    for check, kind in (("unit_jump", kernels.UNIT), ("false_print", kernels.FALSE)):
        one = told.with_columns(pl.col("level").round(6)).filter(pl.col("kind") == kind)
        factor = one["factor"] if kind == kernels.UNIT else None
        places, known = one[_PLACE].to_numpy(), one["known_at"]
        parts.append(_found(check, places, known, one.select(detail).to_series(), factor))
    return pl.concat(parts)


def _flagged(versions: pl.DataFrame, name: str) -> pl.DataFrame:
    """Turn a flag that the contracts raised into findings."""
    raised = np.flatnonzero(versions["flags"].list.contains(name).to_numpy())
    detail = pl.repeat(ROW_FLAGS[name], len(raised), dtype=pl.String, eager=True)
    return _found(name, raised, versions["known_at"].gather(raised), detail)


def _found(
    check: str,
    places: NDArray[np.int64],
    known: pl.Series,
    detail: pl.Series,
    factor: pl.Series | None = None,
) -> pl.DataFrame:
    columns = {
        _PLACE: pl.Series(places, dtype=pl.Int64),
        "known_at": known.cast(UTC_TIME),
        "detail": detail.cast(pl.String),
        "factor": pl.repeat(None, len(places), dtype=pl.Float64, eager=True)
        if factor is None
        else factor,
    }
    return pl.DataFrame(columns).with_columns(check=pl.lit(check))


def _named(versions: pl.DataFrame, found: pl.DataFrame, options: ChecksOptions) -> pl.DataFrame:
    chosen = {name: getattr(options, name).action for name in ChecksOptions.model_fields}
    named = found.with_columns(
        versions.select("event_time", "session")[found[_PLACE]],
        action=pl.col("check").replace_strict(chosen, return_dtype=pl.String),
    )
    return named.sort("event_time", "check", "known_at", _PLACE)


def _applied(versions: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add the further versions that findings call for, each right after the one it is about."""
    rows = versions.with_columns(withdrawn=pl.lit(value=False))
    mended = (pl.col("check") == "outside_range") & (pl.col("action") == "repair")
    changes = found.filter((pl.col("action") != "flag") & ~mended)
    if changes.is_empty():
        return rows
    changes = changes.sort("known_at").unique([_PLACE, "action"], keep="first", maintain_order=True)
    # What is withdrawn is not repaired after.
    gone = pl.col("known_at").filter(pl.col("action") == "quarantine").min().over(_PLACE)
    first = changes.filter((pl.col("known_at") <= gone).fill_null(value=True))
    further = rows[first[_PLACE]].with_columns(
        first["known_at"].alias("since"), first["factor"], first["action"], first[_PLACE]
    )
    until = versions.select(
        pl.when(pl.col("event_time") == pl.col("event_time").shift(-1))
        .then(pl.col("known_at").shift(-1))
        .alias("until")
    )[first[_PLACE]]
    # A version that was superseded by then is not read any more.
    standing = (pl.col("until") > pl.col("since")).fill_null(value=True)
    repaired = pl.col("action") == "repair"
    scale = pl.when(repaired).then("factor").otherwise(1.0)
    added = (
        further.with_columns(until)
        .filter(standing)
        .with_columns(
            *(pl.col(name) * scale for name in _SCALED),
            known_at="since",
            withdrawn=~repaired,
            turn=pl.when(repaired).then(1).otherwise(2),
        )
    )
    # Each right after its own: three turns a row.
    turns = np.append(
        3 * np.arange(len(rows)), 3 * added[_PLACE].to_numpy() + added["turn"].to_numpy()
    )
    order = np.argsort(turns, kind="stable")
    ordered = pl.concat([rows, added.select(rows.columns)])[order]
    read = _ever_read(ordered, pl.Series(order >= len(rows)))
    numbers = pl.int_range(pl.len()).over("event_time").cast(versions.schema["version"])
    return read.with_columns(version=numbers)


def _ever_read(rows: pl.DataFrame, added: pl.Series) -> pl.DataFrame:
    """Leave out versions that an added one follows at once, and bars that are never read."""
    follows = [pl.col(name) == pl.col(name).shift(-1) for name in ("event_time", "known_at")]
    at_once = pl.all_horizontal(*follows, pl.lit(added.shift(-1)))
    lasting = rows.filter(~at_once.fill_null(value=False))
    return lasting.filter(~pl.col("withdrawn").cum_min().over("event_time"))
