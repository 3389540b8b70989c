"""The command that builds a version again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from truecast.cli.options import AsJson, open_workspace
from truecast.cli.output import console, print_json, table

if TYPE_CHECKING:
    from truecast.pipelines.reproduce import Rebuilt, Reproduction


def reproduce(
    run: Annotated[
        str,
        typer.Argument(
            help="A version such as v9b18d82d2c39, or SLOT@VERSION.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Build a version again from the lake as it was known then, and compare what it says.

    Exit code 1 if it says something else.
    """
    from truecast.pipelines.reproduce import reproduce as step

    found = step(open_workspace(), run)
    if as_json:
        print_json(_document(found))
    else:
        _show(found)
    if not found.reproduced:
        raise typer.Exit(1)


def _document(found: "Reproduction") -> dict[str, Any]:
    return {
        "slot": str(found.slot),
        "version": found.version,
        "trained_through": found.trained_through.isoformat(),
        "reproduced": found.reproduced,
        "models": [
            {
                "label": one.label,
                "name": one.name,
                "rows": one.rows,
                "same": one.same,
                "difference": _finite(one.difference),
                "canary_difference": _finite(one.canary_difference),
                "tolerance": one.tolerance,
                "features": one.features,
            }
            for one in found.models
        ],
        "data_differs": list(found.differing),
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity: nothing stands for a difference that has no size."""
    return None if value == float("inf") else value


def _show(found: "Reproduction") -> None:
    table(
        f"{found.slot} {found.version}, as of {found.trained_through:%Y-%m-%d %H:%M} UTC",
        ("part", "model", "rows", "difference", "canary rows", "allowed", ""),
        [
            (
                one.label,
                one.name,
                one.rows,
                f"{one.difference:.2g}",
                f"{one.canary_difference:.2g}",
                f"{one.tolerance:g}",
                _verdict(one),
            )
            for one in found.models
        ],
    )
    for said in found.differing:
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    word = "reproduced" if found.reproduced else "NOT reproduced"
    console.print(f"\n{found.version}: [bold]{word}[/bold]", highlight=False)


def _verdict(one: "Rebuilt") -> str:
    if one.features is not None:
        return f"other features: {one.features}"
    if not one.same:
        return "says something else"
    return "equal to the bit" if one.difference == one.canary_difference == 0 else "the same"
