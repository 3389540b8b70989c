"""Labels of the models and documents that every bundle holds."""

#: Models: what is forecast, the naive forecast, and the volatility that scales the interval.
POINT, BASELINE, SCALE = "point", "baseline", "scale"
#: Documents: scores of the past, forecasts whose outcome was open, and what the recipe said.
CALIBRATION, PENDING, SHARES, TERMS = "calibration", "pending", "shares", "terms"
#: Document: the recipe itself.
RECIPE = "recipe"
