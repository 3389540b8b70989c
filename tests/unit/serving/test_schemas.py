"""What may be asked."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from truecast.serving.schemas import Asked


def test_a_moment_is_read_in_utc():
    found = Asked.model_validate_json('{"timestamp": "2018-06-01T16:30:00-04:00"}')
    assert found.timestamp == datetime(2018, 6, 1, 20, 30, tzinfo=UTC)
    assert found.timestamp.tzinfo is UTC


@pytest.mark.parametrize(
    "body",
    [
        '{"timestamp": "2018-06-01T16:30:00"}',
        '{"timestamp": "0001-01-01T00:00:00+14:00"}',
        '{"timestamp": 1527883200}',
        '{"timestamp": NaN}',
        '{"horizon": 1.5}',
        '{"horizon": "1"}',
        '{"horizon": 0}',
        '{"horizon": 1e400}',
        f'{{"horizon": {"9" * 5000}}}',
        '{"instrument": ""}',
        '{"instrument": "a\\u0000b"}',
        '{"instrument": "\\ud800"}',
        f'{{"instrument": "{"x" * 10_000}"}}',
        '{"target": "weather"}',
        '{"predict_tomorrow": 1}',
        '{"instrment": "^GSPC"}',
        "[]",
        "null",
        "{",
        "[" * 10_000,
        '{"instrument": ' + "[" * 10_000,
    ],
)
def test_what_cannot_be_meant_is_refused(body):
    with pytest.raises(ValidationError):
        Asked.model_validate_json(body)


def test_nothing_said_is_nothing_asked():
    assert Asked().is_empty
    assert Asked.model_validate_json('{"instrument": null}').is_empty
    assert not Asked(horizon=1).is_empty
