"""When which article is known: what bars and news of one simulated market agree on."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from truecast.sources.simulated.draws import Stream
from truecast.sources.simulated.options import SimulatedOptions

#: Sentiments of an article, and the cumulated probabilities of all but the last.
SENTIMENTS = np.array([1.0, -1.0, 0.0])
_UP_TO = np.array([0.4, 0.8])
_DAY = 86_400
_YEAR = 366


@dataclass(frozen=True)
class Schedule:
    """Articles about one instrument, in the order of their publication.

    Parameters
    ----------
    published, known : array of datetime64[us], shape (n,), UTC
        When each is published, to the second, and when it is known.
    sentiment : array of float64, shape (n,)
        1, −1 or 0.
    """

    published: NDArray[np.datetime64]
    known: NDArray[np.datetime64]
    sentiment: NDArray[np.float64]


def schedule_of(options: SimulatedOptions, symbol: str, last: date) -> Schedule:
    """Return all articles about an instrument that are published up to a day.

    Parameters
    ----------
    options : SimulatedOptions
        The market.
    symbol : str
        Whose articles.
    last : date
        Last day of publication.
    """
    stream = Stream(options.seed, "articles", symbol)
    years = [
        _year(stream, year, options.articles_per_day)
        for year in range(options.start.year, last.year + 1)
    ]
    published, sentiment = (np.concatenate(parts) for parts in zip(*years, strict=True))
    inside = (published >= np.datetime64(options.start, "D")) & (
        published < np.datetime64(last, "D") + 1
    )
    published = published[inside]
    known = (published + np.timedelta64(options.news_delay)).astype("datetime64[us]")
    return Schedule(published, known, sentiment[inside])


def _year(
    stream: Stream, year: int, rate: float
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Draw a year's articles: how many on each of 366 days, then when and what.

    In a year of 365 days the last day's are the first of the next year's, and left out.
    """
    chance = stream.at(year)
    counts = chance.poisson(rate, _YEAR)
    total = int(counts.sum())
    day = np.repeat(np.arange(_YEAR), counts)
    seconds = np.sort(day * _DAY + chance.integers(0, _DAY, total))
    sentiment = SENTIMENTS[np.searchsorted(_UP_TO, chance.random(total), side="right")]
    first = np.datetime64(f"{year:04}-01-01", "us")
    published = first + seconds.astype("timedelta64[s]")
    inside = published < np.datetime64(f"{year + 1:04}-01-01", "us")
    return published[inside], sentiment[inside]
