"""However a batch is shuffled, repeated or cut, silver is the same, and reads follow a plain model.

What "the same batch" is: rows that were received at the same moment. Cut into several, its rows
must not contradict each other: in one batch contradicting rows are kept out together, and of two
batches the later one is a revision. Vintages are cut in the order of their ``known_at``: one that
comes behind a newer one would rewrite what was known, and goes to quarantine.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truecast.core.bars import PARSED_BARS
from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.bars import STORED, Receipt, merge_bars
from truecast.lake.contracts import check_bars
from truecast.lake.history import BarHistory
from truecast.lake.schemas import SILVER_BARS

DELAY = timedelta(minutes=15)
INDEX = Instrument("^X", "24/7", DELAY)
DAILY = Interval("1d")
START = date(2020, 1, 6)
FIRST_RECEIPT = datetime(2020, 1, 12, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: A row: which day, its close or None where it is missing, and when it became known, in hours.
Row = tuple[int, float | None, int | None]


def closing(day: int) -> datetime:
    return datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(days=day + 1)


def frame(rows: list[Row]) -> pl.DataFrame:
    full = [
        {
            "row": place,
            "session": START + timedelta(days=day),
            "event_time": closing(day),
            "known_at": None if hours is None else closing(day) + hours * HOUR,
            "close": close,
        }
        for place, (day, close, hours) in enumerate(rows, start=1)
    ]
    return pl.DataFrame(full, schema=PARSED_BARS)


@dataclass
class Silver:
    """Silver as the lake builds it, without the lake's tables."""

    live: bool = False
    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SILVER_BARS))
    kept_out: set[tuple[Any, ...]] = field(default_factory=set)

    def take(self, rows: list[Row], received: datetime) -> None:
        receipt = Receipt("s", DAILY, INDEX, "p", received, simulated=False, live=self.live)
        checked = check_bars(frame(rows), INDEX, DAILY, received)
        merge = merge_bars(checked.bars, self.rows.select(STORED), receipt)
        self.rows = pl.concat([self.rows, merge.rows])
        for reason, part in (("late", merge.late), (None, checked.quarantined)):
            for row in part.iter_rows(named=True):
                why = reason or row["reason"]
                self.kept_out.add((row["event_time"], row["known_at"], str(row["close"]), why))

    @property
    def content(self) -> list[tuple[Any, ...]]:
        """All but what tells one receipt from another."""
        rows = self.rows.sort("event_time", "version")
        return rows.drop("received_at", "written_at", "payload").rows()


closes = st.one_of(st.sampled_from([100.0, 100.00001, 101.0, 102.0, -1.0, float("nan")]), st.none())
days = st.integers(0, 7)
plain = st.lists(st.tuples(days, closes, st.none()), max_size=8)
vintages = st.lists(st.tuples(days, closes, st.integers(-1, 300)), max_size=8)
batches = st.lists(st.one_of(plain, vintages), max_size=4)
quick = settings(
    max_examples=settings.default.max_examples // 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def receipts(count: int) -> list[datetime]:
    return [FIRST_RECEIPT + step * 5 * HOUR for step in range(count)]


@quick
@given(batches, st.booleans(), st.data())
def test_shuffled_and_repeated_batches_give_the_same(told, live, data):
    one, other = Silver(live), Silver(live)
    for rows, received in zip(told, receipts(len(told)), strict=True):
        one.take(rows, received)
        again = data.draw(st.lists(st.sampled_from(rows), max_size=4)) if rows else []
        other.take(data.draw(st.permutations(rows + again)), received)
    assert other.content == one.content
    assert other.kept_out == one.kept_out


def without_contradictions(rows: list[Row]) -> list[Row]:
    """Keep the first row of each bar and vintage."""
    return list({(day, hours): (day, close, hours) for day, close, hours in rows[::-1]}.values())


@quick
@given(batches, st.booleans(), st.data())
def test_batches_cut_into_pieces_give_the_same(told, live, data):
    whole, cut = Silver(live), Silver(live)
    for rows, received in zip(map(without_contradictions, told), receipts(len(told)), strict=True):
        whole.take(rows, received)
        again = data.draw(st.lists(st.sampled_from(rows), max_size=4)) if rows else []
        shuffled = data.draw(st.permutations(rows + again))
        # In the order in which they became known; plain rows stay shuffled.
        ordered = (
            sorted(shuffled, key=lambda row: (closing(row[0]) + (row[2] or 0) * HOUR, row[0]))
            if any(row[2] is not None for row in rows)
            else shuffled
        )
        edges = sorted(data.draw(st.lists(st.integers(0, len(ordered)), max_size=4)))
        for start, stop in zip([0, *edges], [*edges, len(ordered)], strict=True):
            cut.take(ordered[start:stop], received)
    assert cut.content == whole.content
    assert cut.kept_out == whole.kept_out


class Model:
    """What was known of each bar, by a plain dictionary."""

    def __init__(self) -> None:
        self.versions: dict[int, list[tuple[datetime, float]]] = defaultdict(list)

    def take(self, rows: list[Row], received: datetime) -> None:
        said: dict[tuple[int, int | None], set[float]] = defaultdict(set)
        for day, close, hours in rows:
            good = close is not None and close > 0 and closing(day) <= received
            if good and (hours is None or hours >= 0):
                said[day, hours].add(close)
        agreed = {key: found.pop() for key, found in said.items() if len(found) == 1}
        latest = {
            day: max(known for known, _ in found) for day, found in self.versions.items() if found
        }
        for (day, hours), close in sorted(agreed.items(), key=lambda one: one[0][1] or 0):
            known = received if hours is None else closing(day) + hours * HOUR
            versions = self.versions[day]
            if not versions:
                first = closing(day) + DELAY if hours is None else known
                versions.append((first, close))
            elif hours is not None and day in latest and known < latest[day]:
                continue  # too late: it is known already, or would rewrite what was known
            elif abs(close - versions[-1][1]) > 1e-6 * max(close, versions[-1][1]):
                versions.append((max(known, versions[-1][0]), close))

    def known(self, as_of: datetime) -> dict[datetime, float]:
        found = {}
        for day, versions in self.versions.items():
            for known, close in versions:
                if known <= as_of:
                    found[closing(day)] = close
        return found


@quick
@given(batches, st.lists(st.integers(-24, 24 * 20), max_size=6))
def test_reads_as_of_any_moment_equal_a_plain_model(told, asked):
    silver, model = Silver(), Model()
    for rows, received in zip(told, receipts(len(told)), strict=True):
        silver.take(rows, received)
        model.take(rows, received)
    history = BarHistory(silver.rows.sort("event_time", "version"))
    moments = [closing(0) + hours * HOUR for hours in asked]
    moments += [known for found in model.versions.values() for known, _ in found]
    for moment in moments:
        read = history.known(moment)
        assert dict(read.select("event_time", "close").rows()) == model.known(moment)
        assert read["event_time"].is_sorted()
