"""The ledger: written once, read back as it was, one forecast of a thing scored."""

import sqlite3
import struct
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from truecast.core.forecast import Forecast, Mode, Outcome
from truecast.database.engine import Database, open_database
from truecast.database.errors import DatabaseError
from truecast.ledger.errors import LedgerError
from truecast.ledger.ledger import ATTEMPTS, Ledger
from truecast.ledger.query import Query

Make = Callable[..., Forecast]
MakeOutcome = Callable[..., Outcome]

DAY = timedelta(days=1)
OTHER = {"input_hash": "c" * 64}
MODES: tuple[Mode, ...] = get_args(Mode)


def test_a_repeat_is_the_first_one(ledger: Ledger, forecast: Make) -> None:
    first = forecast()
    assert ledger.write([first]) == [first]
    later = forecast(issued_at=first.issued_at + DAY, latency_ms=99.0, skill="beats naive")
    assert later.id == first.id
    assert ledger.write([later]) == [first]
    # Even once it is due: a live forecast that was issued in time stands.
    assert ledger.write([forecast(issued_at=first.due_at + DAY)]) == [first]
    assert [entry.forecast for entry in ledger.history(Query())] == [first]


def test_of_two_that_are_the_same_in_one_write_the_first_stands(
    ledger: Ledger, forecast: Make
) -> None:
    first = forecast()
    second = forecast(issued_at=first.issued_at + timedelta(seconds=1), latency_ms=99.0)
    assert first.id == second.id
    assert ledger.write([first, second]) == [first, first]
    entry = ledger.read(first.id)
    assert entry is not None
    assert entry.forecast == first


def test_forecasts_come_back_in_the_order_given(ledger: Ledger, forecast: Make) -> None:
    said = [forecast(due_at=forecast().due_at + number * DAY) for number in (3, 1, 2)]
    assert ledger.write([*said, said[0]]) == [*said, said[0]]
    assert [entry.forecast for entry in ledger.history(Query())] == said[::-1]
    assert [entry.seq for entry in ledger.history(Query())] == [3, 2, 1]


def test_the_first_of_a_moment_is_scored_and_later_ones_name_it(
    ledger: Ledger, forecast: Make
) -> None:
    first, second, third = (
        forecast(),
        forecast(**OTHER),
        forecast(model_version="vffffffffffff"),
    )
    ledger.write([first])
    ledger.write([second, third, first])
    standing = {entry.forecast.id: entry.supersedes for entry in ledger.history(Query())}
    assert standing == {first.id: None, second.id: first.id, third.id: first.id}


def test_modes_and_slots_have_records_of_their_own(ledger: Ledger, forecast: Make) -> None:
    said = [forecast(mode=mode) for mode in MODES] + [forecast(slot="small@files:A:price:1")]
    ledger.write(said)
    assert {entry.supersedes for entry in ledger.history(Query())} == {None}


@pytest.mark.parametrize("mode", MODES)
def test_an_edited_recipe_has_its_own_replay_and_no_second_live_forecast(
    ledger: Ledger, forecast: Make, mode: Mode
) -> None:
    first = forecast(mode=mode)
    edited = forecast(mode=mode, recipe_hash="d" * 64, model_version="vffffffffffff")
    ledger.write([first, edited])
    entry = ledger.read(edited.id)
    assert entry is not None
    assert entry.supersedes == (first.id if mode in {"live", "shadow"} else None)


def test_a_what_if_is_never_scored_and_never_settled(
    ledger: Ledger, forecast: Make, outcome: MakeOutcome
) -> None:
    one, other = forecast(mode="whatif"), forecast(mode="whatif", **OTHER)
    ledger.write([one, other])
    assert {entry.supersedes for entry in ledger.history(Query())} == {None}
    assert ledger.unsettled(recipe="small", source="sample", due_by=one.due_at + DAY) == []
    with pytest.raises(LedgerError, match="is a what-if: it is never settled"):
        ledger.settle({one.id: outcome()})


def test_a_live_forecast_after_its_outcome_is_refused_and_nothing_with_it_is_kept(
    ledger: Ledger, forecast: Make
) -> None:
    late = forecast(issued_at=forecast().due_at, **OTHER)
    with pytest.raises(LedgerError, match=r"issued at 2018-12-31.* and due at 2018-12-31"):
        ledger.write([forecast(), late])
    assert ledger.history(Query()) == []
    replayed = forecast(issued_at=forecast().due_at, mode="replay")
    assert ledger.write([replayed]) == [replayed]


def test_a_model_that_saw_too_much_is_refused(ledger: Ledger, forecast: Make) -> None:
    saw = forecast(trained_through=forecast().as_of + timedelta(microseconds=1))
    with pytest.raises(LedgerError, match="needs a model of then"):
        ledger.write([saw])


@pytest.mark.parametrize("name", ["prediction", "lower", "baseline", "last_close", "latency_ms"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(
    ledger: Ledger, forecast: Make, name: str, value: float
) -> None:
    with pytest.raises(LedgerError, match=f"{name} is {value}"):
        ledger.write([forecast(**{name: value})])


finite = st.floats(allow_nan=False, allow_infinity=False)
worded = st.one_of(finite, st.text(st.characters(exclude_categories=["Cs"])), st.just("1.0"))
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
moments = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001
    datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
sizes = st.integers(0, 2**31 - 1)
anything = st.fixed_dictionaries(
    {
        **dict.fromkeys(("recipe", "recipe_hash", "source", "instrument", "interval"), words),
        **dict.fromkeys(("slot", "target", "baseline_name", "skill", "model_name"), words),
        **dict.fromkeys(("model_type", "model_version", "input_hash"), words),
        **dict.fromkeys(("event_time", "issued_at"), moments),
        **dict.fromkeys(("due_at", "as_of"), moments),
        **dict.fromkeys(("today_date", "predicted_date"), st.dates()),
        **dict.fromkeys(("last_close", "latency_ms"), finite),
        **dict.fromkeys(("prediction", "baseline"), worded),
        **dict.fromkeys(("lower", "upper", "coverage"), st.none() | finite),
        **dict.fromkeys(("probability", "baseline_probability"), st.none() | finite),
        **dict.fromkeys(("horizon", "features_used"), sizes),
        **dict.fromkeys(("simulated", "degraded"), st.booleans()),
        "reason": st.none() | words,
        "mode": st.sampled_from([mode for mode in MODES if mode != "live"]),
    }
)


@given(fields=anything)
def test_what_is_written_is_read_back_to_the_bit(
    fields: dict[str, Any], forecast: Make, round_trip: Ledger
) -> None:
    # Every example is another forecast: the ledger is the same one for all of them.
    fields["input_hash"] += f" {uuid.uuid4()}"
    said = forecast(**fields, trained_through=fields["as_of"])
    (back,) = round_trip.write([said])
    assert back == said
    entry = round_trip.read(said.id)
    assert entry is not None
    for name, value in said:
        kept = getattr(entry.forecast, name)
        if isinstance(value, float):
            # The database knows one zero.
            assert struct.pack("<d", kept) == struct.pack("<d", value + 0.0), name
        elif isinstance(value, datetime):
            assert (kept, kept.utcoffset()) == (value, timedelta()), name
        else:
            assert (kept, type(kept)) == (value, type(value)), name


@pytest.fixture(scope="session")
def round_trip(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = tmp_path_factory.mktemp("ledger")
    return Ledger(open_database(f"sqlite:///{folder / 'truecast.db'}"))


@given(
    value=finite,
    squared=st.none() | finite,
    label=st.none() | words,
    known_at=moments,
    waited=st.timedeltas(timedelta(), DAY),
    number=st.integers(0, 2**62),
)
def test_outcomes_are_read_back_to_the_bit(
    value: float,
    squared: float | None,
    label: str | None,
    known_at: datetime,
    waited: timedelta,
    number: int,
    forecast: Make,
    round_trip: Ledger,
) -> None:
    said = forecast(input_hash=f"{number} {uuid.uuid4()}")
    found = Outcome(
        value=value,
        label=label,
        squared_return=squared,
        known_at=known_at,
        settled_at=known_at + waited,
    )
    round_trip.write([said])
    assert round_trip.settle({said.id: found}) == 1
    entry = round_trip.read(said.id)
    assert entry is not None
    assert entry.outcome == found
    assert struct.pack("<d", entry.outcome.value) == struct.pack("<d", value + 0.0)


def test_an_outcome_is_written_once(ledger: Ledger, forecast: Make, outcome: MakeOutcome) -> None:
    one, other = forecast(), forecast(due_at=forecast().due_at + DAY)
    ledger.write([one, other])
    assert ledger.settle({one.id: outcome()}) == 1
    assert ledger.settle({one.id: outcome(value=1.0), other.id: outcome(value=2.0)}) == 1
    settled = {entry.forecast.id: entry.outcome for entry in ledger.history(Query())}
    assert settled == {one.id: outcome(), other.id: outcome(value=2.0)}
    assert ledger.settle({}) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": float("nan")}, "value is nan"),
        ({"squared_return": float("inf")}, "squared_return is inf"),
        ({"settled_at": datetime(2018, 12, 31, tzinfo=UTC)}, "before it was known"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused(
    ledger: Ledger, forecast: Make, outcome: MakeOutcome, changes: dict[str, Any], message: str
) -> None:
    said = forecast()
    ledger.write([said])
    with pytest.raises(LedgerError, match=message):
        ledger.settle({said.id: outcome(**changes)})


def test_all_outcomes_are_written_or_none(
    ledger: Ledger, forecast: Make, outcome: MakeOutcome
) -> None:
    said, unknown = forecast(), uuid.uuid4()
    ledger.write([said])
    with pytest.raises(LedgerError, match=f"{unknown} is not in the ledger"):
        ledger.settle({said.id: outcome(), unknown: outcome()})
    assert ledger.history(Query())[0].outcome is None


def test_what_is_due_is_found(ledger: Ledger, forecast: Make, outcome: MakeOutcome) -> None:
    due = forecast().due_at
    said = [forecast(due_at=due + number * DAY) for number in (2, 0, 1)]
    again = forecast(**OTHER)
    elsewhere = forecast(slot="other@sample:A:price:1", recipe="other")
    simulated = forecast(slot="small@simulated:A:price:1", source="simulated")
    ledger.write([*said, again, elsewhere, simulated])
    found = ledger.unsettled(recipe="small", source="sample", due_by=due + DAY)
    # Those that are not scored settle too, for who looks them up.
    assert found == [said[1], again, said[2]]
    ledger.settle({said[1].id: outcome()})
    assert ledger.unsettled(recipe="small", source="sample", due_by=due) == [again]


def test_what_counts_is_scored_in_the_order_of_due(
    ledger: Ledger, forecast: Make, outcome: MakeOutcome
) -> None:
    due = forecast().due_at
    said = [forecast(due_at=due + number * DAY) for number in (2, 0, 1)]
    again, open_ = forecast(**OTHER), forecast(due_at=due + 9 * DAY)
    ledger.write([*said, again, open_])
    ledger.settle({one.id: outcome() for one in [*said, again]})
    scored = [entry.forecast for entry in ledger.scored(Query())]
    assert scored == [said[1], said[2], said[0]]
    assert [entry.forecast for entry in ledger.scored(Query(limit=2))] == [said[2], said[0]]


@pytest.mark.parametrize(
    "query",
    [
        {"slot": "other@files:B:return:5"},
        {"recipe": "other"},
        {"source": "files"},
        {"instrument": "B"},
        {"target": "return"},
        {"mode": "replay"},
        {"recipe_hash": "d" * 64},
        {"since": datetime(2018, 12, 29, 21, 30, tzinfo=UTC)},
        {"limit": 1},
    ],
)
def test_questions_narrow_what_is_found(
    ledger: Ledger, forecast: Make, query: dict[str, Any]
) -> None:
    other = forecast(
        slot="other@files:B:return:5",
        recipe="other",
        source="files",
        instrument="B",
        target="return",
        mode="replay",
        recipe_hash="d" * 64,
        as_of=forecast().as_of + DAY,
    )
    ledger.write([forecast(), other])
    assert [entry.forecast for entry in ledger.history(Query(**query))] == [other]
    assert len(ledger.history(Query())) == 2
    until = Query(until=forecast().as_of)
    assert [entry.forecast for entry in ledger.history(until)] == [forecast()]


def test_an_unknown_id_is_nothing(ledger: Ledger) -> None:
    assert ledger.read(uuid.uuid4()) is None


class _Rivalled(Database):
    """A database that lets another writer in before this one, a few times."""

    def __init__(self, inner: Database, rival: Callable[[], object], times: int) -> None:
        super().__init__(inner._engine)
        self._inner, self._rival, self.left = inner, rival, times

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.left:
            self.left -= 1
            self._rival()
            cause = IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))
            raise DatabaseError("refused") from cause
        with self._inner.writing() as connection:
            yield connection


def test_a_write_that_met_another_is_tried_again(tmp_path: Path, forecast: Make) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'truecast.db'}")
    rival, mine = forecast(), forecast(**OTHER)
    rivalled = _Rivalled(database, lambda: Ledger(database).write([rival]), times=3)
    assert Ledger(rivalled).write([mine]) == [mine]
    entry = Ledger(database).read(mine.id)
    assert entry is not None
    assert entry.supersedes == rival.id
    with pytest.raises(DatabaseError, match="refused"):
        Ledger(_Rivalled(database, lambda: None, times=ATTEMPTS)).write([forecast()])


def test_the_database_itself_keeps_two_from_being_scored(
    tmp_path: Path, ledger: Ledger, forecast: Make
) -> None:
    ledger.write([forecast()])
    connection = sqlite3.connect(tmp_path / "truecast.db")
    names = [row[1] for row in connection.execute("PRAGMA table_info(forecasts)")]
    others = ", ".join(name for name in names if name not in {"seq", "id"})
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE constraint failed"):
        connection.execute(
            f"INSERT INTO forecasts (id, {others}) SELECT 'x', {others} FROM forecasts"  # noqa: S608
        )
    connection.close()
