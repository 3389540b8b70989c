"""The model card of one version: what it was made from, how right it was, what it cannot do.

After Mitchell et al. (2019), "Model cards for model reporting". A card is a JSON document and a
page that shows the same; its figures are those of the scorecard that judged the version.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from truecast.core.hashing import hash_of
from truecast.evaluation import words
from truecast.evaluation.plots import figures
from truecast.evaluation.report import replace_file, template
from truecast.evaluation.scorecard import CardPart, ModelCard, SlotCard, Window
from truecast.evaluation.scoring import SlotPlots
from truecast.evaluation.svg import WIDTH, to_svg

CARD_JSON, CARD_HTML = "card.json", "card.html"


class CardData(CardPart):
    """What taught a version.

    ``series`` maps each series to the fingerprint of its bars as they were known at the fit;
    ``rows`` counts training rows, decided from ``trained_from`` on; nothing that became known after
    ``trained_through`` was seen. ``assumed_share`` is the share of the bars whose ``known_at`` was
    assumed.
    """

    series: dict[str, str]
    rows: int
    trained_from: AwareDatetime
    trained_through: AwareDatetime
    assumed_share: float | None
    simulated: bool
    provenance: dict[str, str]


class CardGates(CardPart):
    """What the recipe's gates asked, and what was measured; ``blocked`` says which failed."""

    asked: dict[str, Any]
    found: dict[str, float]
    blocked: str | None


class VersionCard(CardPart):
    """The model card of one version.

    ``role`` says whether it served the slot when the card was made. ``reason`` is why it was
    chosen, or not; ``held`` why it does not take the champion's place. ``features`` are its
    columns in order, ``window`` the rows of them that a forecast needs, ``parameters`` what it was
    built with. ``model`` holds its losses on the walk-forward of ``window_judged``, made by models
    fitted before each row and not by this version; ``baselines`` those of the naive forecasts on
    identical dates. ``importances`` are by feature: how much more this version loses on rows of the
    same window if the feature is shuffled.
    """

    slot: str
    instrument: str
    target: str
    horizon: int
    name: str
    model_type: str
    version: str
    role: Literal["champion", "candidate"]
    recipe: str
    recipe_hash: str
    made_at: AwareDatetime
    reason: str
    held: str | None
    skill: str
    data: CardData
    features: tuple[str, ...]
    window: int
    parameters: dict[str, Any]
    split: dict[str, Any]
    evaluate: dict[str, Any]
    metric: str
    window_judged: Window
    model: ModelCard
    baselines: tuple[ModelCard, ...]
    gates: CardGates
    importances: dict[str, float] = Field(default_factory=dict)
    limits: tuple[str, ...]
    licence: str = (
        "None is granted with this card, neither for the data, whose owners set its terms, nor for "
        "what is forecast from it. It is no advice to buy or sell anything."
    )

    @property
    def digest(self) -> str:
        """SHA-256 of all but the moment: two cards of one digest say the same."""
        return hash_of(self.model_dump(mode="json", exclude={"made_at"}))


def write_card(folder: Path, card: VersionCard, slot: SlotCard, plots: SlotPlots) -> Path:
    """Write a card as JSON and as a page, and each of its plots as a picture of its own.

    Parameters
    ----------
    folder : Path
        Of this version alone; made if it is missing.
    card : VersionCard
        What to write.
    slot : SlotCard
        The scorecard of its slot, with the version as the champion.
    plots : SlotPlots
        What to draw, likewise.

    Returns
    -------
    Path
        The page. It needs nothing beside it, and asks nobody for anything.
    """
    drawn = figures(slot, plots)
    html = template("card.html.j2").render(
        card=card,
        slot=slot,
        words=words,
        plots={
            # The first is as wide as the page.
            title: to_svg(figure, title, width=WIDTH if place else 2 * WIDTH)
            for place, (title, figure) in enumerate(drawn.items())
        },
        metrics=words.table_metrics(card.model),
        sentence=words.verdict_sentence(slot),
        beside=[one for one in card.model.versus if one.metric == card.metric],
    )
    for title, figure in drawn.items():
        replace_file(folder / f"{_file_name(title)}.svg", to_svg(figure, title, alone=True))
    replace_file(folder / CARD_JSON, card.model_dump_json(by_alias=True, indent=2))
    return replace_file(folder / CARD_HTML, html)


def read_card(folder: Path) -> VersionCard | None:
    """Read a card back; None if there is none that this version of Truecast understands."""
    try:
        return VersionCard.model_validate_json((folder / CARD_JSON).read_bytes())
    except (OSError, ValueError):
        return None


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def as_champion(slot: SlotCard, name: str, version: str) -> SlotCard:
    """Return a slot's scorecard as it would be if another of its models were the champion.

    Parameters
    ----------
    slot : SlotCard
        The scorecard.
    name, version : str
        One of its models, and the version that the card is about.
    """
    model = slot.by_name[name]
    champion = slot.champion.model_copy(
        update={"name": name, "version": version, "model_type": model.model_type}
    )
    return slot.model_copy(update={"champion": champion, "intervals": model.intervals})


def card_limits(slot: SlotCard, features: tuple[str, ...], others: Mapping[str, str]) -> list[str]:
    """Say in plain words what a version cannot do.

    Parameters
    ----------
    slot : SlotCard
        With the version as the champion.
    features : tuple of str
        Its columns.
    others : mapping of str to str
        The series that taught it.
    """
    said = []
    if slot.judged.verdict == "no skill shown":
        said.append(
            "It has not been shown to know more than the naive forecast beside it. Whoever acts on "
            "it acts on chance, and pays for it."
        )
    about = "several instruments" if slot.instrument == "pooled" else slot.instrument
    said.append(
        f"It was taught by {about} alone, {slot.horizon} "
        f"{'bar' if slot.horizon == 1 else 'bars'} ahead; of any other instrument, horizon or "
        "length of bar it knows nothing."
    )
    columns = f"{len(features)} {'column' if len(features) == 1 else 'columns'}"
    said.append(
        f"It sees {columns} computed from {', '.join(others)} and nothing else: no event that has "
        "not moved these yet, no order book, no position of anybody's."
    )
    said.append(
        "It learned from the past of one market. When the market changes in a way that it has not "
        "done before, the figures on this card do not hold; the track record of what was issued "
        "shows it first."
    )
    return [*said, *words.limits(slot)]
