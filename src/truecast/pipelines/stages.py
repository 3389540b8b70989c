"""The stages of a recipe, each a plain function that a flow, a test or the command line calls."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from truecast.core.clock import now
from truecast.core.errors import UsageError
from truecast.core.forecast import Forecast
from truecast.core.hashing import code_hash
from truecast.core.meter import StageCost
from truecast.core.progress import SILENT, Progress
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot, escape
from truecast.datasets.assembly import Dataset
from truecast.evaluation.metrics import metric_for
from truecast.evaluation.report import write_report
from truecast.evaluation.scorecard import Champion, Scorecard, SlotCard
from truecast.evaluation.scoring import SlotPlots, score_slot
from truecast.evaluation.slots import COMPARED
from truecast.features.plan import FeaturePlan
from truecast.lake.checks.options import ChecksOptions
from truecast.models.catalog import create
from truecast.pipelines.cards import write_cards
from truecast.pipelines.champions import (
    UNTRAINED,
    held_back,
    judge_versions,
    promote,
    train_slots,
)
from truecast.pipelines.fanout import walk
from truecast.pipelines.intake import Intake, take_in
from truecast.pipelines.judge import champion_importances, evaluated_rows
from truecast.pipelines.pool import forecasts_of
from truecast.pipelines.predict import predict_those_that_can
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher, Study
from truecast.pipelines.tuning import check_tuning
from truecast.registry.registry import ChampionRecord
from truecast.sentiment.catalog import open_scorer
from truecast.serving.errors import OverdueError, TrainedLaterError
from truecast.serving.planning import (
    champion_slots,
    feature_plan,
    left_out,
    reads_news,
    slots_of,
    source_of,
)
from truecast.serving.workspace import Workspace
from truecast.sources.base import SourceError
from truecast.sources.catalog import open_news_source
from truecast.training.transfer import check_transfer

SCORECARD, REPORT = "scorecard.json", "report.html"


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that names what does not exist, before any work is done.

    Raises
    ------
    UsageError
        Source, instrument, feature, model or parameter: with the nearest valid choice.
    """
    source_of(recipe)
    for choice in recipe.news:
        open_news_source(choice)
    open_scorer(recipe.sentiment)
    ChecksOptions.of(recipe.checks)
    feature_plan(recipe)
    for target, spec in recipe.targets.items():
        for choice in spec.models:
            create(choice, where=f"targets.{target}.models", target=target)
        metric_for(spec.select or COMPARED[target][0], target, where=f"targets.{target}.select")
    check_transfer(recipe)
    check_tuning(recipe)


def ingest(workspace: Workspace, recipe: Recipe, *, leaving_out: Collection[str] = ()) -> Intake:
    """Fetch a recipe's bars and news into the lake; see :func:`truecast.pipelines.intake.take_in`.

    Raises
    ------
    SourceError
        If the bars of a series could not be had. News that could not are in the result's
        ``failed``.
    """
    intake = take_in(workspace, recipe, leaving_out=leaving_out)
    if lost := {symbol: why for symbol, why in intake.failed.items() if symbol in intake.series}:
        raise SourceError("; ".join(f"{symbol}: {why}" for symbol, why in lost.items()))
    return intake


def fetch_missing(workspace: Workspace, recipe: Recipe, progress: Progress = SILENT) -> Intake:
    """Fetch the series that the lake has no bars of; where features read news, those too.

    News are scored where that has not been done; what the lake has is otherwise left alone.

    Raises
    ------
    SourceError
        If any of them could not be had.
    """
    lake, source = workspace.lake, source_of(recipe).name
    there = lake.series().filter(source=source, interval=recipe.interval)["instrument"]
    news, reads = [open_news_source(choice).name for choice in recipe.news], reads_news(recipe)
    needless = {name for name in news if not reads or lake.articles.taken_in(name)}
    intake = ingest(workspace, recipe, leaving_out={*there, *needless})
    if lost := [name for name in intake.failed if not lake.articles.taken_in(name)]:
        raise SourceError("; ".join(f"{name}: {intake.failed[name]}" for name in lost))
    _score_news(workspace, recipe, progress)
    return intake


def _score_news(workspace: Workspace, recipe: Recipe, progress: Progress) -> None:
    """Score the news that features read ahead of their first use, which would not show it."""
    if reads_news(recipe):
        workspace.stories(recipe, progress)


def notices_of(recipe: Recipe) -> tuple[str, ...]:
    """Say what a person should know of a recipe before it runs."""
    if without := left_out(recipe):
        return (f"no news are read: the features {', '.join(without)} are left out",)
    return ()


@dataclass(frozen=True)
class BuildSummary:
    """What a build wrote: rows, features, and the share of feature values that are there."""

    instrument: str
    rows: int
    features: int
    present: float
    table: str


def build(
    workspace: Workspace, recipe: Recipe, studies: Studies | None = None
) -> list[BuildSummary]:
    """Compute each instrument's features and outcomes, and write them to ``gold``.

    Parameters
    ----------
    workspace, recipe
        What is built, and where.
    studies : Studies or None
        Whose datasets are written, so that they are computed once; None to compute them here.
    """
    summaries = []
    studies = studies or Studies(workspace, recipe)
    for symbol in recipe.instruments:
        researcher = studies.researcher(symbol)
        dataset = researcher.dataset
        table = dataset_table(recipe, symbol)
        lineage = {**made_from(workspace, recipe, dataset.plan), **_scorer(dataset)}
        workspace.lake.write_gold(table, _gold_rows(researcher), lineage)
        present = float(np.isfinite(dataset.X).mean())
        summaries.append(
            BuildSummary(symbol, len(dataset), len(dataset.plan.names), present, table)
        )
    return summaries


def _scorer(dataset: Dataset) -> dict[str, str]:
    """Name what scored the news that were read, if any were."""
    news = dataset.market.news
    return {} if news is None else {"scorer": news.scorer}


def dataset_table(recipe: Recipe, symbol: str) -> str:
    """Name the gold table of an instrument's features and outcomes."""
    return f"datasets/{recipe.name}/{source_of(recipe).name}/{escape(symbol)}"


def made_from(workspace: Workspace, recipe: Recipe, plan: FeaturePlan) -> dict[str, str]:
    """Say what a dataset that is built now is made from: it is current while that is the same."""
    return {
        "recipe_hash": recipe.hash,
        "plan_hash": plan.hash,
        "code": code_hash(),
        **_versions(workspace),
    }


def _gold_rows(researcher: Researcher) -> pl.DataFrame:
    """Join decisions, features and what came of each, for whoever reads the lake."""
    recipe, dataset = researcher.recipe, researcher.dataset
    decisions = dataset.decisions
    columns: dict[str, pl.Series] = {
        "session": pl.Series(decisions.session),
        "event_time": pl.Series(decisions.event_time).dt.replace_time_zone("UTC"),
        "as_of": pl.Series(decisions.as_of).dt.replace_time_zone("UTC"),
        "part": _parts(researcher),
        **{name: pl.Series(dataset.X[:, place]) for place, name in enumerate(dataset.plan.names)},
    }
    for target, spec in recipe.targets.items():
        for horizon in spec.horizon:
            outcomes = dataset.outcomes(horizon)
            known_at = pl.Series(outcomes.known_at).dt.replace_time_zone("UTC")
            columns[f"outcome_{target}_{horizon}"] = pl.Series(dataset.response(target, outcomes))
            columns[f"outcome_known_at_{horizon}"] = known_at
    return pl.DataFrame(columns)


def _parts(researcher: Researcher) -> pl.Series:
    """Name the part of the split that each row is in."""
    names = np.full(len(researcher.dataset), None, dtype=object)
    for name in ("oot", "test", "validate", "train"):
        names[getattr(researcher.parts, name)] = name
    return pl.Series(names.tolist(), dtype=pl.String)


def evaluate(studies: Studies) -> tuple[Scorecard, list[SlotPlots]]:
    """Judge every model of every slot beside the naive forecasts, and count the trials."""
    workspace, recipe = studies.workspace, studies.recipe
    cards: list[SlotCard] = []
    plots: list[SlotPlots] = []
    walk(studies)
    for slot in champion_slots(recipe):
        study, researcher = studies.gated(slot), studies.researcher(slot.instrument)
        forecasts = forecasts_of(
            researcher,
            study,
            recipe,
            evaluated_rows(study),
            champion=_champion(workspace, recipe, study),
            trials=studies.trials(slot),
            importances=champion_importances(researcher, study),
            data_versions=_versions(workspace),
        )
        card, drawn = score_slot(forecasts)
        cards.append(card)
        plots.append(drawn)
    return Scorecard(
        recipe=recipe.name, as_of=now(), slots=tuple(cards), recipe_hash=recipe.hash
    ), plots


def _versions(workspace: Workspace) -> dict[str, str]:
    return {table: str(version) for table, version in workspace.lake.versions().items()}


def _champion(workspace: Workspace, recipe: Recipe, study: Study) -> Champion:
    """Name the model that is judged, and its version if it has been trained by this recipe."""
    name = study.champion
    trained = workspace.registry.candidate(study.slot, recipe.hash)
    version = trained.version if trained is not None and trained.name == name else UNTRAINED
    return Champion(name=name, version=version, model_type=study.choices[name].name)


def save_scorecard(workspace: Workspace, recipe: Recipe, card: Scorecard) -> Path:
    """Keep a scorecard, so that forecasts carry its verdicts."""
    path = workspace.report_folder(recipe) / SCORECARD
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(card.model_dump_json(by_alias=True, indent=2), encoding="utf-8")
    draft.replace(path)
    return path


def read_scorecard(workspace: Workspace, recipe: Recipe) -> Scorecard:
    """Read the newest scorecard of a recipe.

    Raises
    ------
    UsageError
        If there is none, or it is of another version of the recipe.
    """
    path = workspace.report_folder(recipe) / SCORECARD
    if not path.exists():
        raise UsageError(
            f"{recipe.name} has not been evaluated on {source_of(recipe).name}: "
            f"run `truecast run {recipe.typed}` or `truecast evaluate {recipe.typed}`"
        )
    try:
        card = Scorecard.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UsageError(
            f"{path} is not a scorecard ({str(error).splitlines()[0]}): "
            f"run `truecast evaluate {recipe.typed}`"
        ) from error
    if card.recipe_hash != recipe.hash:
        raise UsageError(
            f"{path} is of another version of the recipe: run `truecast evaluate {recipe.typed}`"
        )
    return card


def evaluate_and_report(
    studies: Studies, forecasts: Sequence[Forecast] = ()
) -> tuple[Scorecard, Path]:
    """Judge, keep the scorecard, and write the report with its plots and the model cards.

    Returns
    -------
    Scorecard, Path
        The figures, and the HTML file.
    """
    workspace, recipe = studies.workspace, studies.recipe
    card, plots = evaluate(studies)
    save_scorecard(workspace, recipe, card)
    judge_versions(workspace, card)
    path = write_report(workspace.report_folder(recipe) / REPORT, card, plots, forecasts)
    write_cards(studies, card, plots)
    return card, path


@dataclass(frozen=True)
class RunResult:
    """What a whole run leaves: bars, rows, champions, scorecard, report, forecasts.

    ``held_back`` says of versions that failed a gate why, and who answers instead, and why there is
    no forecast where there is none; ``stages`` what each stage took.
    """

    ingested: Intake
    built: list[BuildSummary]
    champions: list[ChampionRecord]
    scorecard: Scorecard
    report: Path
    forecasts: list[Forecast]
    held_back: list[str]
    stages: list[StageCost]


def run(studies: Studies) -> RunResult:
    """Do everything that a recipe asks for: from its source's bars to a report and a forecast.

    Parameters
    ----------
    studies : Studies
        Of the recipe, in a workspace; told of progress.
    """
    workspace, recipe = studies.workspace, studies.recipe

    def stage(name: str, hint: str = "") -> None:
        studies.progress.stage(name + hint)
        studies.meter.begin(name)

    check_recipe(recipe)
    stage("ingest")
    ingested = ingest(workspace, recipe)
    _score_news(workspace, recipe, studies.progress)
    stage("build", " (the first time on a machine compiles the features)")
    built = build(workspace, recipe, studies)
    stage("walk forward")
    walk(studies)
    stage("train")
    versions = train_slots(studies)
    stage("evaluate")
    card, plots = evaluate(studies)
    save_scorecard(workspace, recipe, card)
    judge_versions(workspace, card)
    stage("promote")
    champions = promote(workspace, recipe, versions)
    stage("predict")
    forecasts, overdue = _predicted(workspace, recipe)
    stage("report")
    report = write_report(workspace.report_folder(recipe) / REPORT, card, plots, forecasts)
    write_cards(studies, card, plots)
    held = [*held_back(workspace, recipe), *overdue]
    costs = studies.meter.end()
    return RunResult(ingested, built, champions, card, report, forecasts, held, costs)


def _predicted(workspace: Workspace, recipe: Recipe) -> tuple[list[Forecast], list[str]]:
    """Return the forecasts; or why there are none, which is no reason to end without a report.

    Training on minutes takes minutes, and a market may have closed: then newer bars are due. Of a
    pool an instrument may lack the bars of the others: then its newest are older than the fit.
    """
    then = f"then `truecast predict {recipe.typed}`"
    try:
        found = predict_those_that_can(workspace, recipe, _answering(workspace, recipe))
    except (OverdueError, TrainedLaterError) as error:
        return [], [f"no forecast: {error}; {then}"]
    return found.forecasts, [f"no forecast: {why}; {then}" for why in found.left_out.values()]


def _answering(workspace: Workspace, recipe: Recipe) -> list[Slot]:
    """Return the slots whose champion this version of the recipe trained: all, but for gates."""
    champions = {one.slot: one.version for one in workspace.registry.champions()}
    return [
        slot
        for slot in slots_of(recipe)
        if (seat := slot.pool if recipe.pooled else slot) in champions
        and workspace.registry.find(seat, champions[seat]).recipe_hash == recipe.hash
    ]
