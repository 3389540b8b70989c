"""A ledger of the test's own, and a maker of forecasts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forecasts import make_forecast, make_outcome
from truecast.core.forecast import Forecast, Outcome
from truecast.database.engine import open_database
from truecast.ledger.ledger import Ledger


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'truecast.db'}"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_database(url_of(tmp_path)))


@pytest.fixture(scope="session")
def forecast() -> Callable[..., Forecast]:
    """Return the maker of forecasts."""
    return make_forecast


@pytest.fixture(scope="session")
def outcome() -> Callable[..., Outcome]:
    """Return the maker of outcomes."""
    return make_outcome
