"""The commands that run a forecast's life: promote, roll back, replay, settle."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from truecast.cli.options import (
    AsJson,
    NewsName,
    RecipeName,
    SourceName,
    open_recipe,
    open_studies,
    open_workspace,
    read_day,
)
from truecast.cli.output import (
    champion_document,
    notes,
    print_json,
    show_notices,
    show_records,
    table,
)
from truecast.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from truecast.pipelines.settle import SettleSummary
    from truecast.registry.registry import ChampionRecord
    from truecast.serving.workspace import Workspace


def promote(
    recipe: RecipeName,
    version: Annotated[
        str | None,
        typer.Option("--version", help="A version, such as v2574ddc2aea5.", show_default=False),
    ] = None,
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
) -> None:
    """Make the newest trained version of each slot its champion, or the one that is named."""
    from truecast.pipelines.champions import held_back, named
    from truecast.pipelines.champions import promote as step

    loaded, workspace = open_recipe(recipe, source, news), open_workspace()
    versions = None if version is None else named(workspace, loaded, version)
    champions = step(workspace, loaded, versions, by_hand=version is not None)
    if version is None:
        show_notices(held_back(workspace, loaded))
    _show_champions(loaded.name, workspace, champions, as_json)


def rollback(
    recipe: RecipeName,
    target: Annotated[
        str | None, typer.Option("--target", help="Only this target.", show_default=False)
    ] = None,
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
) -> None:
    """Give each slot the champion back that it had before."""
    from truecast.pipelines.champions import rollback as step

    loaded, workspace = open_recipe(recipe, source, news), open_workspace()
    _show_champions(loaded.name, workspace, step(workspace, loaded, target), as_json)


def _show_champions(
    recipe: str, workspace: "Workspace", champions: "Sequence[ChampionRecord]", as_json: bool
) -> None:
    show_notices(workspace.registry.notices)
    if as_json:
        print_json({"recipe": recipe, "champions": [champion_document(one) for one in champions]})
        return
    table(
        "Champions",
        ("instrument", "forecast", "model", "version", "verdict", "why"),
        [
            (
                one.slot.instrument,
                f"{one.slot.target}:{one.slot.horizon}",
                one.name,
                one.version,
                one.skill or "not evaluated yet",
                one.reason,
            )
            for one in champions
        ],
    )


def replay(
    recipe: RecipeName,
    first: Annotated[
        str, typer.Option("--from", help="First session to forecast from.", show_default=False)
    ],
    last: Annotated[
        str, typer.Option("--to", help="Last session to forecast from.", show_default=False)
    ],
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
) -> None:
    """Forecast every session of the past by models of then, settle each, show the track record."""
    from truecast.pipelines.replay import replay as step

    begin, end = read_day(first, "--from"), read_day(last, "--to")
    if begin > end:
        raise UsageError(f"--from {begin} lies after --to {end}")
    with open_studies(open_recipe(recipe, source, news)) as studies:
        result = step(studies, begin, end)
    if as_json:
        print_json(
            {
                "recipe": studies.recipe.name,
                "from": result.first.isoformat(),
                "to": result.last.isoformat(),
                "forecasts": result.forecasts,
                "added": result.added,
                **_settled_document(result.settled),
                "track_record": [one.model_dump(mode="json") for one in result.records],
            }
        )
        return
    show_records(
        f"{studies.recipe.name}: {result.forecasts} forecasts from {result.first} to "
        f"{result.last}, {result.added} new in the ledger",
        result.records,
    )
    _show_waiting(result.settled)


def settle(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Write down what came of every forecast that is due, and show the track record."""
    from truecast.core.forecast import Mode
    from truecast.ledger.query import Query
    from truecast.pipelines.replay import records_of
    from truecast.pipelines.settle import settle as step
    from truecast.serving.planning import source_of

    loaded, workspace = open_recipe(recipe, source, news), open_workspace()
    summary = step(workspace, workspace.ledger, loaded)
    source_name = source_of(loaded).name
    records = [
        record
        for mode in get_args(Mode)
        for record in records_of(
            workspace, loaded, Query(recipe=loaded.name, source=source_name, mode=mode)
        )
    ]
    if as_json:
        print_json(
            {
                "recipe": loaded.name,
                **_settled_document(summary),
                "track_record": [one.model_dump(mode="json") for one in records],
            }
        )
        return
    show_records(f"{loaded.name}: {summary.settled} of {summary.due} due settled", records)
    _show_waiting(summary)


def _settled_document(summary: "SettleSummary") -> dict[str, Any]:
    return {
        "due": summary.due,
        "settled": summary.settled,
        "waiting": [
            {"slot": slot, "predicted_date": day.isoformat(), "why": why}
            for slot, day, why in summary.waiting
        ],
    }


def _show_waiting(summary: "SettleSummary") -> None:
    """Say which forecasts stay open, those with one reason in one line."""
    reasons = Counter((one.predicted_date, one.why) for one in summary.waiting)
    for (day, why), count in reasons.items():
        what = "1 forecast" if count == 1 else f"{count} forecasts"
        notes.print(f"{what} for {day} open: {why}", highlight=False, markup=False)
