"""The live feed: from what has come in to forecasts in the ledger, by one process of several."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from truecast.core.clock import frozen_at
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.core.slot import Slot
from truecast.database.errors import DatabaseError
from truecast.lake.errors import LakeError, NoDataError
from truecast.lake.lake import Lake
from truecast.ledger.ledger import Ledger
from truecast.ledger.query import Query
from truecast.pipelines.champions import promote, train_slots
from truecast.pipelines.stages import ingest
from truecast.pipelines.studies import Studies
from truecast.pipelines.verify_ledger import check_ledger
from truecast.serving.answering import answers, champions
from truecast.serving.answering.champions import Seat
from truecast.serving.errors import NotReadyError, OverdueError
from truecast.serving.feed import feed as feeds
from truecast.serving.feed import issuing
from truecast.serving.feed.feed import Feed
from truecast.serving.feed.lease import FencedError
from truecast.serving.schemas import Asked
from truecast.serving.service import Service, open_service
from truecast.serving.workspace import Workspace
from truecast.sources.catalog import open_news_source
from truecast.sources.http.traffic import SHARED
from truecast.sources.simulated.source import SimulatedSource
from vendors.candles import Oanda
from vendors.server import Scripted, Vendor

#: When the models were trained: an hourly bar has just closed.
NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARKET = {
    "seed": 11,
    "calendar": "24/7",
    "start": "2024-01-02",
    "volatility": [0.4],
    "jump_rate": 0,
    "articles_per_day": 40,
}
RECIPE = {
    "name": "hourly",
    "instruments": ["A", "B"],
    "interval": "1h",
    "source": {"simulated": MARKET},
    "features": ["return_sd_22", "log_return_1"],
    "targets": {
        "direction": {"horizon": 1, "models": ["logistic"]},
        "return": {"horizon": [1, 4], "models": [{"ridge": {"alpha": 10}}]},
    },
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
    "evaluate": {"refit_every": "part"},
}
SLOTS = 6
#: Longer than a busy machine takes for a test: seconds.
LEASE = 600


@dataclass(frozen=True)
class Home:
    """A home in which one recipe is served."""

    path: Path
    recipe: Recipe

    @property
    def workspace(self) -> Workspace:
        return Workspace(Settings(home=self.path))

    def service(self) -> Service:
        return open_service(Settings(home=self.path))

    def feed(self) -> Feed:
        return Feed(self.service(), seconds=LEASE)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path / "truecast.db")) as database:
            return database.execute(query).fetchall()

    def issued(self) -> list[tuple[Any, ...]]:
        """Slot and close of the bar of each live forecast, in the order of writing."""
        return self.rows("SELECT slot, event_time FROM forecasts WHERE mode = 'live' ORDER BY seq")


def make_home(path: Path, recipe: Recipe, moment: datetime) -> Home:
    workspace = Workspace(Settings(home=path))
    with frozen_at(moment):
        ingest(workspace, recipe)
        train_slots(Studies(workspace, recipe))
        promote(workspace, recipe)
    return Home(path, recipe)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("hourly") / "home"
    return make_home(path, Recipe.model_validate(RECIPE), NOON)


@pytest.fixture
def home(trained: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    return Home(Path(shutil.copytree(trained.path, tmp_path / "home")), trained.recipe)


def moments(home: Home) -> set[str]:
    return {event_time[:16] for _, event_time in home.issued()}


def test_what_there_is_already_is_issued_once(home: Home) -> None:
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        assert feed.step()
        assert len(home.issued()) == SLOTS
        assert moments(home) == {"2024-03-20 12:00"}
        assert feed.poll() == 0  # the next bar is due at one
        assert feed.step()
    assert len(home.issued()) == SLOTS
    assert feed.role == "ingests"


def test_a_bar_that_is_due_is_fetched_and_all_that_hangs_on_it_is_issued(home: Home) -> None:
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    with frozen_at(NOON + HOUR + timedelta(seconds=1)):
        feed.step()
        assert len(home.issued()) == SLOTS
        assert feed.poll() == 2  # A and B
        feed.step()
        assert feed.poll() == 0
    assert len(home.issued()) == 2 * SLOTS
    assert moments(home) == {"2024-03-20 12:00", "2024-03-20 13:00"}
    written = home.rows("SELECT COUNT(DISTINCT written_at), mode, simulated FROM forecasts")
    assert {row[1:] for row in written} == {("live", 1)}


def test_the_forecasts_of_a_bar_are_written_at_once(home: Home, monkeypatch: Any) -> None:
    sizes = []
    write = Ledger.write

    def counted(self: Ledger, said: Any, guard: Any = None) -> Any:
        sizes.append(len(said))
        return write(self, said, guard)

    monkeypatch.setattr(Ledger, "write", counted)
    with frozen_at(NOON + timedelta(minutes=1)):
        home.feed().step()
    assert sizes == [SLOTS]


def test_a_process_that_was_down_issues_the_newest_when_it_is_back(home: Home) -> None:
    """A forecast of a bar whose next one has closed would come after the fact."""
    with frozen_at(NOON + 5 * HOUR + timedelta(minutes=2)):
        feed = home.feed()
        feed.step()
        assert home.issued() == []
        assert feed.poll() == 2
        feed.step()
    assert moments(home) == {"2024-03-20 17:00"}
    assert len(home.issued()) == SLOTS


def test_of_two_feeds_one_issues_and_the_other_takes_over(home: Home) -> None:
    one, other = home.feed(), home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        assert one.step()
        assert not other.step()
        assert (one.role, other.role) == ("ingests", "stands by")
    with frozen_at(NOON + timedelta(minutes=10, seconds=59)):
        assert not other.step()
    with frozen_at(NOON + timedelta(minutes=11)):
        assert other.step()
    assert len(home.issued()) == SLOTS


def test_a_holder_that_was_away_is_fenced(home: Home) -> None:
    away, other = home.feed(), home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        assert away.step()
    with frozen_at(NOON + HOUR + timedelta(minutes=1)):
        away.poll()  # the bars are in the lake; then it is held up before it can issue
        assert other.step()
        assert len(home.issued()) == 2 * SLOTS
        before = home.rows("SELECT MAX(seq) FROM forecasts")
        # It believes that it holds the lease.
        service, lease = away._service, away._lease
        assert lease.held
        service._answers._said.clear()
        with pytest.raises(FencedError, match="the lease feed was lost"):
            service.issue([*service.look().seats], lease.guard)
        assert home.rows("SELECT MAX(seq) FROM forecasts") == before
        assert not away.step()
        assert away.role == "stands by"


def test_a_locked_database_holds_the_feed_up_and_no_more(home: Home, monkeypatch: Any) -> None:
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        with monkeypatch.context() as patch:

            def refuse(self: Ledger, said: Any, guard: Any = None) -> Any:
                raise DatabaseError("truecast.db: database is locked")

            patch.setattr(Ledger, "write", refuse)
            feed.step()
            assert feed.troubles() == ["truecast.db: database is locked"]
            health = feed._service.health()
            assert (health.status, health.feed) == ("degraded", "ingests")
            assert "truecast.db: database is locked" in health.reasons
            assert home.issued() == []
        feed.step()
        assert feed.troubles() == []
    assert len(home.issued()) == SLOTS


def test_who_waits_for_a_turn_asks_again(home: Home, monkeypatch: Any) -> None:
    monkeypatch.setattr(answers, "_PATIENCE_SECONDS", 0.01)
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        (slot, *_) = feed._service.look().seats
        with feed._service._answers._turn[slot]:
            feed.step()
            (trouble,) = feed.troubles()
            assert f"{slot}: an answer has been on its way" in trouble
            assert home.issued() == []
        feed.step()
        assert feed.troubles() == []
    assert len(home.issued()) == SLOTS


def test_a_slot_whose_champion_is_being_changed_is_asked_again(
    home: Home, monkeypatch: Any
) -> None:
    feed = home.feed()
    service = feed._service
    issue = service.issue
    with frozen_at(NOON + timedelta(minutes=1)):
        away = [*service.look().seats][2]

        def without(slots: Any, guard: Any = None) -> Any:
            if away in slots:
                raise NotReadyError(f"{away} has no champion yet", "wait")
            return issue(slots, guard)

        with monkeypatch.context() as patch:
            patch.setattr(service, "issue", without)
            feed.step()
            assert len(home.issued()) == SLOTS - 1
        feed.step()
    assert len(home.issued()) == SLOTS


def test_a_series_that_cannot_be_read_has_no_next_decision(home: Home, monkeypatch: Any) -> None:
    """It keeps no other slot's forecast from being issued."""
    source = {"simulated": {**MARKET, "seed": 12}}
    elsewhere = Recipe.model_validate({**RECIPE, "source": source})
    with frozen_at(NOON + timedelta(minutes=1)):
        view = home.service().look()
        (seat, *_) = view.seats.values()
        with pytest.raises(NoDataError):
            view.bars.of(elsewhere, "A")
        assert issuing._until(view, replace(seat, recipe=elsewhere)) is None

        def refuse(*given: Any) -> Any:
            raise LakeError("lake: a file is gone")

        monkeypatch.setattr(view.bars, "of", refuse)
        assert issuing._until(view, seat) == NOON + timedelta(minutes=1)


def test_a_bar_that_comes_in_during_a_look_is_issued(home: Home, monkeypatch: Any) -> None:
    feed = home.feed()
    with frozen_at(NOON + HOUR + timedelta(seconds=1)):
        # A request has looked just now, and has the series open.
        monkeypatch.setattr(champions, "LOOK_SECONDS", 60.0)
        view = feed._service.look()
        for seat in view.seats.values():
            view.bars.of(seat.recipe, seat.slot.instrument)
        watch = feed._watch

        def then_comes_a_bar(*given: Any) -> None:
            watch(*given)
            feed._poked.clear()
            ingest(home.workspace, home.recipe)

        with monkeypatch.context() as patch:
            patch.setattr(feed, "_watch", then_comes_a_bar)
            feed.step()
        feed.step()
        assert moments(home) == {"2024-03-20 13:00"}
        assert len(home.issued()) == SLOTS


def test_a_lake_that_cannot_be_written_is_tried_again(home: Home, monkeypatch: Any) -> None:
    feed, later = home.feed(), NOON + HOUR + timedelta(seconds=1)
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    with frozen_at(later):
        feed.step()
        with monkeypatch.context() as patch:

            def refuse(*given: Any, **named: Any) -> Any:
                raise LakeError("lake: no space is left")

            patch.setattr(Lake, "ingest_newest", refuse)
            assert feed.poll() == 2
            assert feed.poll() == 0  # not at once
            (trouble, _) = feed.troubles()
            assert trouble.startswith("simulated-")
            assert "cannot be had since 2024-03-20 13:00:01 UTC: lake: no space is left" in trouble
            assert "the next try is at 2024-03-20 13:01:01 UTC" in trouble
    with frozen_at(later + timedelta(minutes=1)):
        assert feed.poll() == 2
        feed.step()
        assert feed.troubles() == []
    assert moments(home) == {"2024-03-20 12:00", "2024-03-20 13:00"}


def test_a_question_has_the_bar_that_is_due_fetched_first(home: Home, monkeypatch: Any) -> None:
    monkeypatch.setattr(feeds, "REFRESH_SECONDS", 60.0)  # two on a machine that is not busy
    service = home.service()
    feed = Feed(service, seconds=LEASE)
    asked = Asked(recipe="hourly", instrument="A", target="return", horizon=4)
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
        assert service.answer(asked).forecast.event_time == NOON
    with frozen_at(NOON + HOUR + timedelta(seconds=1)):
        feed.start()  # its threads have this clock
        try:
            said = service.answer(asked).forecast
            assert said.event_time == NOON + HOUR
            assert (said.mode, said.degraded) == ("live", False)
        finally:
            feed.stop()


def test_who_asks_twice_does_not_ask_the_vendor_twice(home: Home, monkeypatch: Any) -> None:
    """The bar is due, and the vendor does not have it yet."""
    service = home.service()
    feed = Feed(service, seconds=LEASE)
    monkeypatch.setattr(feeds, "REFRESH_SECONDS", 60.0)
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    (slot, *_) = sorted(service.look().seats, key=str)
    polled = feed._series_of(slot)
    assert polled is not None
    monkeypatch.setattr(SimulatedSource, "fetch", lambda *_: iter(()))
    with frozen_at(NOON + HOUR + timedelta(seconds=1)):
        feed.start()
        try:
            assert not feed.refresh(slot)
            assert polled.polls == 1
            assert not feed.refresh(slot)
            assert polled.polls == 1
        finally:
            feed.stop()


def test_questions_do_not_hurry_a_vendor_that_is_late(home: Home, monkeypatch: Any) -> None:
    feed, late = home.feed(), NOON + HOUR + timedelta(seconds=1)
    monkeypatch.setattr(SimulatedSource, "fetch", lambda *_: iter(()))
    monkeypatch.setattr(feeds, "REFRESH_SECONDS", 0.1)
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    (slot, *_) = feed._service.look().seats
    polled = feed._series_of(slot)
    assert polled is not None
    with frozen_at(late):
        assert feed.poll() == 2
        turn = polled.next_at
        assert turn == late + timedelta(minutes=1)
    with frozen_at(late + timedelta(seconds=30)):
        assert not feed.refresh(slot)
        assert polled.next_at == turn
        assert feed.poll() == 0
    with frozen_at(turn):
        assert feed.poll() == 2
        assert polled.next_at == turn + timedelta(minutes=2)  # its wait doubles


def test_who_stands_by_waits_in_vain_once(home: Home, monkeypatch: Any) -> None:
    holder, other = home.feed(), home.feed()
    late = NOON + HOUR + timedelta(seconds=1)
    monkeypatch.setattr(feeds, "REFRESH_SECONDS", 0.1)
    waits = []
    wait = other._await_other
    monkeypatch.setattr(other, "_await_other", lambda one: waits.append(one) or wait(one))
    with frozen_at(NOON + timedelta(minutes=1)):
        assert holder.step()
        assert not other.step()
    (slot, *_) = other._service.look().seats
    with frozen_at(late):
        assert not other.refresh(slot)
        assert not other.refresh(slot)
        assert len(waits) == 1
        holder.step()
        assert holder.poll() == 2
    with frozen_at(late + timedelta(seconds=11)):
        assert other.refresh(slot)
        assert not other.refresh(slot)  # the next bar is due in an hour
        assert len(waits) == 2


def test_a_source_that_cannot_be_opened_holds_up_no_other(home: Home) -> None:
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
        seats = feed._service.look().seats
        (seat, *_) = seats.values()
        fx = Slot("fx", "oanda", "EUR_USD", "return", 1)

        def served(*symbols: str) -> dict[Slot, Seat]:
            source = {"oanda": {"symbols": symbols}}
            return {fx: replace(seat, recipe=Recipe.model_validate({**FX, "source": source}))}

        # It names what its source does not have.
        amiss = {**served("GBP_USD"), **seats}
        feed._find_polled(amiss)
        assert {key[1] for key in feed._polled} == {"A", "B"}
        (trouble,) = feed.troubles()
        assert trouble.startswith("fx, oanda: cannot be polled: ")
        assert "EUR_USD" in trouble
        # Tried again it wakes nobody, unless there is something new.
        feed._poked.clear()
        feed._find_polled(amiss)
        assert not feed._poked.is_set()
        feed._find_polled({**served("EUR_USD"), **seats})
        assert {key[1] for key in feed._polled} == {"A", "B", "EUR_USD"}
        assert feed.troubles() == []
        assert feed._poked.is_set()


def test_the_feed_ends_in_time(home: Home) -> None:
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.start()
        _until(lambda: len(home.issued()) == SLOTS)
        began = time.monotonic()
        feed.stop()
        assert time.monotonic() - began < 5
        # The next one need not wait for the lease to run out.
        assert home.feed().step()


def _until(reached: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        threading.Event().wait(0.05)


# News


@pytest.fixture(scope="module")
def trained_on_news(tmp_path_factory: pytest.TempPathFactory) -> Home:
    recipe = {
        **RECIPE,
        "name": "newsy",
        "instruments": ["A"],
        "features": ["return_sd_22", "avg_sentiment_60", "news_age"],
        "targets": {"return": {"horizon": 1, "models": [{"ridge": {"alpha": 10}}]}},
    }
    recipe["source"] = {"simulated": {**MARKET, "articles_per_day": 100}}
    recipe["news"] = [{"simulated": {**MARKET, "articles_per_day": 100, "instruments": ["A"]}}]
    path = tmp_path_factory.mktemp("newsy") / "home"
    return make_home(path, Recipe.model_validate(recipe), NOON)


@pytest.fixture
def newsy(trained_on_news: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    path = Path(shutil.copytree(trained_on_news.path, tmp_path / "home"))
    return Home(path, trained_on_news.recipe)


def test_news_issue_the_forecast_anew_and_the_first_is_scored(newsy: Home) -> None:
    feed = newsy.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    # A hundred articles a day.
    (news,) = [one for key, one in feed._polled.items() if len(key) == 1]
    assert NOON < news.due_at < NOON + HOUR
    with frozen_at(news.due_at):
        assert feed.poll() == 1
        feed.step()
        feed.step()
    first, second = Ledger(newsy.workspace.registry.database).history(Query())[::-1]
    assert first.forecast.as_of == NOON
    assert second.forecast.as_of == news_of(newsy)[-1] > NOON
    assert (second.forecast.event_time, second.forecast.due_at) == (NOON, NOON + HOUR)
    assert second.supersedes == first.forecast.id
    assert first.supersedes is None
    assert second.forecast.input_hash != first.forecast.input_hash
    # Asked about now, the newer one is said; and it can be made again from the whole table.
    with frozen_at(second.forecast.as_of + timedelta(seconds=1)):
        said = newsy.service().answer(Asked())
        assert said.forecast.id == second.forecast.id
        studies = Studies(newsy.workspace, newsy.recipe)
        (result,) = check_ledger(studies, newsy.workspace.ledger, seed=1)
        assert result.passed, result.detail
        assert "2 of 2 forecasts made again agree" in result.detail


def test_an_answer_from_memory_ends_with_the_next_story(newsy: Home, monkeypatch: Any) -> None:
    """It may be in the lake before it is known: what brought it has a clock that is ahead."""
    feed, asked = newsy.feed(), Asked()
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
    (news,) = [one for key, one in feed._polled.items() if len(key) == 1]
    with frozen_at(news.due_at):
        feed.poll()
    story = news_of(newsy)[-1]
    assert NOON + timedelta(minutes=2) < story < NOON + HOUR
    # Nothing is looked at meanwhile that would make the answer's view another one.
    monkeypatch.setattr(champions, "LOOK_SECONDS", 600.0)
    service = newsy.service()
    with frozen_at(NOON + timedelta(minutes=1)):
        first = service.answer(asked)
        assert (first.forecast.as_of, first.until) == (NOON, story)
    with frozen_at(story - timedelta(seconds=1)):
        assert service.peek(asked) == first.body
    with frozen_at(story):
        assert service.peek(asked) is None
        second = service.answer(asked).forecast
        assert (second.as_of, second.event_time) == (story, NOON)
        assert service.peek(asked) is not None


def news_of(home: Home) -> list[datetime]:
    (choice,) = home.recipe.news
    known = home.workspace.lake.news(open_news_source(choice).name).versions["known_at"]
    return sorted(known.to_list())


# A vendor over HTTP

FX = {
    **RECIPE,
    "name": "fx",
    "instruments": ["EUR_USD"],
    "features": ["log_return_1"],
    "targets": {"return": {"horizon": [1, 4], "models": [{"ridge": {"alpha": 10}}]}},
}
#: A Wednesday; candles of the weeks before.
STARTS = [
    NOON - n * HOUR
    for n in range(1, 24 * 60)
    if (NOON - n * HOUR).weekday() < 5  # close to FX's week, and known to the test
]


@pytest.fixture
def fx(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Vendor]:
    monkeypatch.setattr(champions, "LOOK_SECONDS", 0.0)
    monkeypatch.setenv("TRUECAST_OANDA_TOKEN", "made-up")
    options = {"symbols": ["EUR_USD"], "start": "2024-01-22", "base_url": vendor.url}
    recipe = Recipe.model_validate({**FX, "source": {"oanda": options}})
    vendor.respond = Oanda(STARTS, HOUR, NOON)
    return make_home(tmp_path / "home", recipe, NOON), vendor


FAULTS = {
    "too many": Scripted(b"slow down", status=429),
    "down": Scripted(b"down", status=503),
    "garbage": Scripted(b"<html>not what was asked</html>"),
    "empty": Scripted(b'{"candles": []}', headers={"Content-Type": "application/json"}),
    "silent": Scripted(silent=True),
    "cut": Scripted(b'{"candles": [', cut=5),
}


def test_a_vendor_is_asked_when_a_bar_is_due_and_again_after_each_fault(
    fx: tuple[Home, Vendor],
) -> None:
    home, vendor = fx
    feed = home.feed()
    with frozen_at(NOON + timedelta(minutes=1)):
        feed.step()
        asked = len(vendor.asked)
        assert feed.poll() == 0
        assert len(vendor.asked) == asked
        assert len(home.issued()) == 2
    moment = NOON + HOUR + timedelta(seconds=1)
    service = feed._service
    for name, fault in FAULTS.items():
        vendor.respond = lambda _, fault=fault: fault
        SHARED.forget(vendor.netloc)  # its breaker counts in real time
        with frozen_at(moment):
            feed.step()
            assert feed.poll() == 1, name
            polled = next(iter(feed._polled.values()))
            # Nothing came: the last good data answer, and say so.
            if name != "empty":
                assert feed.troubles(), name
                assert service.health().status == "degraded"
            stale = service.answer(Asked(horizon=4)).forecast
            assert (stale.event_time, stale.degraded) == (NOON, True)
            assert stale.reason is not None
            assert stale.reason.startswith("stale: fx@oanda:EUR_USD:return:4: the newest bar is of")
            with pytest.raises(OverdueError, match="ingest newer bars"):
                service.answer(Asked(horizon=1))
            assert polled.next_at > moment
            moment = polled.next_at
    assert NOON + HOUR < moment < NOON + 2 * HOUR
    vendor.respond = Oanda([*STARTS, NOON], HOUR, moment)
    SHARED.forget(vendor.netloc)
    with frozen_at(moment):
        assert feed.poll() == 1
        feed.step()
        assert feed.troubles() == []
        assert service.health().status == "healthy"
        assert service.answer(Asked(horizon=4)).forecast.event_time == NOON + HOUR
    assert moments(home) == {"2024-03-20 12:00", "2024-03-20 13:00"}
    assert len(home.issued()) == 4
