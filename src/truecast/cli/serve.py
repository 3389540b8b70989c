"""The command that serves forecasts over HTTP."""

from typing import Annotated

import typer

from truecast.cli.output import console
from truecast.core.settings import load_settings


def serve(
    host: Annotated[
        str,
        typer.Option("--host", help="Where others reach it, every request needs a key."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")
    ] = 8000,
) -> None:
    """Serve forecasts over HTTP; to this machine alone, unless another address is said.

    Ctrl-C ends it.
    """
    from truecast.serving.runner import serve as run

    def tell(address: str) -> None:
        console.print(
            f"Truecast answers at {address}\nDocumentation: {address}/docs",
            highlight=False,
            soft_wrap=True,
        )

    run(load_settings(), host, port, tell=tell)
