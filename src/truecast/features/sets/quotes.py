"""What bid and ask say, for sources that have them: spread, depth, order flow and impact."""

MEMBERS: tuple[tuple[str, str | None], ...] = (
    ("quoted_spread", None),
    ("spread_mean_20", None),
    ("effective_spread", None),
    ("mid_return_1", None),
    ("quoted_depth", None),
    ("depth_imbalance", None),
    ("order_flow_imbalance_20", None),
    ("order_imbalance_20", None),
    ("realised_impact", None),
)
