"""The program ``truecast``."""

import io
import sys
from typing import Annotated

import typer

import truecast
from truecast.cli import (
    commands,
    data,
    doctor,
    features,
    inspect,
    keys,
    lake,
    mlflow,
    operate,
    regimes,
    reproduce,
    serve,
    simulate,
)
from truecast.core.errors import TruecastError, UsageError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="truecast",
    help="Forecast markets, and keep an honest record of how right it was.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    commands.recipes,
    data.ingest,
    commands.build,
    commands.train,
    commands.evaluate,
    operate.promote,
    operate.rollback,
    commands.run,
    commands.predict,
    operate.replay,
    operate.settle,
    serve.serve,
    mlflow.mlflow,
    commands.report,
    commands.verify,
    reproduce.reproduce,
    regimes.regimes,
    inspect.inspect,
):
    app.command()(command)
app.add_typer(features.app, name="features")
app.add_typer(doctor.app, name="doctor")
app.add_typer(lake.app, name="lake")
app.add_typer(keys.app, name="keys")
app.add_typer(simulate.app, name="simulate")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"truecast {truecast.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Forecast markets, and keep an honest record of how right it was."""
    del version


def main() -> None:
    """Run the program: exit code 0, 1 if the work failed, 2 if what was asked for is wrong."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign shows ``?`` for it: no reason to fail.
            stream.reconfigure(errors="replace")
    try:
        app()
    except UsageError as error:
        sys.exit(_complain(error, WRONG_USE))
    except TruecastError as error:
        sys.exit(_complain(error, FAILED))
    except OSError as error:
        sys.exit(_complain(TruecastError(f"{error.filename or 'disk'}: {error.strerror}"), FAILED))
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what typer makes of Ctrl-C, without a word
            sys.stderr.write("interrupted: nothing was left half-written\n")
        raise


def _complain(error: TruecastError, code: int) -> int:
    # One line, also where a library's own words in it are several.
    sys.stderr.write(f"error: {' '.join(str(error).splitlines())}\n")
    return code
