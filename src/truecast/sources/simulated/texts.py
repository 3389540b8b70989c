"""The words of made-up articles: what each says of an instrument is plain to a lexicon."""

import re
from dataclasses import dataclass
from typing import Literal

Sentiment = Literal["positive", "negative", "neutral"]

#: The address of articles: a name that is reserved for examples, so it leads nowhere.
ADDRESS = "https://news.example"
PUBLISHER = "simulated"

# Shares no factor with the number of wordings: numbers that follow one another are far apart.
_STRIDE = 1_540_483
_FIGURES = 999

#: Headline and body. ``{a}`` and ``{b}`` are figures from 0.1 to 99.9, which make two headlines
#: of one kind two stories.
_WORDS: dict[Sentiment, tuple[tuple[str, str], ...]] = {
    "positive": (
        (
            "{name} beats expectations: profit gains {a} percent, margin improves to {b} percent",
            "{name} reported excellent results and strong growth. Analysts praised the "
            "outstanding progress and see further gains ahead.",
        ),
        (
            "{name} surges {a} percent after strong results and a {b} percent higher outlook",
            "Investors welcomed the great improvement. The rally lifted {name} to a record high, "
            "and confidence is strong.",
        ),
        (
            "Upgrade for {name}: strong demand, profitable growth of {a} percent, gain of {b}",
            "Analysts are optimistic and expect better profits. The outlook for {name} is very "
            "positive.",
        ),
        (
            "Record success for {name}: best profit ever, up {a} percent, with rewards of {b}",
            "The impressive achievement exceeded all hopes. {name} is winning, efficient and "
            "stronger than ever.",
        ),
    ),
    "negative": (
        (
            "{name} misses expectations: loss widens {a} percent, margin weakens by {b} percent",
            "{name} reported terrible results and a severe decline. Analysts criticised the "
            "failure and fear further losses ahead.",
        ),
        (
            "{name} plunges {a} percent after weak results and a {b} percent worse outlook",
            "Investors were alarmed by the bad deterioration. The slump pulled {name} to a low, "
            "and fear is growing.",
        ),
        (
            "Downgrade for {name}: weak demand, unprofitable decline of {a} percent, loss of {b}",
            "Analysts are pessimistic and expect worse losses. The outlook for {name} is very "
            "negative.",
        ),
        (
            "Fraud lawsuit hits {name}: worst loss ever, down {a} percent, with damages of {b}",
            "The disastrous scandal hurt all hopes. {name} is in trouble, suffering and weaker "
            "than ever.",
        ),
    ),
    "neutral": (
        (
            "{name} holds its meeting on item {a}; the agenda has number {b}",
            "The meeting takes place as scheduled. Documents are available at the office.",
        ),
        (
            "{name} publishes its calendar for the coming year, edition {a}, document {b}",
            "The calendar lists the dates of reports and meetings.",
        ),
        (
            "{name} files its regular report {a} with the authority, reference {b}",
            "The report has the usual sections. The next one follows on its usual date.",
        ),
        (
            "{name} moves its office to room {a}, building {b}",
            "The address changes at the end of the month. The telephone number stays the same.",
        ),
    ),
}

#: Words of opinion, by which an article of a person's own is scored.
_GOOD = (
    "beat beats best better boom boost bullish climb climbs confidence efficient excellent exceed "
    "exceeded gain gains good great grow growth high higher impressive improve improved "
    "improvement improves jump jumps optimistic outperform outstanding positive praised profit "
    "profitable profits progress rally record rise rises soar soars strong stronger success surge "
    "surges up upgrade upgraded win winning"
)
_BAD = (
    "alarmed bad bankruptcy bearish collapse crash crisis criticised cut cuts damages decline "
    "declines deterioration disastrous down downgrade downgraded drop drops fail failure fall "
    "falls fear fears fraud hurt lawsuit loss losses low lower miss misses negative pessimistic "
    "plunge plunges recession scandal severe slump suffering terrible trouble unprofitable weak "
    "weaker weakens worse worst"
)


@dataclass(frozen=True)
class Text:
    """What an article says: headline and body."""

    title: str
    body: str


def write_text(sentiment: Sentiment, name: str, number: int) -> Text:
    """Write an article.

    Parameters
    ----------
    sentiment : {"positive", "negative", "neutral"}
        What it says.
    name : str
        Of whom.
    number : int
        The article's: nearly four million numbers have each a wording of their own.

    Examples
    --------
    >>> write_text("neutral", "SIM001", 0).title
    'SIM001 holds its meeting on item 0.1; the agenda has number 0.1'
    """
    choices = _WORDS[sentiment]
    rest, place = divmod(number * _STRIDE, len(choices))
    rest, first = divmod(rest, _FIGURES)
    figures = {"a": f"{(first + 1) / 10:.1f}", "b": f"{(rest % _FIGURES + 1) / 10:.1f}"}
    title, body = choices[place]
    return Text(title.format(name=name, **figures), body.format(name=name))


def sentiment_of(score: float) -> Sentiment:
    """Name a score in [-1, 1]: what is within 0.1 of nothing is neutral."""
    if abs(score) <= 0.1:
        return "neutral"
    return "positive" if score > 0 else "negative"


def score_of(text: str) -> float:
    """Score a text by its words of opinion: (good − bad)/(good + bad), 0 where there are none.

    Examples
    --------
    >>> score_of("Strong growth, but weaker demand than feared")
    0.3333333333333333
    """
    words = re.findall(r"[a-z]+", text.lower())
    good, bad = (sum(map(known.split().count, words)) for known in (_GOOD, _BAD))
    return (good - bad) / (good + bad) if good + bad else 0.0
