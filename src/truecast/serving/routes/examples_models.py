"""Examples of questions and answers about versions and champions."""

from typing import Any

SLOT = "sp500-daily@sample:~5EGSPC:price:1"

_CHAMPION = {
    "version": "vfcb4411dcd14",
    "name": "lightgbm",
    "skill": "no skill shown",
    "reason": "best mape on the validation rows: lightgbm 0.47341, ridge 0.47588",
    "promoted_at": "2026-03-02T09:00:00Z",
}

MODELS: dict[str, Any] = {
    "count": 1,
    "models": [
        {
            "slot": SLOT,
            "recipe": "sp500-daily",
            "source": "sample",
            "instrument": "^GSPC",
            "target": "price",
            "horizon": 1,
            "champion": _CHAMPION,
            "answering": "vfcb4411dcd14",
            "refused": None,
            "versions": [
                {
                    "version": "vfcb4411dcd14",
                    "name": "lightgbm",
                    "model_type": "lightgbm",
                    "recipe_hash": "6d9f01ceff871e1746e2aecd429a44bf"
                    "26a82826dbd03f5b7d1ed79059a7b165",
                    "skill": "no skill shown",
                    "chosen": True,
                    "blocked": None,
                    "held": None,
                    "reason": _CHAMPION["reason"],
                    "metrics": {"validation_mape": 0.47341, "evaluation/mape": 0.6605},
                    "trained_through": "2018-12-31T21:30:00Z",
                    "trained_at": "2026-03-02T08:59:00Z",
                }
            ],
        }
    ],
}

PROMOTED: dict[str, Any] = {
    "slot": SLOT,
    "champion": _CHAMPION,
    "before": "v0118a7d1b4c5",
    "changed": True,
    "notices": [],
}

#: Bodies of ``POST /models/{slot}/promote`` and ``/rollback``.
PROMOTE: dict[str, Any] = {
    "newest": {"summary": "The newest that was chosen", "value": {}},
    "named": {"summary": "One by its name", "value": {"version": "vfcb4411dcd14"}},
}
ROLLBACK: dict[str, Any] = {"before": {"summary": "The champion before", "value": {}}}
