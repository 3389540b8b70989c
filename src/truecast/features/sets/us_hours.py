"""Where a bar lies in the day of the New York Stock Exchange, for a market with other hours."""

MEMBERS: tuple[tuple[str, str | None], ...] = (
    ("us_regular", None),
    ("us_premarket", None),
    ("us_afterhours", None),
    ("us_minutes_since_open", None),
)
