"""The commands that send made-up articles."""

import time
from itertools import count as counting
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from truecast.cli.output import console, print_json
from truecast.core.errors import UsageError
from truecast.core.settings import load_settings

app = typer.Typer(
    help="Send made-up articles, to see how forecasts answer to news.",
    no_args_is_help=True,
)

Kind = Literal["positive", "negative", "neutral", "custom"]
To = Annotated[
    Path | None,
    typer.Option(
        "--to",
        help="NDJSON file that they are appended to; default: simulated-news.ndjson in the home.",
        show_default=False,
    ),
]


@app.command()
def news(
    kind: Annotated[Kind, typer.Option("--kind", help="What it says.")] = "positive",
    title: Annotated[
        str | None, typer.Option("--title", help="Headline of a custom article.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text of a custom article.")] = None,
    instrument: Annotated[str, typer.Option("--instrument", help="Whom it is about.")] = "^GSPC",
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="How many; default 1, or with --every until Ctrl-C."),
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", min=0.01, help="Seconds from one to the next.")
    ] = None,
    to: To = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write articles to a file that the news source `files` reads."""
    from truecast.sources.simulated.outbox import append

    path = _file(to)
    if json and every is not None and count is None:
        raise UsageError("--json with --every: say how many with --count, so that it ends")
    _check_words(kind, title, text)
    sent = []
    turns = range(count or 1) if every is None or count is not None else counting()
    for turn in turns:
        if turn and every is not None:
            time.sleep(every)
        article = _compose(kind, instrument, title, text)
        append(path, [article])
        if json:
            sent.append(article)
        else:
            score = article["sentiment_score"]
            console.print(
                f"{score:+.2f}  {escape(article['headline'])}", highlight=False, soft_wrap=True
            )
    if json:
        print_json({"file": str(path), "articles": sent})
    else:
        console.print(f"Written to {escape(str(path))}", highlight=False, soft_wrap=True)


@app.command()
def page(
    host: Annotated[
        str, typer.Option("--host", help="An address that only this machine reaches.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")
    ] = 5000,
    to: To = None,
) -> None:
    """Open a page that sends articles, one by one or as a stream. Ctrl-C ends it."""
    from truecast.serving.runner import run
    from truecast.serving.simulator import Simulator, create_simulator

    simulator = Simulator(_file(to))

    def tell(address: str) -> None:
        console.print(
            f"The news simulator answers at {address}\n"
            f"Articles go to {escape(str(simulator.path))}",
            highlight=False,
            soft_wrap=True,
        )

    run(lambda hosts: create_simulator(simulator, hosts=hosts), host, port, tell=tell)


def _file(to: Path | None) -> Path:
    from truecast.sources.simulated.outbox import FILE

    return (to or load_settings().home / FILE).expanduser().absolute()


def _check_words(kind: Kind, title: str | None, text: str | None) -> None:
    if kind == "custom" and not (title or text):
        raise UsageError("--kind custom: say what it says with --text, and --title if you like")
    if kind != "custom" and (title or text):
        raise UsageError(f"--title and --text are of --kind custom; this is --kind {kind}")


def _compose(kind: Kind, instrument: str, title: str | None, text: str | None) -> dict[str, Any]:
    from truecast.sources.simulated.outbox import compose, compose_custom

    if kind == "custom":
        return compose_custom(text or title or "", instrument, title)
    return compose(kind, instrument)
