"""The command ``inspect``: what would become of files of bars."""

from collections import Counter
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
import yaml
from rich.text import Text

from truecast.cli.options import AsJson
from truecast.cli.output import console, print_json, show_notices
from truecast.core.errors import UsageError
from truecast.core.interval import Interval

if TYPE_CHECKING:
    from truecast.pipelines.inspect import Inspection
    from truecast.pipelines.inspect_pairs import Pair

_COLOURS: Final = {
    "clean": "green",
    "repaired": "cyan",
    "flagged": "yellow",
    "quarantined": "magenta",
    "refused": "red",
}
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH... [OPTION=VALUE]...",
        help="Files, folders or archives; and options of the source files, such as "
        "timezone=America/New_York or scale=1e-5.",
        show_default=False,
    ),
]
IntervalText = Annotated[
    str | None,
    typer.Option("--interval", help="Length of the bars, such as 1m or 1d. Default: guessed."),
]


def inspect(paths: Words, interval: IntervalText = None, as_json: AsJson = False) -> None:
    """Say what would become of files of bars: clean, repaired, kept out in part, or refused.

    Nothing is written. The exit code is 1 if a file did not become what the fixed version beside
    it (X-fixed.csv beside X.csv) says.
    """
    from truecast.pipelines.inspect import inspect as step

    files, options = read_words(paths)
    found = step(files, options, None if interval is None else _interval(interval))
    if as_json:
        print_json({"files": [one.document() for one in found]})
    else:
        for one in found:
            _show(one, _short(one.file, files))
        counts = Counter(one.outcome for one in found).most_common()
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts)
        console.print(f"{len(found)} {'file' if len(found) == 1 else 'files'}: {said}",
                      highlight=False, soft_wrap=True)  # fmt: skip
        if any(one.outcome == "refused" for one in found):
            show_notices(["An option is typed as name=value, such as timezone=UTC or ticks=true."])
    if any(one.pair is not None and not one.pair.equal for one in found):
        raise typer.Exit(1)


def read_words(words: list[str]) -> tuple[list[Path], dict[str, Any]]:
    """Part what was typed into paths and options of the source ``files``.

    Raises
    ------
    UsageError
        If there is no path, or an option's value cannot be read.
    """
    from truecast.sources.files.options import FilesOptions

    paths, options = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in FilesOptions.model_fields and name != "path":
            options[name] = _value(word, value)
        else:
            paths.append(Path(word))
    if not paths:
        raise UsageError("give at least one file, folder or archive to inspect")
    return paths, options


def _value(word: str, value: str) -> Any:
    """Read an option's value; only mappings are more than text."""
    if not value.startswith("{"):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"{word}: expected a mapping such as columns={{close: Settle}}") from error


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError as error:
        raise UsageError(f"--interval {error}") from error


def _show(one: "Inspection", name: str) -> None:
    """Print a line about a file, and what was found in it below, indented."""
    line = Text.assemble((name, "bold"), "  ", (one.outcome, _COLOURS[one.outcome]))
    if not one.error:
        came_in = f"{one.bars:,} bars of {one.interval}"
        line.append(f"  {one.rows:,} rows, {came_in}")
    console.print(line, highlight=False, soft_wrap=True)
    for text in _what(one):
        for part in wrap(text, console.width - 2):
            console.print(f"  {part}", highlight=False, markup=False, soft_wrap=True)
    console.print()


def _short(file: str, paths: list[Path]) -> str:
    """Leave out the folder that was typed: a table has little room."""
    for path in paths:
        if path.is_dir() and file.startswith(f"{path}/"):
            return file[len(f"{path}/") :]
    return file


def _what(one: "Inspection") -> list[str]:
    """Say all that there is to say of one file, a line each."""
    if one.error:
        return [one.error]
    lines = []
    for counts, verb in (
        (one.quarantined, "kept out"),
        (one.repaired, "numbers repaired"),
        (one.flags, "flagged"),
    ):
        lines += [f"{count} {verb}: {name} ({one.examples[name]})" for name, count in
                  counts.items()]  # fmt: skip
    if one.duplicates:
        lines.append(f"{one.duplicates} repeated exactly")
    if one.actions:
        lines.append(f"{one.actions} splits, dividends and capital gains")
    if one.pair is not None:
        lines += _pair_lines(one.pair)
    return [*lines, *one.notes]


def _pair_lines(pair: "Pair") -> list[str]:
    name = Path(pair.fixed).name
    if pair.equal:
        return [f"equals the fixed version {name}"]
    return [
        f"differs from {name} in {one.column}: {one.rows} rows, "
        + (f"by {one.largest:.2g} at most, " if one.largest is not None else "")
        + f"first {one.first}"
        for one in pair.differences
    ]
