"""What a person needs to know when something is odd: settings, versions, what the lake holds."""

import platform
from datetime import datetime
from importlib import metadata
from typing import Any

import truecast
from truecast.core.settings import load_settings
from truecast.lake.lake import Lake

PACKAGES = (
    *("polars", "deltalake", "numpy", "numba", "lightgbm", "scikit-learn", "arch"),
    *("mlflow", "sqlalchemy", "fastapi"),
)


def examine() -> dict[str, Any]:
    """Gather settings with their origins, versions, and the series in the lake.

    Returns
    -------
    dict
        ``settings``, ``versions``, ``lake`` and ``series``; JSON can hold it.
    """
    settings = load_settings()
    series = Lake(settings.lake_url).series()
    return {
        "settings": [
            {"name": name, "value": value, "from": origin}
            for name, (value, origin) in settings.origins().items()
        ],
        "versions": {
            "truecast": truecast.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "lake": settings.lake_url,
        "series": [
            {
                name: value.date().isoformat() if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            for row in series.to_dicts()
        ],
    }
