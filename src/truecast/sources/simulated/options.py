"""What a recipe may say about a simulated market."""

from datetime import date, timedelta
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from truecast.core.hashing import hash_of
from truecast.core.names import UnknownNameError
from truecast.core.recipe_parts import Day, Duration
from truecast.core.strict import Number, Whole
from truecast.sources.options import CalendarName, Options

#: Probability to stay in a regime for a further session, where no matrix is given.
STAY = 0.98
#: What does not change a bar: which symbols may be asked for, and when the series stops.
_NOT_IN_BARS = {"instruments", "end", "years"}

Symbol = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
_Positive = Annotated[Number, Field(gt=0, le=1e12)]


class SimulatedOptions(Options):
    """A simulated market; the package's docstring gives the process with its formulas.

    Parameters
    ----------
    seed : int
        Another seed, another market.
    instruments : int, list of str, or None
        Which symbols there are: that many (``SIM001``, …), or these. None: any that is asked for.
    calendar : str
        Whose sessions the bars have: a code such as ``XNYS``, or ``FX``, or ``24/7``.
    start : date
        The first session is the first one on or after this day. Another start, another market.
    end : date or None
        Last session; None to go on for ever. A source with an end that is past is not live.
    years : int or None
        Another way to give the end: so many years after the start.
    price : float
        Where every instrument starts.
    volatility : tuple of float
        Standard deviation of a session's log return in percent, one a regime.
    transitions : matrix or None
        Probability to go from regime (row) to regime (column) with the next session. None: 0.98
        to stay, and the rest shared alike.
    overnight : float
        Share of a session's variance that comes while the market is closed before it.
    seasonality : float
        How much more happens at open and close than at noon: 3 means four times as much.
    jump_rate, jump : float
        Probability of a jump in a session, and its standard deviation in percent.
    market_loading : float
        Loading of each instrument on the common market factor.
    spread_bps : float
        Mean spread in the first regime, in basis points of the price.
    volume, depth : float
        Mean volume of a session, and mean size at bid and at ask, in the first regime.
    articles_per_day : float
        Mean number of articles about an instrument on a calendar day.
    news_delay : timedelta
        Time from an article's publication until it is known.
    effect_bps : float
        What an article moves the price in all, in basis points.
    effect_minutes : int
        Over how many minutes of trading.
    """

    seed: Whole = Field(default=0, ge=0, lt=2**63)
    instruments: (
        Annotated[Whole, Field(ge=1, le=100_000)]
        | Annotated[tuple[Symbol, ...], Field(min_length=1)]
        | None
    ) = None
    calendar: CalendarName = "XNYS"
    start: Day = date(1999, 1, 4)
    end: Day | None = None
    years: Whole | None = Field(default=None, ge=1, le=100)
    price: _Positive = 100.0
    volatility: tuple[Annotated[Number, Field(gt=0, le=100)], ...] = Field(
        default=(0.6, 1.1, 2.4), min_length=1, max_length=20
    )
    transitions: tuple[tuple[Annotated[Number, Field(ge=0, le=1)], ...], ...] | None = None
    overnight: Number = Field(default=0.25, ge=0, lt=1)
    seasonality: Number = Field(default=3.0, ge=0, le=100)
    jump_rate: Number = Field(default=0.02, ge=0, le=1)
    jump: Number = Field(default=2.5, ge=0, le=100)
    market_loading: Number = Field(default=0.5, ge=0, le=1)
    spread_bps: Number = Field(default=2.0, gt=0, le=1000)
    volume: _Positive = 1e6
    depth: _Positive = 500.0
    articles_per_day: Number = Field(default=1.0, ge=0, le=100)
    news_delay: Duration = timedelta(minutes=5)
    effect_bps: Number = Field(default=25.0, ge=0, le=1000)
    effect_minutes: Whole = Field(default=390, ge=1, le=100_000)

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.end is not None and self.years is not None:
            raise ValueError("end and years say the same: give one of them")
        if self.end is not None and self.end < self.start:
            raise ValueError(f"dates are the wrong way round: start {self.start}, end {self.end}")
        return self

    @model_validator(mode="after")
    def _is_a_chain(self) -> Self:
        regimes, rows = len(self.volatility), self.transitions
        if rows is None:
            return self
        if len(rows) != regimes or any(len(row) != regimes for row in rows):
            raise ValueError(
                f"transitions: expected {regimes} rows of {regimes} probabilities, one for each "
                "regime of volatility"
            )
        for row in rows:
            if abs(sum(row) - 1) > 1e-9:
                raise ValueError(f"transitions: a row sums to {sum(row):g}, expected 1")
        return self

    @property
    def last_day(self) -> date | None:
        """The last day that may be a session; None if there is none."""
        if self.years is None:
            return self.end
        try:
            return self.start.replace(year=self.start.year + self.years) - timedelta(days=1)
        except ValueError:  # from 29 February to a year that has none
            return date(self.start.year + self.years, 2, 28)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The transition matrix, shape (regimes, regimes)."""
        if self.transitions is not None:
            return np.array(self.transitions)
        regimes = len(self.volatility)
        if regimes == 1:
            return np.ones((1, 1))
        matrix = np.full((regimes, regimes), (1 - STAY) / (regimes - 1))
        np.fill_diagonal(matrix, STAY)
        return matrix

    @property
    def symbols(self) -> tuple[str, ...] | None:
        """The symbols that there are, sorted; None for any."""
        if self.instruments is None:
            return None
        if isinstance(self.instruments, int):
            digits = max(3, len(str(self.instruments)))
            return tuple(f"SIM{place + 1:0{digits}}" for place in range(self.instruments))
        return tuple(sorted(set(self.instruments)))

    @property
    def name(self) -> str:
        """Effective name of a source: ``simulated``, and six digits of what is not its default.

        Other options make other bars: in silver they must not become versions of each other.
        """
        told = self._told
        return f"simulated-{hash_of(told)[:6]}" if told else "simulated"

    @property
    def news_name(self) -> str:
        """Effective name of a source of news, which has the instruments in it too.

        What was taken in of one source is not asked for again: others make another source.
        """
        return f"simulated-{hash_of({**self._told, 'symbols': self.symbols})[:6]}"

    @property
    def _told(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_IN_BARS)

    def require_symbol(self, symbol: str) -> None:
        """Refuse a symbol that there is not.

        Raises
        ------
        UnknownNameError
            Names the nearest one.
        """
        if self.symbols is not None and symbol not in self.symbols:
            raise UnknownNameError("instrument", symbol, self.symbols, "source simulated")
