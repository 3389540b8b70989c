"""What only the bars around a bar reveal, and from when on."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truecast.core.instrument import Instrument
from truecast.core.interval import Interval
from truecast.lake.checks.options import ChecksOptions
from truecast.lake.checks.review import FINDINGS, Review, review
from truecast.lake.schemas import SILVER_ACTIONS, SILVER_BARS

SHARE = Instrument("X", "24/7", timedelta(0))
OIL = Instrument("CL", "24/7", timedelta(0), may_be_negative=True)
START = datetime(2020, 1, 1, 21, tzinfo=UTC)
DAY = timedelta(days=1)


def prices(count=120, *, seed=3, sd=0.01) -> list[list[float]]:
    """Open, high, low and close of a random walk about 100."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, sd, count)))
    first = np.append(100.0, close[:-1]) * np.exp(random.normal(0, sd / 5, count))
    wick = np.abs(random.normal(0, sd / 3, (2, count)))
    high = np.maximum(first, close) * np.exp(wick[0])
    low = np.minimum(first, close) * np.exp(-wick[1])
    return np.stack([first, high, low, close], axis=1).tolist()


def silver(bars, *, step=DAY, volumes=None, flags=None, known=None) -> pl.DataFrame:
    moments = [START + place * step for place in range(len(bars))]
    rows = {
        "session": [moment.date() for moment in moments],
        "event_time": moments,
        "known_at": known or moments,
        "version": [0] * len(bars),
        **{name: [bar[part] for bar in bars] for part, name in enumerate(NAMES)},
        "volume": volumes or [1000.0] * len(bars),
        "flags": flags or [[] for _ in bars],
    }
    frame = pl.DataFrame(rows, schema_overrides={"flags": pl.List(pl.String)})
    return frame.select(
        (pl.col(name) if name in rows else pl.lit(None)).cast(kind).alias(name)
        for name, kind in SILVER_BARS.items()
    )


NAMES = ("open", "high", "low", "close")


def looked_over(bars, *, instrument=SHARE, interval="1d", actions=None, checks=None, **options):
    rows = bars if isinstance(bars, pl.DataFrame) else silver(bars, **options)
    asked = ChecksOptions.of(checks or {})
    return review(rows, instrument, Interval(interval), asked, actions)


def found(result: Review) -> list[tuple]:
    """Place of the bar, check, and place of the bar with which it was known."""
    return [
        ((moment - START) // DAY, check, (known - START) // DAY)
        for moment, check, known in result.findings.select("event_time", "check", "known_at").rows()
    ]


def times(bar, factor):
    return [price * factor for price in bar]


def standing(result: Review, place: int, moment: datetime) -> dict:
    """The version of a bar that is read at a moment."""
    rows = result.versions.filter(
        pl.col("event_time") == START + place * DAY, pl.col("known_at") <= moment
    )
    return rows.sort("version").row(-1, named=True)


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_bars_raise_nothing_and_stay_as_they_are(seed):
    rows = silver(prices(400, seed=seed))
    result = looked_over(rows)
    assert len(result.findings) == 0
    assert list(result.findings.schema.items()) == list(FINDINGS.items())
    assert result.versions.drop("withdrawn").equals(rows)
    assert not result.versions["withdrawn"].any()


def test_one_bar_in_another_unit_is_divided_back_as_soon_as_it_is_known():
    bars = prices()
    good = bars[70]
    bars[70] = times(good, 100)
    result = looked_over(bars)
    assert found(result) == [(70, "unit_jump", 70)]
    assert result.findings["factor"].to_list() == pytest.approx([0.01])
    assert result.findings["action"].to_list() == ["repair"]
    read = standing(result, 70, START + 70 * DAY)
    assert [read[name] for name in NAMES] == pytest.approx(good)
    assert (read["version"], read["volume"], read["withdrawn"]) == (0, 1000.0, False)
    assert len(result.versions) == len(bars)  # as it came it was never read


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_a_unit_that_changes_for_good_is_divided_back_for_good(factor):
    good = prices()
    bars = [*good[:50], *(times(bar, factor) for bar in good[50:])]
    result = looked_over(bars)
    assert found(result) == [(place, "unit_jump", place) for place in range(50, 120)]
    assert result.versions["close"].to_list() == pytest.approx([bar[3] for bar in good])
    assert set(result.versions["version"]) == {0}


def test_another_factor_may_be_asked_for_and_prices_that_only_moved_are_left_alone():
    bars = prices()
    bars[70] = times(bars[70], 10)
    options = {"unit_jump": {"factor": 10, "action": "flag"}}
    result = looked_over(bars, checks=options)
    assert found(result) == [(70, "unit_jump", 70)]
    assert len(result.versions) == len(bars)
    fallen = [*prices()[:70], *(times(bar, 0.02) for bar in prices()[70:])]
    assert found(looked_over(fallen)) == []


def test_a_split_that_is_known_explains_a_jump_and_one_that_is_not_does_not():
    bars = [*prices()[:60], *(times(bar, 0.01) for bar in prices()[60:])]
    ex_date = (START + 60 * DAY).date()
    row = {"session": ex_date, "kind": "split", "value": 100.0, "version": 0, "known_at": START}
    actions = pl.DataFrame([{**dict.fromkeys(SILVER_ACTIONS), **row}], schema=SILVER_ACTIONS)
    assert found(looked_over(bars, actions=actions)) == []
    late = actions.with_columns(known_at=pl.lit(START + 90 * DAY).cast(SILVER_BARS["known_at"]))
    assert found(looked_over(bars, actions=late))[0] == (60, "unit_jump", 60)


def test_a_false_print_is_read_until_the_bar_that_shows_it_is_known():
    bars = prices()
    bars[70] = [bars[69][3], bars[69][3], 0.01, bars[70][3]]
    result = looked_over(bars)
    assert found(result) == [(70, "false_print", 71)]
    assert not standing(result, 70, START + 70 * DAY)["withdrawn"]
    gone = standing(result, 70, START + 71 * DAY)
    assert (gone["withdrawn"], gone["version"], gone["low"]) == (True, 1, 0.01)


def test_a_whole_bar_may_be_false_and_so_may_two():
    bars = prices()
    bars[70], bars[71] = times(bars[70], 1.4), times(bars[71], 1.4)
    assert found(looked_over(bars)) == [(70, "false_print", 72), (71, "false_print", 72)]
    three = [*bars[:72], times(bars[72], 1.4), *bars[73:]]
    assert found(looked_over(three)) == []


@pytest.mark.parametrize(
    "after",
    [
        [0.8] * 50,  # it stays
        [0.8, 0.86, 0.9, *[0.93] * 47],  # it comes back in part
        [0.8, 0.85, 0.9, 0.95, *[1.0] * 46],  # or step by step
        [1.25] * 50,
    ],
)
def test_a_crash_is_no_false_print(after):
    good = prices()
    bars = [*good[:70], *(times(bar, part) for bar, part in zip(good[70:], after, strict=True))]
    bars[70][0] = good[69][3]
    assert found(looked_over(bars)) == []


def test_nothing_is_said_of_the_last_bar_before_the_next_is_known():
    bars = prices()[:71]
    bars[70][2] = 0.01
    assert found(looked_over(bars)) == []


def test_a_return_after_a_long_silence_proves_nothing():
    bars = prices()
    bars[70] = times(bars[70], 1.4)
    rows = silver(bars)
    later = pl.col("event_time") + pl.when(pl.col("event_time") > START + 70 * DAY).then(
        timedelta(days=30)
    ).otherwise(timedelta(0))
    moved = rows.with_columns(event_time=later).with_columns(known_at="event_time")
    assert found(looked_over(rows)) == [(70, "false_print", 71)]
    assert found(looked_over(moved)) == []


def test_prices_below_zero_are_compared_by_difference():
    bars = [times(bar, 0.2) for bar in prices()]
    crash = [*bars[:70], [17.7, 17.9, -40.3, -37.6], [-14.0, 13.9, -16.7, 10.0]]
    crash += [[11.7, 16.2, 6.5, 13.8], *([13.0, 18.0, 12.0, 16.0] for _ in range(20))]
    assert found(looked_over(crash, instrument=OIL)) == []
    bars[70][2] = -30.0
    assert found(looked_over(bars, instrument=OIL)) == [(70, "false_print", 71)]


def test_a_correction_that_came_before_the_proof_is_not_withdrawn():
    bars = prices()
    wrong = bars[70].copy()
    wrong[2] = 0.01
    rows = silver([*bars[:70], wrong, *bars[71:]])
    fixed = silver(bars)[70].with_columns(
        version=pl.lit(1, pl.Int32),
        known_at=pl.lit(START + 70 * DAY + timedelta(hours=3)).cast(SILVER_BARS["known_at"]),
    )
    both = pl.concat([rows, fixed]).sort("event_time", "version")
    result = looked_over(both)
    assert found(result) == [(70, "false_print", 71)]
    assert not result.versions["withdrawn"].any()
    assert standing(result, 70, START + 80 * DAY)["low"] == bars[70][2]


def test_a_bad_correction_is_found_too():
    bars = prices()
    wrong = bars[70].copy()
    wrong[2] = 0.01
    bad = silver([*bars[:70], wrong])[70].with_columns(
        version=pl.lit(1, pl.Int32),
        known_at=pl.lit(START + 90 * DAY).cast(SILVER_BARS["known_at"]),
    )
    result = looked_over(pl.concat([silver(bars), bad]).sort("event_time", "version"))
    assert found(result) == [(70, "false_print", 90)]
    assert standing(result, 70, START + 89 * DAY)["low"] == bars[70][2]
    assert standing(result, 70, START + 90 * DAY)["withdrawn"]


def test_bars_that_repeat_one_price_are_flagged_from_the_tenth_on():
    bars = prices()
    flat = [bars[49][3]] * 4
    result = looked_over([*bars[:50], *[flat] * 12, *bars[62:]])
    assert found(result) == [(place, "stale", place) for place in (58, 59, 60, 61)]
    assert set(result.findings["action"]) == {"flag"}
    few = looked_over([*bars[:50], *[flat] * 3, *bars[53:]], checks={"stale": {"bars": 4}})
    assert found(few) == [(52, "stale", 52)]


def test_volumes_of_another_order_are_flagged_where_a_session_begins():
    hour, count = timedelta(hours=1), 24 * 12
    volumes = [50.0 + place % 7 for place in range(count)]
    volumes = [v * (100 if 120 <= place < 240 else 1) for place, v in enumerate(volumes)]
    volumes[30:40] = [9000.0] * 10  # a spike within a session
    bars = prices(count)
    rows = silver(bars, step=hour, volumes=volumes).with_columns(
        session=pl.Series([date(2020, 1, 1) + DAY * (place // 24) for place in range(count)])
    )
    result = looked_over(rows, interval="1h", checks={"volume_unit_jump": {"bars": 20}})
    events = result.findings.select("event_time", "check", "known_at").rows()
    assert events == [
        (START + 120 * hour, "volume_unit_jump", START + 144 * hour),
        (START + 240 * hour, "volume_unit_jump", START + 264 * hour),
    ]
    assert "times 100.0" in result.findings["detail"][0]


def test_flags_of_the_contracts_are_findings_and_may_be_quarantined():
    flags = [[] for _ in range(30)]
    flags[5], flags[7] = ["crossed_quotes"], ["off_session", "crossed_quotes"]
    result = looked_over(
        prices(30), flags=flags, checks={"crossed_quotes": {"action": "quarantine"}}
    )
    assert result.findings.select("check", "action").rows() == [
        ("crossed_quotes", "quarantine"), ("crossed_quotes", "quarantine"),
        ("off_session", "quarantine"),
    ]  # fmt: skip
    assert result.findings["detail"][2] == "outside every session"
    # Withdrawn as soon as they were known, they are not there at all.
    assert len(result.versions) == 28
    assert not result.versions["withdrawn"].any()
    lenient = {"off_session": {"action": "flag"}}
    assert len(looked_over(prices(30), flags=flags, checks=lenient).versions) == 30


def test_a_bar_that_is_withdrawn_at_once_is_there_from_its_first_good_version_on():
    rows = silver(prices(30))
    crossed = pl.when(pl.col("event_time") == rows["event_time"][5])
    rows = rows.with_columns(flags=crossed.then(pl.lit(["crossed_quotes"])).otherwise("flags"))
    better = rows[5].with_columns(
        flags=pl.lit([], rows.schema["flags"]),
        version=pl.lit(1, rows.schema["version"]),
        known_at=rows["known_at"][9],
    )
    both = pl.concat([rows, better]).sort("event_time", "version")
    result = looked_over(both, checks={"crossed_quotes": {"action": "quarantine"}})
    (row,) = result.versions.filter(pl.col("event_time") == rows["event_time"][5]).rows(named=True)
    assert (row["version"], row["known_at"]) == (0, rows["known_at"][9])


def test_a_range_that_cannot_be_is_missing_when_it_is_read():
    rows, flags = prices(30), [[] for _ in range(30)]
    rows[5] = [100.0, 99.0, 98.0, 98.5]
    flags[5] = ["outside_range"]
    result = looked_over(rows, flags=flags)
    assert found(result) == [(5, "outside_range", 5)]
    assert result.findings["action"].to_list() == ["repair"]
    read = standing(result, 5, START + 5 * DAY)
    assert [read[name] for name in (*NAMES, "version")] == [100.0, None, None, 98.5, 0]
    as_came = looked_over(rows, flags=flags, checks={"outside_range": {"action": "flag"}})
    assert standing(as_came, 5, START + 5 * DAY)["high"] == 99.0
    gone = looked_over(rows, flags=flags, checks={"outside_range": {"action": "quarantine"}})
    assert len(gone.versions) == 29


def test_no_bars():
    result = looked_over(silver([]))
    assert (len(result.findings), len(result.versions)) == (0, 0)
    assert len(looked_over(silver(prices(1))).findings) == 0


PLANTS = st.lists(
    st.tuples(
        st.integers(1, 119),
        st.sampled_from(["up", "down", "wick", "spike", "flat", "late", "revised", "quarantined"]),
    ),
    max_size=12,
)


def planted(plants) -> pl.DataFrame:
    """Bars with errors, late bars and revisions, in the order that silver has them."""
    bars, known = prices(), [START + place * DAY for place in range(120)]
    flags: list[list[str]] = [[] for _ in bars]
    revised = []
    for place, plant in plants:
        bar = bars[place]
        if plant in {"up", "down"}:
            bars[place] = times(bar, 100 if plant == "up" else 0.01)
        elif plant == "wick":
            bars[place] = [bar[0], bar[1], bar[2] * 0.3, bar[3]]
        elif plant == "spike":
            bars[place] = times(bar, 1.5)
        elif plant == "flat":
            bars[place : place + 12] = [[bar[3]] * 4] * len(bars[place : place + 12])
        elif plant == "late":
            known[place] += (place % 9) * DAY
        elif plant == "quarantined":
            flags[place] = ["crossed_quotes"]
        else:
            revised.append(place)
    rows = [silver(bars, known=known, flags=flags)]
    for number, place in enumerate(sorted(set(revised))):
        later = known[place] + (number % 5) * DAY
        rows.append(
            rows[0][place].with_columns(
                pl.col(NAMES) * (100.0 if number % 2 else 1.3),
                version=pl.lit(1, pl.Int32),
                known_at=pl.lit(later).cast(SILVER_BARS["known_at"]),
            )
        )
    return pl.concat(rows).sort("event_time", "version")


@given(PLANTS, st.lists(st.integers(0, 130), min_size=1, max_size=4))
def test_what_is_found_by_a_moment_is_what_was_found_at_it(plants, moments):
    rows = planted(plants)
    checks = {"crossed_quotes": {"action": "quarantine"}, "false_print": {"sigmas": 8}}
    whole = looked_over(rows, checks=checks)
    for place in moments:
        moment = START + place * DAY
        then = looked_over(rows.filter(pl.col("known_at") <= moment), checks=checks)
        by_then = whole.findings.filter(pl.col("known_at") <= moment)
        assert then.findings.equals(by_then)
        known = whole.versions.filter(pl.col("known_at") <= moment)
        assert then.versions.equals(known)


@given(PLANTS)
def test_versions_of_a_bar_are_numbered_in_the_order_in_which_they_were_known(plants):
    versions = looked_over(planted(plants)).versions
    ordered = versions.sort("event_time", "version")
    assert ordered.equals(versions)
    within = pl.col("known_at").diff().over("event_time") < timedelta(0)
    assert not versions.select(within.any()).item()
    numbers = versions.select(pl.int_range(pl.len()).over("event_time").cast(pl.Int32))
    assert numbers.to_series().to_list() == versions["version"].to_list()
