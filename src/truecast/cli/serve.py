"""The command that serves forecasts over HTTP."""

from typing import Annotated

import typer

from truecast.cli.options import open_recipe, open_studies, read_day
from truecast.cli.output import console
from truecast.core.errors import UsageError
from truecast.core.settings import load_settings


def serve(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="With --replay: a shipped recipe, or a YAML file. [default: sp500-daily]",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Where others reach it, every request needs a key."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")
    ] = 8000,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            help="Live through the past from this session on (2018-01-02), by models of then.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option("--speed", min=0.001, help="With --replay: seconds of then in one of now."),
    ] = 1.0,
) -> None:
    """Serve forecasts over HTTP; to this machine alone, unless another address is said.

    New bars and news are fetched when they are due, and forecasts issued from them. Ctrl-C ends it.
    """
    from truecast.serving.feed.feed import Feed
    from truecast.serving.runner import serve as run

    def tell(address: str) -> None:
        console.print(
            f"Truecast answers at {address}\nDocumentation: {address}/docs",
            highlight=False,
            soft_wrap=True,
        )

    if replay is None:
        if recipe is not None or speed != 1:
            raise UsageError("a recipe and --speed are for --replay: say --replay DATE too")
        run(load_settings(), host, port, live=Feed, tell=tell)
        return
    from truecast.pipelines.replayfeed import ReplayFeed
    from truecast.serving.answering.choosing import DEFAULT_RECIPE

    with open_studies(open_recipe(recipe or DEFAULT_RECIPE, None, None)) as studies:
        past = ReplayFeed(studies, read_day(replay, "--replay"), speed)
    run(load_settings(), host, port, live=past.attend, tell=tell)
