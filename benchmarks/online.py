"""Read 114 features of one instrument from the online store by Feast, in SQLite and in Redis.

Each read asks for the next of ``--rows`` instruments: the median, and ``_p99``. ``raw`` takes the
same bytes from the same database without Feast. Redis is one of its own, on a socket, and ends
with the benchmark.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import numpy as np
import polars as pl
import redis
from _measure import OURS, arguments, report
from _services import running_redis

from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.features.catalog import FAMILIES, SETS, members
from truecast.features.plan import FeaturePlan
from truecast.pipelines.featurestore.definitions import define
from truecast.pipelines.featurestore.read import online_values
from truecast.pipelines.featurestore.store import open_store
from truecast.serving.workspace import Workspace

FEATURES, SET = 114, "sp500_114"
READS = 200
CLOSED = datetime(2025, 1, 2, 21, tzinfo=UTC)
Read = Callable[[str], dict[str, float]]


def make_plan() -> FeaturePlan:
    """Return the set of 114, or as many of one family."""
    if SET in SETS:
        return FeaturePlan(members(SET))
    returns = FAMILIES["log_return"]
    return FeaturePlan(tuple(returns.feature({"window": n + 1}) for n in range(FEATURES)))


def make_rows(plan: FeaturePlan, symbols: list[str]) -> pl.DataFrame:
    """Return one row an instrument, with a value in twenty missing."""
    random = np.random.default_rng(7)
    values = random.normal(size=(len(plan.names), len(symbols))).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    columns = {name: values[place] for place, name in enumerate(plan.names)}
    moments = dict.fromkeys(("event_time", "as_of", "created_at"), [CLOSED] * len(symbols))
    return pl.DataFrame({"instrument": symbols, **moments, **columns})


@contextmanager
def by_feast(
    settings: Settings, recipe: Recipe, plan: FeaturePlan, rows: pl.DataFrame
) -> Iterator[Read]:
    """Define and fill a store; yield what reads an instrument's row."""
    with open_store(Workspace(settings), recipe) as store:
        definitions = define(recipe, plan, settings.home / "rows", {})
        rows.write_parquet(settings.home / "rows" / "all.parquet", mkdir=True)
        store.apply([definitions.entity, definitions.view])
        store.write_to_online_store(definitions.view.name, rows.to_pandas())
        yield lambda symbol: online_values(store, definitions.view, symbol)[1]


def sqlite_rows(database: Path) -> Callable[[bytes], int]:
    """Return what reads the values of a key from SQLite, and counts them."""
    connection = sqlite3.connect(database)
    (table,) = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
    query = f'SELECT feature_name, value FROM "{table}" WHERE entity_key = ?'  # noqa: S608
    return lambda key: len(connection.execute(query, (key,)).fetchall())


def sqlite_keys(database: Path) -> list[bytes]:
    connection = sqlite3.connect(database)
    (table,) = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
    found = connection.execute(f'SELECT DISTINCT entity_key FROM "{table}"')  # noqa: S608
    return [key for (key,) in found]


def check(read: Read, rows: pl.DataFrame, plan: FeaturePlan) -> None:
    """See that each value comes back to the last bit."""
    for row in rows.iter_rows(named=True):
        given = read(row["instrument"])
        for name in plan.names:
            np.testing.assert_array_equal(given[name], row[name])


def measure(sides: dict[str, Iterator[Callable[[], object]]], rounds: int) -> dict[str, float]:
    """Let all sides read in turn; return the median and the 99th percentile of each, seconds.

    A turn is many reads, for a program has one store: Feast keeps the definitions of the last one
    that was asked. The first read of a turn has to look them up, and is counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            for read in islice(side, READS):
                started = perf_counter()
                read()
                taken[name].append(perf_counter() - started)
    found = {name: quantiles(seconds, n=100) for name, seconds in taken.items()}
    medians = {name: cuts[49] for name, cuts in found.items()}
    return medians | {f"{name}_p99": cuts[98] for name, cuts in found.items()}


def turns(read: Callable[[object], object], over: list) -> Iterator[Callable[[], object]]:
    """Return reads of one after another, without end."""
    return ((lambda one=one: read(one)) for one in cycle(over))


def main() -> None:
    given = arguments(rows=50, rounds=20)
    plan = make_plan()
    symbols = [f"S{place:03}" for place in range(given.rows)]
    rows = make_rows(plan, symbols)
    recipe = Recipe.model_validate(
        {
            "name": "online",
            "instruments": ["^GSPC"],
            "interval": "1d",
            "features": ["daily"],
            "targets": {"price": {"models": ["ridge"]}},
        }
    )
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(running_redis())
        in_file = Settings(home=home / "sqlite")
        in_redis = Settings(home=home / "redis", redis_url=url)
        by_sqlite = stack.enter_context(by_feast(in_file, recipe, plan, rows))
        by_redis = stack.enter_context(by_feast(in_redis, recipe, plan, rows))
        for read in (by_sqlite, by_redis):
            check(read, rows, plan)
        (database,) = (home / "sqlite").rglob("online.db")
        client = redis.Redis.from_url(url)
        sides = {
            OURS: turns(by_sqlite, symbols),
            f"{OURS}_redis": turns(by_redis, symbols),
            "raw": turns(sqlite_rows(database), sqlite_keys(database)),
            "raw_redis": turns(client.hgetall, client.keys()),
        }
        print(f"{len(plan.names)} features of one of {given.rows} instruments")
        seconds = measure(sides, given.rounds)
        client.close()
    report("online", seconds, inputs=("_redis_p99", "_redis", "_p99"))


if __name__ == "__main__":
    main()
