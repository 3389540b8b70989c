"""The one error of this room."""

from truecast.core.errors import TruecastError


class EvaluationError(TruecastError):
    """Forecasts cannot be judged: arrays do not fit together, or a loss is not defined on them."""
