"""Make a small home by this version, so that later versions can prove that they read it.

Run once for each release, in an empty folder of its own, and commit what it writes:
``python tests/upgrade/make_state.py tests/upgrade/states``. Its prices are made up: a seeded random
walk in the place of the sample's.
"""

import gzip
import json
import sys
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import exchange_calendars
import numpy as np
import polars as pl

import truecast
from truecast.core.clock import frozen_at
from truecast.core.forecast import Forecast
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.ledger.query import Entry, Query
from truecast.pipelines import champions, stages
from truecast.pipelines.replay import replay
from truecast.pipelines.studies import Studies
from truecast.serving.workspace import Workspace
from truecast.sources.sample import source

RECIPE = {
    "name": "keepsake",
    "instruments": ["^GSPC"],
    "source": "sample",
    "features": ["log_return_1", "return_sd_22", "rsi_14"],
    "targets": {
        "direction": {"models": ["logistic"]},
        "price": {"models": ["ridge"]},
        "volatility": {"models": ["har_leverage"]},
    },
    "split": {"train": "2011-12-30", "validate": "2012-12-31"},
    "evaluate": {"from": "2013-01-02", "refit_every": 63},
}
#: When the older of two champions is trained.
EARLIER = datetime(2013, 7, 1, 12, tzinfo=UTC)
FIRST, LAST = date(2013, 9, 3), date(2013, 9, 20)


def made_up(_: str) -> bytes:
    """Return a seeded random walk as the sample's file would hold it."""
    rng = np.random.default_rng(7)
    days = exchange_calendars.get_calendar("XNYS", start="2009-12-01").sessions
    days = days[(days >= "2010-01-04") & (days <= "2013-12-31")]
    close = 1000 * np.exp(np.cumsum(0.01 * rng.standard_normal(len(days))))
    open_ = close * np.exp(0.003 * rng.standard_normal(len(days)))
    high = np.maximum(open_, close) * np.exp(0.004 * rng.random(len(days)))
    low = np.minimum(open_, close) * np.exp(-0.004 * rng.random(len(days)))
    prices = {"Open": open_, "High": high, "Low": low, "Close": close}
    table = pl.DataFrame(
        {
            "Date": days.strftime("%m/%d/%Y").to_list(),
            **{name: values.round(4) for name, values in prices.items()},
            "Adj Close": close.round(4),
            "Volume": rng.integers(10**6, 10**7, len(days)),
        }
    )
    return gzip.compress(table.write_csv().encode())


def live_a_little(home: Path) -> dict[str, object]:
    """Train, promote twice, forecast and replay; returns what must still be found later."""
    workspace = Workspace(Settings(home=home))
    recipe = Recipe.model_validate(RECIPE)
    stages.ingest(workspace, recipe)
    studies = Studies(workspace, recipe)
    with frozen_at(EARLIER):
        older = champions.promote(workspace, recipe, champions.train_slots(studies))
    newer = stages.run(studies).champions
    records = replay(studies, FIRST, LAST).records
    every = workspace.ledger.history(Query())
    return {
        "older": {str(one.slot): one.version for one in older},
        "newer": {str(one.slot): one.version for one in newer},
        "forecasts": [_entry(one) for one in reversed(every)],
        "track_record": [one.model_dump(mode="json") for one in records],
    }


def _entry(entry: Entry) -> dict[str, object]:
    said: Forecast = entry.forecast
    outcome = None if entry.outcome is None else entry.outcome.model_dump(mode="json")
    return {**said.model_dump(mode="json"), "seq": entry.seq, "outcome": outcome}


def main() -> None:
    """Write the archive and what is expected of it."""
    target = Path(sys.argv[1]) / truecast.__version__
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with (
            mock.patch.object(source, "read_sample", made_up),
            mock.patch.object(source.SampleSource, "simulated", True),
        ):
            expected = live_a_little(home)
        Workspace(Settings(home=home)).registry.database.close()
        with tarfile.open(target.with_name(f"{target.name}.tar.gz"), "w:gz") as archive:
            archive.add(home, "home", filter=_plain)
    text = json.dumps(expected, indent=1)
    target.with_name(f"{target.name}.json").write_text(text + "\n", encoding="utf-8")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out who made it, and what only matters while it is made."""
    if member.name.endswith((".lock", "report.html")):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
