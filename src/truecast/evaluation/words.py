"""A scorecard in words and formatted figures, for the terminal and the report alike."""

from truecast.core.forecast import Forecast
from truecast.evaluation.metrics import LEVEL_R2
from truecast.evaluation.scorecard import BacktestCard, ModelCard, SlotCard
from truecast.evaluation.significance import Versus, adjusted_p, verdict
from truecast.evaluation.slots import DRIFT

#: Metric to its label, the places after the point, and whether it is a share shown in percent.
_METRICS: dict[str, tuple[str, int, bool]] = {
    "mape": ("MAPE %", 3, False),
    "mae": ("MAE", 3, False),
    "mse": ("MSE", 4, False),
    "rmse": ("RMSE", 3, False),
    "mase": ("MASE", 3, False),
    "r2_oos": ("R² oos %", 2, True),
    "brier": ("Brier", 4, False),
    "log_loss": ("Log loss", 4, False),
    "auc": ("AUC", 3, False),
    "accuracy": ("Accuracy %", 1, True),
    "ece": ("ECE", 3, False),
    "error_rate": ("Error rate %", 1, True),
    "balanced_accuracy": ("Balanced %", 1, True),
    "qlike_gk": ("QLIKE GK", 3, False),
    "qlike_r2": ("QLIKE r²", 3, False),
    "mse_gk": ("MSE GK", 3, False),
}
_MISSING = "–"


def label(metric: str) -> str:
    """Return what a metric is called in a table's head."""
    return _METRICS[metric][0]


def figure(metric: str, value: float | None) -> str:
    """Return a metric's value as text, ``–`` where it is not defined.

    Examples
    --------
    >>> figure("brier", 0.24861), figure("accuracy", 0.533), figure("auc", None)
    ('0.2486', '53.3', '–')
    """
    if value is None:
        return _MISSING
    _, places, share = _METRICS[metric]
    return minus(f"{100 * value if share else value:.{places}f}")


def table_metrics(model: ModelCard) -> list[str]:
    """Return the losses that a table has columns for: all but R2 of the price level."""
    return [name for name in model.losses if name != LEVEL_R2]


def minus(text: str) -> str:
    """Write a minus sign where the text has a hyphen, and no sign before a rounded zero.

    Examples
    --------
    >>> minus("-1.50"), minus("-0.0"), minus("+0.0")
    ('−1.50', '0.0', '0.0')
    """
    if text.strip("+-0.%") == "":
        text = text.lstrip("+-")
    return text.replace("-", "−")


def signed(value: float, places: int = 1) -> str:
    """Return a number with its sign."""
    return minus(f"{value:+.{places}f}")


def share(value: float | None, places: int = 1) -> str:
    """Return a share in percent, ``–`` where there is none."""
    return _MISSING if value is None else f"{100 * value:.{places}f}%"


def between(low: float, high: float, places: int = 1) -> str:
    """Return an interval of signed numbers: ``−0.4 to +1.2``."""
    return f"{signed(low, places)} to {signed(high, places)}"


def p_text(p_value: float) -> str:
    """Return a p-value with three places, and no false zero."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def horizon_text(horizon: int) -> str:
    """Return the horizon in words."""
    return "next bar" if horizon == 1 else f"{horizon} bars ahead"


def deciding(card: SlotCard, model: ModelCard) -> tuple[Versus, ...]:
    """Return the comparisons that the verdict rests on: the deciding loss, the naive baselines."""
    return tuple(
        one for one in model.versus if one.metric == card.metric and one.baseline in card.baselines
    )


def verdict_sentence(card: SlotCard) -> str:
    """Say in one or two sentences whether the champion beats the naive forecast, and by how much.

    Parameters
    ----------
    card : SlotCard
        A slot's scorecard.
    """
    champion = card.judged
    beside = deciding(card, champion)
    if champion.role == "baseline" or not beside:
        return (
            f"{champion.name} is a naive forecast itself: it serves because no model has been "
            "promoted over it."
        )
    # Of those that are not beaten, the hardest to beat tells most, and drift least.
    unbeaten = [one for one in beside if verdict([one], champion.trials) != "beats naive"]
    told = [one for one in unbeaten if one.baseline != DRIFT] or unbeaten or beside
    hardest = min(told, key=lambda one: one.improvement_pct)
    size = f"{abs(hardest.improvement_pct):.1f}%"
    lead = (
        f"{champion.name} beats {' and '.join(card.baselines)}."
        if champion.verdict == "beats naive"
        else f"No skill shown: {champion.name} cannot be told from {hardest.baseline}."
        if hardest.p_value >= 0.05 or hardest.improvement_pct > 0
        else f"No skill shown: {champion.name} is worse than {hardest.baseline}."
    )
    if hardest.baseline == DRIFT and champion.verdict != "beats naive":
        lead += " That prices rose on average is all it knows that no change does not."
    direction = "lower" if hardest.improvement_pct >= 0 else "higher"
    return (
        f"{lead} Its loss ({label(card.metric).removesuffix(' %')}) is {size} {direction} than "
        f"{hardest.baseline}'s (95% interval of the improvement "
        f"{between(*hardest.ci95)}%; p {p_text(hardest.p_value)}, "
        f"{p_text(adjusted_p(hardest.p_value, champion.trials))} after counting "
        f"{champion.trials} {'trial' if champion.trials == 1 else 'trials'})."
    )


def best_sentence(card: SlotCard) -> str:
    """Say which models may be the best by the model confidence set; empty if there is none.

    Parameters
    ----------
    card : SlotCard
        A slot's scorecard.
    """
    inside = [model.name for model in card.models if model.in_mcs]
    if not inside:
        return ""
    loss = label(card.metric).removesuffix(" %")
    if len(inside) == 1:
        return f"By {loss}, only {inside[0]} is in the 90% model confidence set."
    return (
        f"By {loss}, none of {', '.join(inside[:-1])} and {inside[-1]} can be told from the best "
        "(90% model confidence set)."
    )


def nested_sentence(model: ModelCard) -> str:
    """Say what Clark-West finds of a model that contains the naive forecast; empty if none."""
    found = model.clark_west
    if found is None:
        return ""
    return (
        f"{model.name} contains {found.baseline}: Clark–West {minus(f'{found.statistic:.2f}')}, "
        f"one-sided p {p_text(found.p_value)}, {p_text(adjusted_p(found.p_value, model.trials))} "
        "after counting the trials. The verdict stays with Diebold–Mariano."
    )


def backtest_note(card: BacktestCard) -> str:
    """Say what an illustration of trading assumes.

    Parameters
    ----------
    card : BacktestCard
        Any of a slot's.
    """
    how = {
        "sign": "All of the capital, long or short by the forecast's sign",
        "size": "A share of the capital by the forecast beside the expected volatility",
    }[card.position]
    return (
        f"{how}, at {card.cost_bps:g} basis points for each unit of turnover, trade after trade "
        "without overlap. “Above luck” is the deflated Sharpe ratio: the probability that the true "
        f"one is above what the best of {card.trials} trials without skill reaches by chance. "
        "Nobody can trade exactly like this; it is no evidence of skill."
    )


def forecast_value(forecast: Forecast) -> str:
    """Return what a forecast says, with its unit."""
    return _with_unit(forecast.target, forecast.prediction)


def baseline_value(forecast: Forecast) -> str:
    """Return what the naive forecast says, with its unit."""
    return _with_unit(forecast.target, forecast.baseline)


def _with_unit(target: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if target == "direction":
        return f"up with {100 * value:.1f}%"
    if target == "price":
        return f"{value:,.2f}"
    return minus(f"{value:+.2f}%") if target == "return" else f"{value:.2f}%"


def band_value(forecast: Forecast) -> str:
    """Return a forecast's interval, empty if it has none."""
    if forecast.lower is None or forecast.upper is None:
        return ""
    if forecast.target == "direction":
        ends = f"{100 * forecast.lower:.1f}% to {100 * forecast.upper:.1f}%"
    elif forecast.target == "price":
        ends = f"{forecast.lower:,.2f} to {forecast.upper:,.2f}"
    else:
        ends = minus(f"{forecast.lower:.2f}% to {forecast.upper:.2f}%")
    return f"{ends} ({share(forecast.coverage, 0)})" if forecast.coverage else ends


_LIMITS = {
    "price": (
        "Errors of a price a bar ahead are small for any forecast; what counts is the difference "
        "to no change and to drift."
    ),
    "return": "Returns are log returns in percent, before any cost of trading.",
    "direction": (
        "A probability near the long-run share of up is what honest forecasts of direction look "
        "like. Accuracy alone says little: always saying up is right on most days of a rising "
        "market."
    ),
    "regime": (
        "A regime is what the next bars came to beside how far bars moved over the last 500: bull "
        "or bear beyond 0.43 of that. Balanced accuracy is a third for any forecast that never "
        "changes. Which of the two sides comes can hardly be told; calm from wild can."
    ),
    "volatility": (
        "Variance cannot be observed. Forecasts are judged by a proxy of it: the range of the bar "
        "(Garman–Klass, GK), scaled to close-to-close variance, and squared returns (r²), which "
        "are far noisier."
    ),
}


def limits(card: SlotCard) -> tuple[str, ...]:
    """Say what a slot's figures do not claim.

    Parameters
    ----------
    card : SlotCard
        A slot's scorecard.
    """
    said = []
    if card.simulated:
        said.append("The data was simulated: nothing here is about a real market.")
    if card.assumed_share:
        said.append(
            f"When {share(card.assumed_share, 0)} of the rows became known is assumed from the "
            "source's documented delay. It was not observed."
        )
    trials = card.judged.trials
    said.append(
        f"{trials} {'model was' if trials == 1 else 'models were'} compared on these dates. A "
        f"p-value counts only after it is multiplied by {trials}."
    )
    said.append(_LIMITS[card.target])
    for name in card.baselines[:1]:
        level = card.by_name[name].losses.get(LEVEL_R2)
        if level is not None:
            said.append(
                f"R² of the price level is in no table: {name} reaches {level:.3f} on it, so it "
                "says nothing."
            )
    if card.judged.backtest_illustration is not None:
        said.append(
            "The backtest is an illustration: it trades at the very close that a decision "
            "follows, at any size, for a fixed cost, and has no part in any verdict."
        )
    said.append(
        "Forecasts were replayed: each was made from what was known at its moment, by models "
        "fitted on earlier rows. Accuracy of forecasts issued live is not part of this."
    )
    return (*said, *card.notes)
