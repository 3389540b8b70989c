"""Six figures of the news of the last six hours."""

MEMBERS: tuple[tuple[str, str | None], ...] = (
    ("avg_sentiment_360", None),
    ("signal_strength_360", None),
    ("trading_signal_360", None),
    ("article_count_360", None),
    ("quality_score_360", None),
    ("news_age", None),
)
