"""One function a command. What each needs is imported when it runs: ``--help`` is instant."""

from typing import Any

import typer

from truecast.cli.options import (
    AsJson,
    AsOf,
    ModelName,
    NewsName,
    RecipeName,
    SourceName,
    open_recipe,
    open_studies,
    open_workspace,
    read_moment,
)
from truecast.cli.output import (
    champion_document,
    console,
    print_json,
    progress_bars,
    show_checks,
    show_costs,
    show_forecasts,
    show_notices,
    table,
    version_document,
)
from truecast.core.errors import UsageError


def recipes(as_json: AsJson = False) -> None:
    """List the recipes that come with Truecast."""
    from truecast.core.recipe_files import load_recipe, shipped_recipes

    found = [load_recipe(name) for name in shipped_recipes()]
    if as_json:
        print_json(
            [
                {
                    "name": recipe.name,
                    "description": recipe.description,
                    "instruments": recipe.instruments,
                    "targets": [*recipe.targets],
                    "source": str(recipe.source),
                    "interval": recipe.interval,
                }
                for recipe in found
            ]
        )
        return
    table(
        "Recipes",
        ("name", "source", "instruments", "targets", "what it is"),
        [
            (
                recipe.name,
                recipe.source,
                ", ".join(recipe.instruments),
                ", ".join(recipe.targets),
                recipe.description,
            )
            for recipe in found
        ],
    )


def build(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Compute a recipe's features and outcomes, and write them to the lake.

    Series that the lake does not have yet are fetched first.
    """
    from dataclasses import asdict

    from truecast.features.warmup import warm_up
    from truecast.pipelines import stages
    from truecast.serving.planning import feature_plan

    loaded = open_recipe(recipe, source, news)
    stages.check_recipe(loaded)
    show_notices(stages.notices_of(loaded))
    workspace = open_workspace()
    with progress_bars() as bars:
        stages.fetch_missing(workspace, loaded, bars)
        warm_up(feature_plan(loaded)[0], bars)
    summaries = stages.build(workspace, loaded)
    if as_json:
        print_json({"recipe": loaded.name, "datasets": [asdict(one) for one in summaries]})
        return
    table(
        "Built",
        ("instrument", "rows", "features", "values present", "table"),
        [
            (one.instrument, one.rows, one.features, f"{one.present:.1%}", f"gold/{one.table}")
            for one in summaries
        ],
    )


def train(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Choose each slot's model on the validation rows, fit it on all that is known, register it.

    The champion stays: promote makes the new version the champion.
    """
    from truecast.pipelines.champions import train_slots

    with open_studies(open_recipe(recipe, source, news)) as studies:
        versions = train_slots(studies)
    if as_json:
        print_json(
            {"recipe": studies.recipe.name, "versions": [version_document(one) for one in versions]}
        )
        return
    table(
        "Trained",
        ("instrument", "forecast", "model", "version", "why"),
        [
            (
                one.slot.instrument,
                f"{one.slot.target}:{one.slot.horizon}",
                one.name,
                one.version,
                one.reason,
            )
            for one in versions
        ],
    )
    show_notices(
        [
            f"{one.slot}: {one.version} cannot be promoted: {one.blocked}"
            for one in versions
            if one.blocked
        ]
    )


def evaluate(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Judge every model beside the naive forecasts on identical dates."""
    from truecast.pipelines import stages

    with open_studies(open_recipe(recipe, source, news)) as studies:
        card, path = stages.evaluate_and_report(studies)
    if as_json:
        print_json(card.model_dump(mode="json", by_alias=True))
        return
    _show_card(card, path)


def run(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Do it all: ingest, build, train, evaluate, promote, predict, report."""
    from dataclasses import asdict

    from truecast.pipelines import stages

    with open_studies(open_recipe(recipe, source, news)) as studies:
        result = stages.run(studies)
    show_notices([f"{name}: {why}" for name, why in result.ingested.failed.items()])
    show_notices(result.held_back)
    if as_json:
        print_json(
            {
                **result.scorecard.model_dump(mode="json", by_alias=True),
                "forecasts": [one.model_dump(mode="json") for one in result.forecasts],
                "champions": [champion_document(one) for one in result.champions],
                "ingested": {name: asdict(one) for name, one in result.ingested.series.items()},
                "built": [asdict(one) for one in result.built],
                "report": str(result.report),
                "held_back": result.held_back,
                "stages": [asdict(one) for one in result.stages],
            }
        )
        return
    _show_card(result.scorecard, None)
    show_forecasts(result.forecasts)
    console.print()
    show_costs(result.stages)
    _show_paths(result.report)


def predict(
    recipe: RecipeName,
    as_of: AsOf = None,
    model: ModelName = None,
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
) -> None:
    """Say what comes next, or what would have been said in the past.

    Exit code 1 if an instrument lacks its newest bar: the others are forecast all the same.
    """
    from truecast.pipelines import predict as pipeline
    from truecast.pipelines import stages

    loaded = open_recipe(recipe, source, news)
    if as_of is not None and model is not None:
        raise UsageError("--as-of asks the models of then: leave --model out")
    if as_of is not None:
        with open_studies(loaded) as studies:
            found = pipeline.Predicted(pipeline.predict_as_of(studies, read_moment(as_of)))
    else:
        stages.check_recipe(loaded)
        workspace = open_workspace()
        if model is None:
            found = pipeline.predict_those_that_can(workspace, loaded)
        else:
            found = pipeline.Predicted(pipeline.predict_by(workspace, loaded, model))
    left_out = {str(slot): why for slot, why in found.left_out.items()}
    if as_json:
        said = [forecast.model_dump(mode="json") for forecast in found.forecasts]
        document = {"recipe": loaded.name, "forecasts": said}
        print_json({**document, "left_out": left_out} if left_out else document)
    else:
        show_forecasts(found.forecasts)
    show_notices([f"no forecast: {why}" for why in left_out.values()])
    if left_out:
        raise typer.Exit(1)


def report(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Show the newest scorecard, and where the report with its plots is."""
    from truecast.pipelines import stages

    loaded = open_recipe(recipe, source, news)
    workspace = open_workspace()
    card = stages.read_scorecard(workspace, loaded)
    if as_json:
        print_json(card.model_dump(mode="json", by_alias=True))
        return
    _show_card(card, workspace.report_folder(loaded) / stages.REPORT)


def verify(
    recipe: RecipeName, source: SourceName = None, news: NewsName = None, as_json: AsJson = False
) -> None:
    """Prove that nothing in a recipe sees the future. Exit code 1 if something does."""
    from truecast.pipelines.verify import verify as check

    with open_studies(open_recipe(recipe, source, news)) as studies:
        results = check(studies)
    passed = all(result.passed for result in results)
    if as_json:
        print_json(
            {
                "recipe": studies.recipe.name,
                "passed": passed,
                "checks": [vars(result) for result in results],
            }
        )
    else:
        show_checks(studies.recipe.name, results)
    if not passed:
        raise typer.Exit(1)


def _show_card(card: Any, path: Any) -> None:
    from truecast.evaluation.tables import scorecard_view

    console.print(scorecard_view(card))
    if path is not None:
        _show_paths(path)


def _show_paths(report: Any) -> None:
    """Say where the report is, and the model cards of the versions that it judges."""
    from truecast.pipelines.cards import CARDS

    console.print(f"\nReport: {report}", highlight=False, soft_wrap=True)
    cards = report.parent / CARDS
    if cards.is_dir():
        console.print(f"Model cards: {cards}", highlight=False, soft_wrap=True)
