"""Checks are tuned by name within bounds, and never switched off."""

import pytest

from truecast.core.errors import UsageError
from truecast.core.names import UnknownNameError
from truecast.lake.checks.options import ChecksOptions, describe_checks


def test_what_a_recipe_does_not_say_keeps_its_default():
    options = ChecksOptions.of({"false_print": {"sigmas": 20, "action": "flag"}})
    assert (options.false_print.sigmas, options.false_print.action) == (20.0, "flag")
    assert options.false_print.longest == ChecksOptions().false_print.longest
    assert options.unit_jump.action == "repair"
    assert ChecksOptions.of({}) == ChecksOptions()


def test_an_unknown_check_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'false_print'"):
        ChecksOptions.of({"false_prints": {}})


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"stale": {"bar": 3}}, r"checks\.stale\.bar: .* did you mean 'bars'"),
        ({"stale": {"bars": 1}}, r"checks\.stale\.bars: .*greater than or equal to 2, got 1"),
        ({"stale": {"bars": True}}, r"checks\.stale\.bars: .* got True"),
        ({"unit_jump": {"tolerance": True}}, r"checks\.unit_jump\.tolerance: .* got True"),
        ({"unit_jump": {"factor": "many"}}, r"checks\.unit_jump\.factor: .* got 'many'"),
        ({"unit_jump": {"action": "off"}}, r"checks\.unit_jump\.action: .*never switched off"),
        ({"stale": {"action": "repair"}}, r"checks\.stale\.action: .* got 'repair'"),
        ({"volume_unit_jump": {"action": "quarantine"}}, r"checks\.volume_unit_jump\.action"),
    ],
)
def test_what_cannot_be_set_is_refused(checks, message):
    with pytest.raises(UsageError, match=message):
        ChecksOptions.of(checks)


def test_every_check_is_described():
    described = {check["name"]: check for check in describe_checks()}
    assert list(described) == list(ChecksOptions.model_fields)
    assert described["false_print"]["action"] == "quarantine"
    assert described["false_print"]["parameters"]["sigmas"] == {
        "default": 12.0, "bounds": "≥ 4, ≤ 1000"
    }  # fmt: skip
    assert described["unit_jump"]["actions"] == ["flag", "quarantine", "repair"]
    assert all(len(check["description"]) > 20 for check in described.values())
    assert described["volume_unit_jump"]["actions"] == ["flag"]
