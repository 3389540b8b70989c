"""The command ``inspect``: what would become of files of bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from truecast.cli.options import AsJson
from truecast.cli.output import print_json, show_notices, table
from truecast.core.errors import UsageError
from truecast.core.interval import Interval

if TYPE_CHECKING:
    from truecast.pipelines.inspect import Inspection
    from truecast.pipelines.inspect_pairs import Pair

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
        table(
            f"{len(found)} files",
            ("file", "outcome", "rows", "bars", "interval", "what"),
            [(_short(one.file, files), one.outcome, one.rows, one.bars, one.interval, _what(one))
             for one in found],
        )  # fmt: skip
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


def _short(file: str, paths: list[Path]) -> str:
    """Leave out the folder that was typed: a table has little room."""
    for path in paths:
        if path.is_dir() and file.startswith(f"{path}/"):
            return file[len(f"{path}/") :]
    return file


def _what(one: "Inspection") -> str:
    """Say all that there is to say of one file, a line each."""
    if one.error:
        return one.error
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
    return "\n".join([*lines, *one.notes])


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
