"""The length of a bar."""

import re
from dataclasses import dataclass
from datetime import timedelta

_UNITS = {"m": 60, "h": 3600, "d": 86400}
_PATTERN = re.compile(r"([1-9]\d{0,5})([mhd])", re.ASCII)


@dataclass(frozen=True)
class Interval:
    """The length of a bar, such as ``1m``, ``1h`` or ``1d``.

    Parameters
    ----------
    text : str
        A whole number and a unit: m (minutes), h (hours) or d (days; only ``1d``).

    Raises
    ------
    ValueError
        If the text is not an interval.

    Examples
    --------
    >>> Interval("5m").length
    datetime.timedelta(seconds=300)
    >>> Interval("1d").is_daily
    True
    """

    text: str

    def __post_init__(self) -> None:
        match = _PATTERN.fullmatch(self.text)
        if match is None or (match[2] == "d" and match[1] != "1"):
            raise ValueError(
                f"{self.text!r} is not an interval: "
                "write minutes or hours such as 1m, 5m, 1h, or 1d"
            )

    @property
    def length(self) -> timedelta:
        """Clock time from one bar's close to the next; for daily bars a calendar day."""
        return timedelta(seconds=int(self.text[:-1]) * _UNITS[self.text[-1]])

    @property
    def is_daily(self) -> bool:
        """Whether one bar is one session of the instrument's calendar."""
        return self.text == "1d"

    def __str__(self) -> str:
        return self.text
