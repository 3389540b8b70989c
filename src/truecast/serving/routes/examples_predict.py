"""Examples of the routes of single targets and of several days; figures are made up."""

from typing import Any

from truecast.serving.routes.examples import ANSWERED

Document = dict[str, Any]

_BAR: Document = {
    "open": 2507.0,
    "high": 2520.0,
    "low": 2500.0,
    "close": 2510.5,
    "volume": 3500000000,
}
_NONE: Document = {
    "direction": None,
    "predicted_price": None,
    "predicted_relative_change": None,
    "predicted_return": None,
    "confidence": None,
    "signal_strength": None,
}


def _bodies(**more: Document) -> dict[str, Document]:
    plain: dict[str, Document] = {
        "newest": {"summary": "After the newest bar that is stored", "value": {}},
        "bar": {"summary": "After a bar that is newer", "value": _BAR},
        "slot": {"summary": "Of an instrument", "value": {"instrument": "^GSPC"}},
    }
    return plain | more


BODIES = _bodies()
RETURN_BODIES = _bodies(
    history={
        "summary": "After a bar, and others before it",
        "value": {**_BAR, "date": "2019-01-03", "history": [{**_BAR, "date": "2019-01-02"}]},
    }
)
REGIME_BODIES = _bodies(
    windows={
        "summary": "Of numbers alone",
        "value": {
            "returns_window": [0.4, -0.2, 0.1, 0.3],
            "volatility_window": [0.7, 0.7, 0.69, 0.68],
        },
    }
)
PRICES_BODIES: dict[str, Document] = {
    "week": {"summary": "The next five bars", "value": {"periods": 5}},
    "history": {
        "summary": "After bars that are newer",
        "value": {"periods": 1, "history": [{**_BAR, "ds": "2019-01-02"}]},
    },
}
PARENT_BODIES: dict[str, Document] = {
    "week": {"summary": "Five sessions", "value": {"days": 5}},
}
CHILD_BODIES: dict[str, Document] = {
    "week": {"summary": "Five sessions of a stock", "value": {"ticker": "GOOG", "days": 5}},
}

DIRECTION: Document = {
    **ANSWERED,
    **_NONE,
    "slot": "sp500-daily@sample:~5EGSPC:direction:1",
    "target": "direction",
    "mode": "whatif",
    "prediction": "up",
    "lower": 0.51,
    "upper": 0.58,
    "probability": 0.55,
    "baseline": "up",
    "baseline_probability": 0.54,
    "model_name": "logistic",
    "model_type": "logistic",
    "model": "logistic",
    "task": "classification",
    "direction": "up",
    "confidence": 0.1,
    "signal_strength": 0.1,
}
VOLATILITY: Document = {
    **ANSWERED,
    **_NONE,
    "slot": "sp500-daily@sample:~5EGSPC:volatility:1",
    "target": "volatility",
    "prediction": 1.58,
    "lower": 0.76,
    "upper": 3.01,
    "baseline": 1.89,
    "baseline_name": "garch",
    "model_name": "ensemble",
    "model_type": "ensemble",
    "model": "ensemble",
    "predicted_volatility": 1.58,
    "volatility": 1.58,
}
RETURN: Document = {
    **ANSWERED,
    "slot": "finance-suite@yahoo:~5EGSPC:return:1",
    "recipe": "finance-suite",
    "source": "yahoo",
    "target": "return",
    "mode": "whatif",
    "prediction": 0.13276319361616246,
    "lower": -3.48,
    "upper": 3.48,
    "baseline": 0.0,
    "model_name": "random_forest",
    "model_type": "random_forest",
    "model": "random_forest",
}
REGIME: Document = {
    **ANSWERED,
    **_NONE,
    "slot": "finance-suite@yahoo:~5EGSPC:regime:5",
    "recipe": "finance-suite",
    "source": "yahoo",
    "target": "regime",
    "horizon": 5,
    "prediction": "neutral",
    "lower": None,
    "upper": None,
    "coverage": None,
    "probability": 0.6,
    "baseline": "neutral",
    "baseline_probability": 0.58,
    "model_name": "hmm",
    "model_type": "hmm",
    "model": "hmm",
    "task": "classification",
    "regime": "neutral",
    "score": 0.6,
    "confidence": 0.4,
    "signal_strength": 0.0,
}
PRICES: Document = {
    "model": "prophet",
    "forecast": [
        {"ds": "2018-12-21", "yhat": 2470.7, "yhat_lower": 2383.0, "yhat_upper": 2554.8},
    ],
    "forecasts": [{**ANSWERED, "model": "prophet", "model_name": "prophet"}],
}


def _stock(ticker: str) -> Document:
    day: Document = {
        "date": "2018-12-21",
        "open": None,
        "high": None,
        "low": None,
        "close": 2470.7,
        "volume": None,
        "close_lower": 2383.0,
        "close_upper": 2554.8,
    }
    reason = "no model of this version forecasts it: prices are forecast as closes"
    return {
        "result": {
            "ticker": ticker,
            "last_date": "2018-12-20",
            "future_window_days": 1,
            "next_business_days": ["2018-12-21"],
            "predictions": {
                "next_day": day,
                "next_week": {"high": None, "low": None},
                "full_forecast": [day],
            },
            "history": [{"date": "2018-12-20", "close": 2467.419922}],
            "reasons": {name: reason for name in ("open", "high", "low", "volume")},
        },
        "forecasts": [{**ANSWERED, "instrument": ticker}],
    }


PARENT = _stock("^GSPC")
CHILD = _stock("GOOG")
