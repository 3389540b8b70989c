"""Look a series over, and say from when on what is to be read otherwise.

The walk takes each bar's first version, in the order of time, but for bars that became known
after a later one: as nothing that comes late is walked, nothing that comes late changes what was
found before. Late bars and further versions are judged by the walked bars around them. So the
findings of a moment are the same whether they are made then or years after.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from truecast.core.bars import PRICES, QUOTES, UTC_TIME
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.checks import kernels
from truecast.lake.checks.options import ROW_FLAGS, ChecksOptions
from truecast.lake.checks.runs import find_stale, find_volume_jumps

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
# Where a finding was made; silver's row in ``versions``.
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
        bar is not read from then on. Numbered anew.
    """

    findings: pl.DataFrame
    versions: pl.DataFrame


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
    found = [_jumps(versions, base, walked.to_numpy(), instrument, options, actions)]
    runs = {"stale": find_stale(base, options.stale)}
    if not interval.is_daily:
        runs["volume_unit_jump"] = find_volume_jumps(base, options.volume_unit_jump)
    for name, run in runs.items():
        known = base["known_at"].gather(run["decided"])
        found.append(_found(name, places[run["bar"].to_numpy()], known, run["detail"]))
    found += [_flagged(versions, name) for name in ROW_FLAGS]
    return _conclude(versions, pl.concat(found), options)


def _in_order(versions: pl.DataFrame) -> pl.Series:
    """Mark the first versions that were known before every later bar."""
    first = versions["version"] == 0
    later = versions.select(
        pl.when(first).then("known_at").cum_min(reverse=True).shift(-1)
    ).to_series()
    # The last known_at of none that follow is null; it is in order.
    later = later.fill_null(strategy="backward")
    return first & (versions["known_at"] <= later).fill_null(value=True)


def _jumps(
    versions: pl.DataFrame,
    base: pl.DataFrame,
    walked: NDArray[np.bool_],
    instrument: Instrument,
    options: ChecksOptions,
    actions: pl.DataFrame | None,
) -> pl.DataFrame:
    """Find prices in another unit, and false ones, in the walked versions and in the others."""
    logs = not instrument.may_be_negative
    limits = _limits(options, logs=logs)
    bars, splits = _scaled(base, logs=logs), _splits(base, actions, logs=logs)
    walk = kernels.walk(bars, splits, options.false_print.window, limits)
    places = np.flatnonzero(walked)
    hit = np.flatnonzero(walk.kind != kernels.NOTHING)
    known = base["known_at"].gather(walk.decided[hit])
    parts = [
        _named(versions, places[hit], walk.kind[hit], walk.shift[hit], walk.level[hit], known, logs)
    ]
    rest = np.flatnonzero(~walked)
    if len(rest):
        late = versions.filter(~walked)
        times, moments = (
            frame["event_time"].dt.replace_time_zone(None).to_numpy() for frame in (base, late)
        )
        level = np.searchsorted(times, moments, side="left")
        after = np.searchsorted(times, moments, side="right")
        kind, shift, decided = kernels.judge(
            _scaled(late, logs=logs), level, after, bars, splits, walk, limits
        )
        hit = np.flatnonzero(kind != kernels.NOTHING)
        proved = base["known_at"].gather(decided[hit])
        known = pl.select(pl.max_horizontal(proved, late["known_at"].gather(hit))).to_series()
        levels = walk.level[level[hit]]
        parts.append(_named(versions, rest[hit], kind[hit], shift[hit], levels, known, logs))
    return pl.concat(parts)


def _limits(options: ChecksOptions, *, logs: bool) -> kernels.Limits:
    false, unit = options.false_print, options.unit_jump
    return kernels.Limits(
        sigmas=false.sigmas,
        smallest=float(np.log1p(false.smallest)) if logs else 0.0,
        longest=false.longest,
        # Where prices may be negative, no ratio says that the unit is another one.
        jump=float(np.log(unit.factor)) if logs else 0.0,
        tolerance=float(np.log1p(unit.tolerance)),
    )


def _scaled(rows: pl.DataFrame, *, logs: bool) -> NDArray[np.float64]:
    scaled = np.empty((len(rows), len(PRICES)))
    for part, name in enumerate(PRICES):
        prices = rows[name].to_numpy()
        scaled[:, part] = np.log(prices) if logs else prices
    return scaled


def _splits(base: pl.DataFrame, actions: pl.DataFrame | None, *, logs: bool) -> NDArray[np.float64]:
    """Return what known splits take off the logarithms of the prices, at their first bar."""
    taken = np.zeros(len(base))
    if actions is None or not logs:
        return taken
    sessions, known = base["session"].to_numpy(), base["known_at"].to_numpy()
    told = actions.filter(pl.col("kind") == "split").sort("session", "version")
    for (ex_date,), split in told.group_by("session", maintain_order=True):
        place = int(np.searchsorted(sessions, np.datetime64(ex_date)))
        if place == len(base) or place == 0:
            continue
        then = split.filter(pl.col("known_at") <= base["known_at"][place])
        ratio = then["value"][-1] if len(then) and known[place] else None
        if ratio is not None and ratio > 0:
            taken[place] += np.log(ratio)
    return taken


def _named(
    versions: pl.DataFrame,
    places: NDArray[np.int64],
    kind: NDArray[np.int64],
    shift: NDArray[np.float64],
    level: NDArray[np.float64],
    known: pl.Series,
    logs: bool,
) -> pl.DataFrame:
    parts = [_found("", places[:0], known[:0], pl.Series(dtype=pl.String))]
    prices = versions.select(low=pl.min_horizontal(PRICES), high=pl.max_horizontal(PRICES))
    for name, sort in (("unit_jump", kernels.UNIT), ("false_print", kernels.FALSE)):
        hit = np.flatnonzero(kind == sort)
        if not len(hit):
            continue
        rows = prices[places[hit]].with_columns(
            level=pl.Series(np.exp(level[hit]) if logs else level[hit]).round(6)
        )
        detail = rows.select(
            pl.format("prices from {} to {} after a close of {}", "low", "high", "level")
        ).to_series()
        factor = np.exp(shift[hit]) if sort == kernels.UNIT else np.full(len(hit), np.nan)
        parts.append(_found(name, places[hit], known.gather(hit), detail, factor))
    return pl.concat(parts)


def _flagged(versions: pl.DataFrame, name: str) -> pl.DataFrame:
    """Turn a flag that the contracts raised into findings."""
    raised = np.flatnonzero(versions["flags"].list.contains(name).to_numpy())
    detail = pl.repeat("", len(raised), dtype=pl.String, eager=True)
    return _found(name, raised, versions["known_at"].gather(raised), detail)


def _found(
    check: str,
    places: NDArray[np.int64],
    known: pl.Series,
    detail: pl.Series,
    factor: NDArray[np.float64] | None = None,
) -> pl.DataFrame:
    absent = np.full(len(places), np.nan)
    columns = {
        _PLACE: places,
        "known_at": known,
        "detail": detail,
        "factor": absent if factor is None else factor,
    }
    kinds = {_PLACE: pl.Int64(), **{name: FINDINGS[name] for name in columns if name != _PLACE}}
    frame = pl.DataFrame(columns).cast(kinds)  # type: ignore[arg-type]
    return frame.with_columns(pl.col("factor").fill_nan(None), check=pl.lit(check))


def _conclude(versions: pl.DataFrame, found: pl.DataFrame, options: ChecksOptions) -> Review:
    chosen = {name: getattr(options, name).action for name in ChecksOptions.model_fields}
    named = found.with_columns(
        versions.select("event_time", "session")[found[_PLACE]],
        action=pl.col("check").replace_strict(chosen, return_dtype=pl.String),
    ).sort("event_time", "check", "known_at", _PLACE)
    return Review(named.select(*FINDINGS), _applied(versions, named))


def _applied(versions: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add the further versions that findings call for, each right after the one it is about."""
    rows = versions.with_columns(withdrawn=pl.lit(value=False))
    changes = found.filter(pl.col("action") != "flag")
    if changes.is_empty():
        return rows
    first = changes.sort("known_at").unique([_PLACE, "action"], keep="first", maintain_order=True)
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
    place = np.arange(len(ordered))
    starts = ordered.select(
        (pl.col("event_time") != pl.col("event_time").shift(1)).fill_null(value=True)
    ).to_series()
    numbers = place - np.maximum.accumulate(np.where(starts.to_numpy(), place, 0))
    return ordered.with_columns(pl.Series("version", numbers).cast(versions.schema["version"]))
