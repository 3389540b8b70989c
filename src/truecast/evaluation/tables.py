"""Scorecards for the terminal: 80 columns, and as clear without colour."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from truecast.evaluation.scorecard import IntervalCard, ModelCard, Scorecard, SlotCard
from truecast.evaluation.significance import Versus
from truecast.evaluation.slots import one_of
from truecast.evaluation.words import (
    between,
    figure,
    horizon_text,
    label,
    minus,
    share,
    signed,
    verdict_sentence,
)

#: The losses that a terminal has room for, after the deciding one.
_SHOWN = {
    "price": ("mape", "mase"),
    "return": ("mse", "r2_oos"),
    "direction": ("brier", "auc"),
    "regime": ("error_rate", "balanced_accuracy"),
    "volatility": ("qlike_gk", "qlike_r2"),
}


def scorecard_view(card: Scorecard) -> Group:
    """Return the whole scorecard, to be printed with rich.

    Parameters
    ----------
    card : Scorecard
        All slots of a recipe.
    """
    return Group(*(part for slot in card.slots for part in (*slot_view(slot), Text())))


def slot_view(card: SlotCard) -> tuple[Text, Table, Text]:
    """Return one slot: its verdict in words, its models, its intervals.

    Parameters
    ----------
    card : SlotCard
        A slot's scorecard.
    """
    good = card.judged.verdict == "beats naive"
    head = Text()
    head.append(f"{card.instrument} {card.target}, {horizon_text(card.horizon)}", style="bold")
    head.append(f"  {card.window.from_} to {card.window.to}, {card.window.n:,} forecasts\n", "dim")
    head.append(verdict_sentence(card), style="green" if good else "yellow")
    return head, _models(card), _intervals(card.intervals)


def _models(card: SlotCard) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown = [name for name in _SHOWN[card.target] if name in card.judged.losses]
    table.add_column("model", no_wrap=True)
    for name in shown:
        table.add_column(label(name), justify="right", no_wrap=True)
    baseline = one_of(card.baselines)
    table.add_column(f"better than {baseline}\nby, 95% interval", justify="right", no_wrap=True)
    table.add_column("DM", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for model in sorted(card.models, key=lambda one: _deciding_loss(card, one)):
        champion = model.name == card.champion.name
        row: list[str | Text] = [Text(f"{'*' if champion else ' '} {model.name}", _style(model))]
        row += [figure(name, model.losses[name]) for name in shown]
        row += _beside(card, model, baseline)
        table.add_row(*row, Text(model.verdict, _style(model)))
    return table


def _deciding_loss(card: SlotCard, model: ModelCard) -> float:
    value = model.losses[card.metric]
    return float("inf") if value is None else value


def _style(model: ModelCard) -> str:
    return {"beats naive": "green", "baseline": "dim"}.get(model.verdict, "")


def _beside(card: SlotCard, model: ModelCard, baseline: str) -> list[str | Text]:
    found: Versus | None = next(
        (one for one in model.versus if (one.baseline, one.metric) == (baseline, card.metric)),
        None,
    )
    if found is None:
        return ["", ""]
    # Whole percents where the tenths are noise.
    places = 0 if max(map(abs, found.ci95)) >= 10 else 1
    text = f"{signed(found.improvement_pct, places)}% ({between(*found.ci95, places)})"
    return [text, minus(f"{found.dm:.1f}")]


def _intervals(card: IntervalCard | None) -> Text:
    if card is None:
        return Text("* champion", style="dim")
    parts = [
        f"* champion; {share(card.nominal, 0)} intervals held {share(card.coverage)}",
        f"top volatility third {share(card.coverage_top_volatility_tercile)}",
        f"worst 250 {share(card.min_coverage_250)}",
        f"Winkler {card.winkler:.2f}",
        *([f"CRPS {card.crps:.3f}"] if card.crps is not None else []),
    ]
    return Text(", ".join(parts), style="dim")
