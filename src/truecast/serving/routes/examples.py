"""Examples of questions and answers, for the documentation; figures are of the sample data."""

from typing import Any

from truecast.serving.kinds import Kind

Document = dict[str, Any]

FORECAST: Document = {
    "id": "c193cb6b-a266-53ba-a7cf-fc0adb8ecc0b",
    "slot": "sp500-daily@sample:~5EGSPC:price:1",
    "recipe": "sp500-daily",
    "recipe_hash": "6d9f01ceff871e1746e2aecd429a44bf26a82826dbd03f5b7d1ed79059a7b165",
    "source": "sample",
    "instrument": "^GSPC",
    "interval": "1d",
    "target": "price",
    "horizon": 1,
    "mode": "replay",
    "event_time": "2018-12-20T21:00:00Z",
    "as_of": "2018-12-20T21:30:00Z",
    "issued_at": "2018-12-20T21:30:00Z",
    "due_at": "2018-12-21T21:00:00Z",
    "today_date": "2018-12-20",
    "predicted_date": "2018-12-21",
    "last_close": 2467.419922,
    "prediction": 2470.697922996288,
    "lower": 2383.045621047567,
    "upper": 2554.78158609745,
    "coverage": 0.9,
    "probability": None,
    "baseline": 2467.419922,
    "baseline_probability": None,
    "baseline_name": "naive",
    "skill": "no skill shown",
    "model_name": "lightgbm",
    "model_type": "lightgbm",
    "model_version": "v0118a7d1b4c5",
    "trained_through": "2018-12-13T21:30:00Z",
    "features_used": 46,
    "input_hash": "14bf0f5df227efcebcc97940496e5a4574d79d5dcba32c4d8b5fa978d5d2ed14",
    "simulated": False,
    "degraded": False,
    "reason": None,
    "latency_ms": 8.98,
}

#: The same with what follows from it.
ANSWERED: Document = {
    **FORECAST,
    "timestamp": "2018-12-20T21:30:00Z",
    "model": "lightgbm",
    "task": "regression",
    "direction": "up",
    "predicted_price": 2470.697922996288,
    "predicted_relative_change": 0.001328513629585526,
    "predicted_return": 0.13276319361616246,
    "predicted_volatility": None,
    "volatility": None,
    "regime": None,
    "score": None,
    "confidence": 0.05004484921555474,
    "signal_strength": 0.05004484921555474,
}

OUTCOME: Document = {
    "value": 2416.620117,
    "label": None,
    "squared_return": None,
    "known_at": "2018-12-21T21:15:00Z",
    "settled_at": "2018-12-21T21:15:00Z",
}

RECORDED: Document = {
    **ANSWERED,
    "time": "2018-12-20T21:30:00Z",
    "supersedes": None,
    "outcome": OUTCOME,
}

HISTORY: Document = {
    "start_time": None,
    "end_time": "2026-03-02T09:00:00Z",
    "instrument": "^GSPC",
    "count": 1,
    "predictions": [RECORDED],
}

RECORDS: list[Document] = [
    {
        "slot": "sp500-daily@sample:~5EGSPC:price:1",
        "recipe": "sp500-daily",
        "source": "sample",
        "instrument": "^GSPC",
        "target": "price",
        "horizon": 1,
        "mode": "replay",
        "recipe_hash": "6d9f01ceff871e1746e2aecd429a44bf26a82826dbd03f5b7d1ed79059a7b165",
        "window": {"from": "2018-06-04", "to": "2018-12-21", "n": 141},
        "issued": 141,
        "settled": 141,
        "open": 0,
        "superseded": 0,
        "baseline": "naive",
        "metric": "mape",
        "losses": {"mape": 0.6605, "mae": 18.06, "mse": 680.2, "rmse": 26.08},
        "baseline_losses": {"mape": 0.6587, "mae": 18.02, "mse": 675.0, "rmse": 25.98},
        "versus": [
            {
                "baseline": "naive",
                "metric": "mape",
                "improvement_pct": -0.273,
                "dm": -0.566,
                "p_value": 0.572,
                "ci95": [-1.26, 0.542],
                "n": 141,
            }
        ],
        "trials": 49,
        "verdict": "no skill shown",
        "hits": None,
        "intervals": {
            "nominal": 0.9,
            "coverage": {"share": 0.915, "ci95": [0.857, 0.951], "n": 141},
            "mean_width": 2.75,
        },
        "degraded_share": 0.0,
        "simulated": False,
        "notes": [],
    }
]

HEALTH: Document = {
    "status": "healthy",
    "timestamp": "2026-03-02T09:00:00Z",
    "version": "0.1.0",
    "model_loaded": True,
    "scaler_loaded": True,
    "feature_cols_loaded": True,
    "feast_available": False,
    "redis_connected": False,
    "loaded_models": ["sp500-daily@sample:~5EGSPC:price:1"],
    "model_expected_features": {
        "sp500-daily@sample:~5EGSPC:price:1": ["log_return_1", "log_return_5", "rsi_14"]
    },
    "refused": [],
    "reasons": [],
    "feed": "rests",
}

READY: Document = {"status": "ready", "loaded_models": ["sp500-daily@sample:~5EGSPC:price:1"]}

INDEX: Document = {
    "name": "truecast",
    "version": "0.1.0",
    "serves": [
        {
            "slot": "sp500-daily@sample:~5EGSPC:price:1",
            "recipe": "sp500-daily",
            "source": "sample",
            "instrument": "^GSPC",
            "target": "price",
            "horizon": 1,
            "model_name": "lightgbm",
            "model_type": "lightgbm",
            "model_version": "vfcb4411dcd14",
            "skill": "no skill shown",
            "trained_through": "2018-12-31T21:30:00Z",
        }
    ],
    "links": {"docs": "/docs", "health": "/health"},
}

#: Bodies of ``POST /predict``.
QUESTIONS: dict[str, Document] = {
    "tomorrow": {"summary": "Tomorrow's price", "value": {"predict_tomorrow": True}},
    "direction": {"summary": "Up or down", "value": {"instrument": "^GSPC"}},
    "volatility": {"summary": "How much it will move", "value": {"target": "volatility"}},
    "slot": {
        "summary": "Everything said",
        "value": {
            "recipe": "sp500-daily",
            "instrument": "^GSPC",
            "target": "price",
            "horizon": 1,
        },
    },
}

_DETAILS = {
    "invalid": "instrment: there is no such key",
    "ambiguous": "2 forecasts fit what is asked",
    "unknown": "instrument 'GSPC' is not served",
    "not-ready": "no model has been promoted yet",
    "media-type": "Content-Type is 'text/plain', expected 'application/json'",
    "too-large": "the body is over 1048576 bytes",
}
_ADVICE = {
    "invalid": "did you mean 'instrument'? Valid: recipe, instrument, target, horizon, "
    "predict_tomorrow, timestamp",
    "ambiguous": "say which horizon, as one of the choices does",
    "unknown": "did you mean '^GSPC'?",
}
_CHOICES: dict[str, list[Document]] = {
    "ambiguous": [{"horizon": 1}, {"horizon": 5}],
    "unknown": [{"instrument": "^GSPC"}],
}


def problem(kind: Kind) -> Document:
    """Return an example of a kind of problem."""
    return {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": _DETAILS.get(kind.name, "what was wrong in the case at hand"),
        "instance": "/predict",
        "what_to_do": _ADVICE.get(kind.name, kind.what_to_do),
        "choices": _CHOICES.get(kind.name, []),
    }
