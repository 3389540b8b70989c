"""The commands that look after the lake."""

from typing import Annotated

import typer

from truecast.cli.options import AsJson, open_workspace
from truecast.cli.output import print_json, table

app = typer.Typer(help="Look after the lake.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def lake() -> None:
    """Look after the lake."""


@app.command()
def optimize(
    forget_history: Annotated[
        bool,
        typer.Option(
            "--forget-history",
            help="Delete the files of older versions, too: what was forecast from them can then "
            "not be reproduced.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put small files of the tables together, and delete what no version needs.

    What a read returns stays the same, and writers at work meanwhile go on.
    """
    from dataclasses import asdict

    workspace = open_workspace()
    done = workspace.lake.optimize(forget_history=forget_history)
    if as_json:
        print_json({"lake": workspace.lake.url, "tables": [asdict(one) for one in done]})
        return
    table(
        f"Lake {workspace.lake.url}",
        ("table", "files", "files now", "MB", "MB now", "deleted", "MB deleted"),
        [
            (
                *(one.table, one.files_before, one.files_after),
                *(_megabytes(one.bytes_before), _megabytes(one.bytes_after)),
                *(one.removed_files, _megabytes(one.removed_bytes)),
            )
            for one in done
        ],
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f}"
