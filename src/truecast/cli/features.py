"""The commands about features: what there is, and the online store."""

from typing import TYPE_CHECKING, Annotated

import typer

from truecast.cli.options import (
    AsJson,
    NewsName,
    RecipeName,
    SourceName,
    open_recipe,
    open_workspace,
)
from truecast.cli.output import console, print_json, progress_bars, show_notices, table
from truecast.core.errors import UsageError

if TYPE_CHECKING:
    from truecast.pipelines.featurestore.lineage import Lineage

app = typer.Typer(
    help="List the features; push a recipe's newest rows into the online store, and read them.",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def features(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Option("--set", help="Only the features of this set.", show_default=False)
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Those of this recipe, your own among them.", show_default=False),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Say all of one feature, such as rsi_14.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the features: inputs, lookback, unit, formula and source of each."""
    if context.invoked_subcommand is not None:
        if as_json or any(one is not None for one in (name, recipe, explain)):
            raise UsageError(f"features: options of {context.invoked_subcommand} come after it")
        return
    if sum(one is not None for one in (name, recipe, explain)) > 1:
        raise UsageError("--set, --recipe and --explain: give one of them")
    rows = _described(name, recipe, explain)
    if as_json:
        print_json(rows)
        return
    if explain is not None:
        table(explain, ("", ""), [(key, _plain(value)) for key, value in rows[0].items()])
        return
    table(
        f"Features{f' of {name or recipe}' if name or recipe else ''}",
        ("name", "lookback", "unit", "formula"),
        [(row["name"], row["lookback"], row["unit"], row["formula"]) for row in rows],
    )


def _described(
    name: str | None, recipe: str | None, explain: str | None
) -> list[dict[str, object]]:
    from truecast.features.catalog import SETS, all_features, description, resolve
    from truecast.serving.planning import feature_plan

    if recipe is not None:
        return description(features=feature_plan(open_recipe(recipe, None, None))[0].features)
    if explain in SETS:
        raise UsageError(f"--explain: {explain} is a set of features: use --set {explain}")
    if explain is not None:
        listed = [feature for feature in all_features() if feature.name == explain]
        return description(features=listed or [resolve(explain, {}, None, "--explain")])
    return description(name)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command()
def push(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Bring a recipe's newest feature rows into the online store (Feast: SQLite, or Redis).

    What is missing is fetched and built first.
    """
    from truecast.pipelines import stages
    from truecast.pipelines.featurestore.library import load_feast
    from truecast.pipelines.featurestore.push import push as push_rows
    from truecast.pipelines.featurestore.store import place_of

    load_feast()  # before anything is fetched
    loaded = open_recipe(recipe, source, news)
    show_notices(stages.notices_of(loaded))
    stages.check_recipe(loaded)
    workspace = open_workspace()
    with progress_bars() as bars:
        stages.fetch_missing(workspace, loaded, bars)
        lineage = push_rows(workspace, loaded, bars)
    if as_json:
        print_json(lineage.model_dump(mode="json"))
        return
    table(
        f"Pushed {lineage.features} features as {lineage.view} to {place_of(workspace, loaded)}",
        ("instrument", "newest bar", "usable from", "rows", "table"),
        [
            (
                symbol,
                f"{one.event_time:%Y-%m-%d %H:%M}",
                f"{one.as_of:%Y-%m-%d %H:%M}",
                f"{one.rows:,}",
                f"gold/{one.gold} @ {one.gold_version}",
            )
            for symbol, one in lineage.series.items()
        ],
    )
    _say_lineage(lineage)


@app.command()
def get(
    recipe: RecipeName,
    instrument: Annotated[
        str, typer.Argument(help="One of the recipe's instruments.", show_default=False)
    ],
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
) -> None:
    """Read an instrument's newest feature row from the online store."""
    from math import isnan

    from truecast.pipelines.featurestore.read import online_row
    from truecast.pipelines.featurestore.store import open_store

    loaded = open_recipe(recipe, source, news)
    with open_store(open_workspace(), loaded) as store:
        row = online_row(store, loaded, instrument)
    values = {name: None if isnan(value) else value for name, value in row.values.items()}
    if as_json:
        print_json(
            {
                "recipe": loaded.name,
                "instrument": row.instrument,
                "event_time": row.event_time.isoformat(),
                "as_of": row.as_of.isoformat(),
                "expired": row.expired,
                "features": values,
                "lineage": row.lineage.model_dump(mode="json"),
            }
        )
        return
    table(
        row.instrument,
        ("feature", "value"),
        [(name, "missing" if value is None else f"{value:.6g}") for name, value in values.items()],
    )
    expired = ", expired: too old to be the newest of a source that goes on" if row.expired else ""
    _say(
        f"bar of {row.event_time:%Y-%m-%d %H:%M} UTC, "
        f"usable from {row.as_of:%Y-%m-%d %H:%M}{expired}"
    )
    _say_lineage(row.lineage)


def _say_lineage(lineage: "Lineage") -> None:
    """Print what the rows are made from."""
    tables = {
        f"{name} @ {version}"
        for one in lineage.series.values()
        for name, version in one.made_from.items()
        if "/" in name
    }
    _say(
        f"definitions {lineage.definition_hash[:12]}, recipe {lineage.recipe_hash[:12]}, "
        f"from {', '.join(sorted(tables))}, pushed {lineage.pushed_at:%Y-%m-%d %H:%M} UTC"
    )


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
