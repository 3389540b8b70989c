"""The set ``daily``, and what the index of implied volatility says."""

from truecast.features.sets import daily

MEMBERS: tuple[tuple[str, str | None], ...] = (
    *daily.MEMBERS,
    ("log_close", "^VIX"),
    ("log_return_1", "^VIX"),
    ("log_premium_22", "^VIX"),
)
