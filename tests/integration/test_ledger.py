"""From replayed forecasts to a settled, verified track record, beside plain recomputations."""

import json
import math
import shutil
import sqlite3
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from truecast.core.calendars import get_calendar
from truecast.core.clock import frozen_at, to_utc
from truecast.core.forecast import Forecast, forecast_id
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.database.engine import open_database
from truecast.evaluation.trackrecord import TrackRecord
from truecast.ledger.ledger import Ledger
from truecast.ledger.query import Entry, Query
from truecast.pipelines import settle as settling
from truecast.pipelines.predict import Replay
from truecast.pipelines.settle import settle
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify_ledger import check_ledger
from truecast.serving.answering.track_record import track_records
from truecast.serving.workspace import Workspace, series_of

TARGETS = {
    "direction": {"horizon": 1, "models": ["logistic"]},
    "price": {"horizon": [1, 5], "models": ["ridge"]},
    "return": {"horizon": 1, "models": ["ridge"]},
    "volatility": {"horizon": 5, "models": ["har_leverage"]},
}
SLOTS = 5
#: The decisions that are replayed: across a refit, a weekend and a holiday.
ROWS = 36
DELAY = timedelta(minutes=15)
Z95 = 1.959963984540054


def one_trial(slot: Slot) -> int:
    return 1


def no_calendar(slot: Slot) -> None:
    return None


def records_of(ledger: Ledger, query: Query) -> list[TrackRecord]:
    return track_records(ledger, query, trials=one_trial, calendar=no_calendar)


class Past:
    """A home whose ledger holds forecasts of the past, none of them settled."""

    def __init__(self, home: Path, recipe: Recipe) -> None:
        self.home, self.recipe = home, recipe
        self.workspace = Workspace(Settings(home=home))
        self.studies = Studies(self.workspace, recipe)
        self.database = home / "ledger.db"
        self.ledger = Ledger(open_database(f"sqlite:///{self.database}"))

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """Ask the database itself."""
        connection = sqlite3.connect(self.database)
        connection.row_factory = sqlite3.Row
        with connection:
            found = connection.execute(statement, values).fetchall()
        connection.close()
        return found


@pytest.fixture(scope="module")
def replayed(sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Replay once for all tests; not to be written to."""
    home = Path(shutil.copytree(sample_home, tmp_path_factory.mktemp("past") / "home"))
    recipe = Recipe.model_validate(
        {
            "name": "small",
            "instruments": ["^GSPC"],
            "source": "sample",
            "features": ["log_return_1", "return_sd_22", "rsi_14", "close_to_sma_20"],
            "targets": TARGETS,
            "split": {"train": "2012-12-31", "validate": "2013-12-31"},
            "evaluate": {"from": "2014-01-14", "refit_every": 30, "window": 500},
        }
    )
    past = Past(home, recipe)
    replay, series = Replay(past.studies, "^GSPC"), series_of(past.workspace, recipe, "^GSPC")
    researcher = past.studies.researcher("^GSPC")
    start = researcher.parts.evaluation.start
    for as_of in researcher.dataset.decisions.as_of[start : start + ROWS]:
        past.ledger.write(replay.forecasts(to_utc(as_of), series))
    return past


@pytest.fixture
def past(replayed: Past, tmp_path: Path) -> Past:
    """The same home with a ledger of the test's own."""
    own = Past(replayed.home, replayed.recipe)
    own.studies = replayed.studies
    own.database = tmp_path / "ledger.db"
    replayed.rows("VACUUM INTO ?", str(own.database))
    own.ledger = Ledger(open_database(f"sqlite:///{own.database}"))
    return own


@pytest.fixture(scope="module")
def bars(replayed: Past) -> list[dict[str, Any]]:
    """The bars, oldest first."""
    history = series_of(replayed.workspace, replayed.recipe, "^GSPC").market.bars
    return history.known().to_dicts()


def entries(past: Past) -> list[Entry]:
    return past.ledger.history(Query())


def renamed(said: Forecast, **changes: Any) -> Forecast:
    """Return a forecast with other fields, issued at its decision, under its proper id."""
    other = said.model_copy(update={"issued_at": said.as_of, **changes})
    names = ("slot", "as_of", "due_at", "model_version", "mode", "input_hash")
    return other.model_copy(update={"id": forecast_id(*(getattr(other, name) for name in names))})


def plain_outcome(bars: list[dict[str, Any]], said: Forecast) -> tuple[float, float | None]:
    """Work out what came of a forecast from the bars, one at a time."""
    sessions = [bar["session"] for bar in bars]
    here = bisect_left(sessions, said.today_date)
    ahead = bars[here + 1 : here + 1 + said.horizon]
    assert ahead[-1]["session"] == said.predicted_date
    change = 100 * math.log(ahead[-1]["close"] / bars[here]["close"])
    if said.target == "price":
        return ahead[-1]["close"], None
    if said.target == "return":
        return change, None
    if said.target == "direction":
        return float(change > 0), None

    def ranged(bar: dict[str, Any]) -> float:
        spread, body = math.log(bar["high"] / bar["low"]), math.log(bar["close"] / bar["open"])
        return 1e4 * (0.5 * spread**2 - (2 * math.log(2) - 1) * body**2)

    def squared(place: int) -> float:
        return (100 * math.log(bars[place]["close"] / bars[place - 1]["close"])) ** 2

    before = range(here - 999, here + 1)
    ratio = sum(map(squared, before)) / sum(ranged(bars[place]) for place in before)
    mean = sum(max(ranged(bar), 1e-4) for bar in ahead) / len(ahead)
    after = range(here + 1, here + 1 + said.horizon)
    return math.sqrt(ratio * mean), sum(map(squared, after)) / len(ahead)


def test_outcomes_are_what_the_bars_say(past: Past, bars: list[dict[str, Any]]) -> None:
    started = time.perf_counter()
    summary = settle(past.workspace, past.ledger, past.recipe, at_known=True)
    assert time.perf_counter() - started < 3
    assert (summary.due, summary.settled, summary.waiting) == (SLOTS * ROWS, SLOTS * ROWS, [])
    targets = set()
    for entry in entries(past):
        said, outcome = entry.forecast, entry.outcome
        assert outcome is not None
        value, squared = plain_outcome(bars, said)
        # The trailing ratio is a float32 feature.
        assert outcome.value == pytest.approx(value, rel=1e-6 if squared else 1e-12)
        assert outcome.squared_return == (None if squared is None else pytest.approx(squared))
        assert outcome.label == (
            {1: "up", 0: "down"}[value] if said.target == "direction" else None
        )
        # The sample's bars are known a quarter of an hour after their close; a replay settles then.
        assert outcome.settled_at == outcome.known_at == said.due_at + DELAY
        targets.add((said.target, said.horizon, outcome.label))
    assert len(targets) == SLOTS + 1
    again = settle(past.workspace, past.ledger, past.recipe, at_known=True)
    assert (again.due, again.settled, again.waiting) == (0, 0, [])


def test_nothing_settles_before_it_is_known(past: Past) -> None:
    said = sorted((entry.forecast for entry in entries(past)), key=lambda one: one.due_at)
    due = said[20].due_at
    summary = settle(past.workspace, past.ledger, past.recipe, moment=due)
    expected = {one.id for one in said if one.due_at < due}
    settled = [entry for entry in entries(past) if entry.outcome is not None]
    assert {entry.forecast.id for entry in settled} == expected
    assert summary.due == summary.settled + len(summary.waiting)
    assert {(one.predicted_date, one.why) for one in summary.waiting} == {
        (due.date(), f"its outcome becomes known at {(due + DELAY).isoformat()}")
    }
    settle(past.workspace, past.ledger, past.recipe, moment=due + DELAY)
    settled = [entry for entry in entries(past) if entry.outcome is not None]
    assert len(settled) == len(expected) + len(summary.waiting)
    with pytest.raises(ValueError, match="has no time zone"):
        settle(past.workspace, past.ledger, past.recipe, moment=due.replace(tzinfo=None))


def test_a_settlement_of_today_says_today(past: Past) -> None:
    """Only a replay's forecasts settle in the past."""
    replayed = entries(past)[0].forecast
    live = renamed(replayed, mode="live")
    past.ledger.write([live])
    today = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    with frozen_at(today):
        settle(past.workspace, past.ledger, past.recipe, at_known=True)
    for one, expected in ((live, today), (replayed, replayed.due_at + DELAY)):
        entry = past.ledger.read(one.id)
        assert entry is not None
        assert entry.outcome is not None
        assert entry.outcome.settled_at == expected
        assert entry.outcome.known_at == replayed.due_at + DELAY


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that takes bars, or their ranges, out of what settling reads."""

    def take(*lost: date, after: date | None = None, ranges: date | None = None) -> None:
        def opened(workspace: Workspace, recipe: Recipe, symbol: str) -> Any:
            series = series_of(workspace, recipe, symbol)
            versions = series.market.bars.versions.filter(~pl.col("session").is_in(lost))
            if after is not None:
                versions = versions.filter(pl.col("session") <= after)
            if ranges is not None:
                versions = versions.with_columns(
                    pl.when(pl.col("session") == ranges).then(None).otherwise(name).alias(name)
                    for name in ("open", "high", "low")
                )
            market = type(series.market)(
                symbol, type(series.market.bars)(versions), {}, series.market.decide_after
            )
            return type(series)(market, series.plan, series.calendar, series.interval)

        monkeypatch.setattr(settling, "series_of", opened)

    return take


def waits(past: Past) -> dict[tuple[str, int, str], str]:
    """Settle; return why each open forecast waits."""
    summary = settle(past.workspace, past.ledger, past.recipe)
    assert summary.settled == SLOTS * ROWS - len(summary.waiting)
    found = {}
    for one in summary.waiting:
        target, horizon = one.slot.split(":")[2:]
        found[target, int(horizon), one.predicted_date.isoformat()] = one.why
    assert len(found) == len(summary.waiting)
    open_ = {entry.forecast.id for entry in entries(past) if entry.outcome is None}
    assert len(open_) == len(summary.waiting)
    return found


def test_a_bar_that_never_came_leaves_forecasts_open(
    past: Past, without: Callable[..., None]
) -> None:
    without(date(2014, 1, 23))
    found = waits(past)
    of_price = {key: why for key, why in found.items() if key[:2] == ("price", 1)}
    assert of_price == {
        ("price", 1, "2014-01-23"): "there is no bar of 2014-01-23, but later ones: it stays open",
        ("price", 1, "2014-01-24"): (
            "the bar of 2014-01-23 that it was made from is not in the lake"
        ),
    }
    # Five sessions ahead volatility is a mean over bars of which one is missing.
    hole = {day for (target, horizon, day), why in found.items() if "cannot be measured" in why}
    assert hole == {"2014-01-24", "2014-01-27", "2014-01-28", "2014-01-29"}


def test_a_bar_that_has_not_come_yet_is_waited_for(
    past: Past, without: Callable[..., None]
) -> None:
    without(after=date(2014, 3, 5))
    found = waits(past)
    assert set(found.values()) == {
        f"the bar of {day} is not in the lake yet" for _, _, day in found
    }
    assert {day for _, _, day in found} <= {f"2014-03-{day:02d}" for day in range(6, 13)}
    first = settle(past.workspace, past.ledger, past.recipe).waiting[0]
    assert first.predicted_date == date(2014, 3, 6)


def test_a_bar_without_a_range_says_nothing_of_volatility(
    past: Past, without: Callable[..., None]
) -> None:
    without(ranges=date(2014, 1, 23))
    found = waits(past)
    assert {target for target, _, _ in found} == {"volatility"}
    days = sorted(day for _, _, day in found)
    assert days == [f"2014-01-{day}" for day in (23, 24, 27, 28, 29)]
    assert all("has no range" in why for why in found.values())


def test_one_series_that_is_gone_does_not_hold_up_the_others(past: Past) -> None:
    said = entries(past)[0].forecast
    slot = said.slot.replace("~5EGSPC", "~5EDJI")
    update = {"instrument": "^DJI", "slot": slot}
    past.ledger.write([said.model_copy(update={**update, "id": said.id.__class__(int=1)})])
    summary = settle(past.workspace, past.ledger, past.recipe)
    assert summary.settled == SLOTS * ROWS
    (left,) = summary.waiting
    assert left.slot == slot
    assert "^DJI" in left.why


def _wilson(hits: int, n: int) -> list[float]:
    share = hits / n
    centre = share + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return [(centre + sign * half) / (1 + Z95**2 / n) for sign in (-1, 1)]


def _losses(target: str, y: list[float], f: list[float], r2: list[float]) -> dict[str, float]:
    """Work out every loss in plain Python."""
    n, errors = len(y), [a - b for a, b in zip(y, f, strict=True)]
    mae, mse = sum(map(abs, errors)) / n, sum(one * one for one in errors) / n
    if target == "price":
        relative = sum(abs(a - b) / a for a, b in zip(y, f, strict=True)) / n
        return {"mape": 100 * relative, "mae": mae, "mse": mse, "rmse": math.sqrt(mse)}
    if target == "return":
        return {"mse": mse, "rmse": math.sqrt(mse), "mae": mae}
    if target == "direction":
        logs = [math.log(b if a else 1 - b) for a, b in zip(y, f, strict=True)]
        ups, downs = ([b for a, b in zip(y, f, strict=True) if a == side] for side in (1, 0))
        won = sum((up > down) + (up == down) / 2 for up in ups for down in downs)
        hits = sum((b > 0.5) == (a == 1) for a, b in zip(y, f, strict=True))
        return {
            "brier": mse,
            "log_loss": -sum(logs) / n,
            "auc": won / (len(ups) * len(downs)),
            "accuracy": hits / n,
        }

    def qlike(proxy: list[float]) -> float:
        ratios = [max(x, 1e-4) / h for x, h in zip(proxy, f, strict=True)]
        return sum(ratio - math.log(ratio) - 1 for ratio in ratios) / n

    return {"qlike_gk": qlike(y), "qlike_r2": qlike(r2), "mse_gk": mse}


def test_the_track_record_is_what_the_rows_say(past: Past) -> None:
    """Every figure again from the database's own rows, by nothing of Truecast's."""
    settle(past.workspace, past.ledger, past.recipe, moment=datetime(2014, 3, 1, tzinfo=UTC))
    past.rows("UPDATE forecasts SET degraded = 1 WHERE seq % 7 = 0")
    records = track_records(
        past.ledger, Query(mode="replay"), trials=lambda slot: len(str(slot)), calendar=no_calendar
    )
    assert [record.slot for record in records] == sorted({one.slot for one in records})
    assert len(records) == SLOTS
    for record in records:
        said = json.loads(record.model_dump_json())
        rows = past.rows(
            "SELECT * FROM forecasts f JOIN outcomes o ON o.forecast_id = f.id "
            "WHERE f.slot = ? AND f.supersedes IS NULL ORDER BY f.due_at",
            record.slot,
        )
        n = len(rows)
        assert [said[name] for name in ("issued", "settled", "open")] == [ROWS, n, ROWS - n]
        days = [row["predicted_date"] for row in rows]
        assert said["window"] == {"from": days[0], "to": days[-1], "n": n}
        power = 2 if record.target == "volatility" else 1
        own, naive = (
            ("probability", "baseline_probability")
            if record.target == "direction"
            else ("prediction", "baseline")
        )
        y = [row["value"] ** power for row in rows]
        r2 = [row["squared_return"] for row in rows]
        for key, column in (("losses", own), ("baseline_losses", naive)):
            expected = _losses(record.target, y, [row[column] ** power for row in rows], r2)
            assert said[key] == pytest.approx(expected, rel=1e-9)
            assert list(said[key]) == list(expected)
        metric = said["metric"]
        better = 100 * (1 - said["losses"][metric] / said["baseline_losses"][metric])
        assert said["versus"][0]["metric"] == metric
        assert said["versus"][0]["improvement_pct"] == pytest.approx(better)
        assert said["baseline"] == rows[0]["baseline_name"]
        assert said["trials"] == len(record.slot)
        assert said["degraded_share"] == sum(row["degraded"] for row in rows) / n
        assert said["recipe_hash"] == past.recipe.hash
        if record.target == "direction":
            hits = sum(row["prediction_label"] == row["label"] for row in rows)
            assert said["hits"] == {
                "share": hits / n,
                "ci95": pytest.approx(_wilson(hits / record.horizon, n / record.horizon)),
                "n": n,
            }
        else:
            held = sum(row["lower"] <= row["value"] <= row["upper"] for row in rows)
            found = said["intervals"]["coverage"]
            # Of overlapping forecasts, so many are worth one each.
            worth = _wilson(held / record.horizon, n / record.horizon)
            assert found == {"share": held / n, "ci95": pytest.approx(worth), "n": n}
            assert said["intervals"]["nominal"] == 0.9


def test_a_replay_of_chosen_days_shows_no_skill(past: Past) -> None:
    """With the days left out on which the model did worse, it looks skilled. It is not."""
    settle(past.workspace, past.ledger, past.recipe)
    calendar = get_calendar("XNYS")
    query = Query(mode="replay", target="direction")
    whole = track_records(past.ledger, query, trials=one_trial, calendar=lambda _: calendar)
    assert [one.missing for one in whole] == [0]
    scored = [entry for entry in entries(past) if entry.forecast.target == "direction"]

    def gain(entry: Entry) -> float:
        said, up = entry.forecast, entry.outcome.value
        return (said.baseline_probability - up) ** 2 - (said.probability - up) ** 2

    # Kept twice over, so that there are enough of them.
    best = sorted(scored, key=gain)[-18:]
    chosen = Ledger(open_database(f"sqlite:///{past.database.with_name('chosen.db')}"))
    for shift in (0, 400):
        said = {
            renamed(
                one.forecast,
                due_at=one.forecast.due_at + timedelta(days=shift),
                today_date=one.forecast.today_date + timedelta(days=shift),
            ): one.outcome
            for one in best
        }
        chosen.write(list(said))
        chosen.settle({one.id: outcome for one, outcome in said.items()})
    (record,) = track_records(chosen, query, trials=one_trial, calendar=lambda _: calendar)
    assert record.settled == 36
    assert record.versus[0].p_value < 0.05
    assert record.versus[0].improvement_pct > 0
    assert record.missing > 200
    assert record.verdict == "no skill shown"
    assert f"{record.missing} sessions in between were left out: no verdict" in record.notes
    (record,) = records_of(chosen, query)
    assert (record.missing, record.verdict) == (None, "beats naive")


def test_live_forecasts_have_their_own_record(past: Past) -> None:
    said = [entry.forecast for entry in entries(past) if entry.forecast.target == "return"]
    live = [
        renamed(one, mode="live", recipe_hash=edition, input_hash=edition)
        for edition in ("one", "two")
        for one in said[:10]
    ]
    past.ledger.write(live)
    settle(past.workspace, past.ledger, past.recipe)
    (record,) = track_records(
        past.ledger, Query(recipe="small"), trials=one_trial, calendar=no_calendar
    )
    assert (record.mode, record.recipe_hash) == ("live", None)
    counts = (record.issued, record.settled, record.open, record.superseded)
    assert counts == (20, 10, 0, 10)
    since = sorted(one.as_of for one in live)[10]
    (later,) = track_records(
        past.ledger, Query(since=since), trials=one_trial, calendar=no_calendar
    )
    assert (later.settled, later.superseded) == (5, 5)
    assert records_of(past.ledger, Query(recipe="other")) == []
    assert records_of(past.ledger, Query(mode="whatif")) == []
    # An edited recipe's replay is a record of its own, the newest first.
    edited = [
        one.model_copy(update={"recipe_hash": "edited", "id": one.id.__class__(int=number)})
        for number, one in enumerate(said[:3])
    ]
    past.ledger.write(edited)
    found = track_records(
        past.ledger, Query(mode="replay", target="return"), trials=one_trial, calendar=no_calendar
    )
    assert [(one.recipe_hash, one.issued) for one in found] == [
        ("edited", 3),
        (past.recipe.hash, ROWS),
    ]


def check(past: Past) -> Iterator[tuple[str | None, bool, str | None, str]]:
    for result in check_ledger(past.studies, past.ledger, seed=3):
        assert result.check == "ledger equals training"
        yield result.feature, result.passed, result.first_row, result.detail


def test_the_ledger_equals_training(past: Past) -> None:
    settle(past.workspace, past.ledger, past.recipe, at_known=True)
    detail = f"12 of {ROWS} forecasts made again agree, and all {ROWS} outcomes"
    slots = ["direction", "price", "price, 5 bars ahead", "return"]
    assert list(check(past)) == [
        (slot, True, None, detail) for slot in [*slots, "volatility, 5 bars ahead"]
    ]


def test_an_empty_ledger_has_nothing_wrong(past: Past, tmp_path: Path) -> None:
    past.ledger = Ledger(open_database(f"sqlite:///{tmp_path / 'empty.db'}"))
    said = {(passed, detail) for _, passed, _, detail in check(past)}
    assert said == {(True, "no forecasts in the ledger yet")}


SAME = "id = (SELECT id FROM forecasts WHERE target = 'price' AND horizon = 1 ORDER BY seq LIMIT 1)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("prediction = prediction * 1.00001", "prediction is"),
        ("lower = lower * 0.99", "lower is"),
        ("upper = NULL", "upper is None"),
        ("baseline = baseline + 1", "baseline is"),
        ("last_close = last_close + 1", "last_close is"),
        ("coverage = 0.95", "coverage is 0.95"),
        ("model_name = 'oracle'", "model_name is 'oracle'"),
        ("predicted_date = '2014-01-16'", "it has an outcome, but there is no bar of 2014-01-16"),
        ("simulated = 1", "simulated is True"),
        ("due_at = '2014-01-30 21:00:00.000001'", "what it says is named"),
        ("input_hash = 'x'", "what it says is named"),
        ("model_version = 'v000000000000'", "what it says is named"),
        ("trained_through = '2014-02-01 00:00:00.000000'", "after its decision"),
        ("trained_through = '2013-01-01 00:00:00.000000'", "trained_through is"),
    ],
)
def test_a_row_that_was_tampered_with_is_found(
    past: Past, monkeypatch: pytest.MonkeyPatch, change: str, said: str
) -> None:
    settle(past.workspace, past.ledger, past.recipe, at_known=True)
    monkeypatch.setattr("truecast.pipelines.verify_ledger.FORECASTS", ROWS)
    first = entries(past)[-1].forecast.as_of
    past.rows(f"UPDATE forecasts SET {change} WHERE {SAME}")  # noqa: S608
    other, price = islice(check(past), 2)
    assert other[:2] == ("direction", True)
    assert price[:3] == ("price", False, first.isoformat())
    assert said in price[3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("value = value + 1", "the outcome's value is"),
        ("label = 'up'", "the outcome's label is 'up' in the ledger, made again it is None"),
        ("known_at = '2014-01-01 00:00:00.000000'", "the outcome's known_at is"),
    ],
)
def test_an_outcome_that_was_tampered_with_is_found(past: Past, change: str, said: str) -> None:
    settle(past.workspace, past.ledger, past.recipe, at_known=True)
    past.rows(f"UPDATE outcomes SET {change} WHERE forecast_{SAME}")  # noqa: S608
    other, price = islice(check(past), 2)
    assert other[:2] == ("direction", True)
    assert price[:2] == ("price", False)
    assert said in price[3]


def test_a_bundle_that_is_gone_is_named(past: Past, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(past.home, home)
    shutil.rmtree(home / "bundles")
    emptied = Past(home, past.recipe)
    emptied.ledger = past.ledger
    for _, passed, row, detail in check(emptied):
        assert not passed
        assert row is not None
        assert "it cannot be made again: " in detail


def test_seven_hundred_forecasts_settle_quickly(past: Past) -> None:
    said = [entry.forecast for entry in entries(past)]
    rng = np.random.default_rng(0)
    more = [
        one.model_copy(
            update={"recipe_hash": f"{number}", "id": one.id.__class__(bytes=rng.bytes(16))}
        )
        for number in range(3)
        for one in said
    ]
    past.ledger.write(more)
    started = time.perf_counter()
    summary = settle(past.workspace, past.ledger, past.recipe)
    assert summary.settled == 4 * SLOTS * ROWS == 720
    assert time.perf_counter() - started < 3
