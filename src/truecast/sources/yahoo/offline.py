"""The repairs of the yfinance library, run on a table that is there: nothing is fetched.

yfinance keeps what is known of Yahoo's errors, rule by rule, as methods of its ``PriceHistory``.
They are private, so each is looked for by name, and a version of yfinance without one of them is
refused.
"""

import logging
import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from truecast.sources.base import SourceError

if TYPE_CHECKING:
    import pandas as pd

#: The private methods that are called, and the one that is replaced.
METHODS: Final = (
    "_fix_bad_div_adjust",
    "_fix_unit_switch",
    "_fix_unit_random_mixups",
    "_fix_bad_stock_splits",
    "_repair_capital_gains",
    "_reconstruct_intervals_batch",
)

_LOG = logging.getLogger(__name__)


class Repairs:
    """yfinance's repairs of one table.

    Each takes and returns a table as yfinance has it: columns ``Open``, ``High``, ``Low``,
    ``Close``, ``Adj Close``, ``Volume``, ``Dividends``, ``Stock Splits`` and ``Capital Gains``,
    indexed by time with a zone, the oldest row first. A rule that fails on a table leaves it as
    it was, and says so in the log.

    Parameters
    ----------
    interval : str
        Length of the bars, as yfinance writes it, which is as we do.
    zone : str
        Time zone of the exchange.
    currency : str or None
        As Yahoo names it; None if that is not known.

    Raises
    ------
    SourceError
        If the installed yfinance has other methods than those that are known here.
    """

    def __init__(self, interval: str, zone: str, currency: str | None) -> None:
        self._interval, self._zone, self._currency = interval, zone, currency
        # A session that is not None keeps the library from opening one.
        self._history = _offline_history()(None, "", zone, session=object())

    def dividends(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Repair dividends that contradict prices, and adjustments that contradict dividends."""
        return self._ask("_fix_bad_div_adjust", table, self._interval, False, self._currency)

    def unit_switch(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Repair runs of rows in another unit."""
        return self._ask("_fix_unit_switch", table, self._interval, self._zone)

    def unit_mixup(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Repair single prices in another unit."""
        return self._ask("_fix_unit_random_mixups", table, self._interval, self._zone, False)

    def splits(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Repair rows that a split was not applied to, or was applied to twice."""
        return self._ask("_fix_bad_stock_splits", table, self._interval, self._zone)

    def capital_gains(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Repair capital gains that are counted in the dividend too."""
        return self._ask("_repair_capital_gains", table)

    def _ask(self, name: str, table: "pd.DataFrame", *arguments: Any) -> "pd.DataFrame":
        repair: Callable[..., Any] = getattr(self._history, name)
        self._history._history_metadata = {"currency": self._currency or ""}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                # In the exchange's time, as yfinance has it: else a rule that runs for one split
                # after another joins two kinds of time, and fails at the second.
                repaired: pd.DataFrame | None = repair(table.tz_convert(self._zone), *arguments)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            _LOG.warning(
                "yfinance's %s failed on %d rows from %s, which stay as they came: %r",
                name, len(table), table.index[0], error,
            )  # fmt: skip
            return table
        return table if repaired is None else repaired.sort_index()


@cache
def _offline_history() -> type:
    import yfinance  # takes a second, and most tables need no repair
    from yfinance.scrapers.history import PriceHistory

    missing = [name for name in METHODS if not callable(getattr(PriceHistory, name, None))]
    if missing:
        raise SourceError(
            f"yfinance {yfinance.__version__} has no {', '.join(missing)}, which mend Yahoo's "
            "prices: install the version that requirements/ names"
        )
    logging.getLogger("yfinance").setLevel(logging.ERROR)

    class OfflineHistory(PriceHistory):  # type: ignore[misc]
        """Repairs from the table alone: a price that cannot be told from it stays."""

        def _reconstruct_intervals_batch(
            self, df: "pd.DataFrame", *_: object, **__: object
        ) -> "pd.DataFrame":
            return df

        def history(self, *_: object, **__: object) -> "pd.DataFrame":
            raise SourceError("mending a table of Yahoo's prices asked for more of them")

    return OfflineHistory
