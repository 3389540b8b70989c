"""The command that says which states of the market a hidden Markov model sees."""

from typing import Any

from truecast.cli.options import (
    AsJson,
    NewsName,
    RecipeName,
    SourceName,
    open_recipe,
    open_workspace,
)
from truecast.cli.output import console, print_json, table
from truecast.core.labels import REGIMES


def regimes(
    recipe: RecipeName,
    source: SourceName = None,
    news: NewsName = None,
    as_json: AsJson = False,
) -> None:
    """Say which state of the market it is by a recipe's hidden Markov models, and what they are.

    With --json also how likely each state was at every decision, from bars up to it alone.
    """
    from truecast.pipelines.regimes import regimes as step

    loaded = open_recipe(recipe, source, news)
    found = step(open_workspace(), loaded)
    if as_json:
        print_json({"recipe": loaded.name, "regimes": found})
        return
    for one in found:
        _show(one)


def _show(found: dict[str, Any]) -> None:
    now = found["now"]
    if now is not None:
        chances = ", ".join(f"{name} {now['probabilities'][name]:.3f}" for name in REGIMES)
        console.print(
            f"{found['slot']}: [bold]{now['state']}[/bold] after {now['session']} ({chances})",
            highlight=False,
            soft_wrap=True,
        )
    table(
        f"States by {found['model']} {found['version']}",
        ("state", "mean return", "volatility", "share", "bars it lasts"),
        [
            (
                state["regime"],
                f"{state['mean_return']:.3f}%",
                f"{state['volatility']:.3f}%",
                f"{state['share']:.1%}",
                f"{state['mean_duration']:.1f}",
            )
            for state in found["states"]
        ],
    )
    for title, chances in (
        ("The state of the next bar", found["transitions"]),
        ("The regime that comes of it", found["follows"]),
    ):
        shares = [[f"{chance:.1%}" for chance in row] for row in chances]
        rows = [(name, *row) for name, row in zip(REGIMES, shares, strict=True)]
        table(title, ("after state", *REGIMES), rows)
