"""Conditions on variables."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.pattern import PatternTimeoutError
from proxy.core.secret import Secret
from proxy.credentials.condition import ConditionSettings, first_unmet

VARIABLES = {"A": Secret("abc"), "EMPTY": Secret(""), "N": Secret("7")}


def condition(**given: Any) -> ConditionSettings:
    return ConditionSettings.model_validate(given)


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({"variable": "A", "present": True}, True),
        ({"variable": "A", "present": False}, False),
        ({"variable": "EMPTY", "present": True}, False),
        ({"variable": "NONE", "present": False}, True),
        ({"variable": "A", "equals": "abc"}, True),
        ({"variable": "A", "equals": "ab"}, False),
        ({"variable": "N", "equals": 7}, True),
        ({"variable": "NONE", "equals": "abc"}, False),
        ({"variable": "A", "not_equals": "abc"}, False),
        ({"variable": "NONE", "not_equals": "abc"}, True),
        ({"variable": "A", "matches": "b"}, True),
        ({"variable": "A", "matches": "^b"}, False),
        ({"variable": "NONE", "matches": ".*"}, False),
    ],
)
def test_a_condition_holds_or_not(given: dict[str, Any], holds: bool) -> None:
    assert condition(**given).holds(VARIABLES) is holds


def test_several_must_all_hold_and_the_first_that_does_not_is_told() -> None:
    fine, other = condition(variable="A", present=True), condition(variable="A", equals="a-secret")
    assert first_unmet([fine, fine], VARIABLES) is None
    assert first_unmet([fine, other], VARIABLES) is other
    assert str(other) == "A equals what is configured"
    assert str(condition(variable="A", present=False)) == "A is not there"


@pytest.mark.parametrize(
    "given",
    [
        {"variable": "A"},
        {"variable": "A", "present": True, "equals": "x"},
        {"variable": "A", "matches": "("},
        {"variable": "a b", "present": True},
        {"variable": "A", "equals": True},
    ],
)
def test_what_asks_not_one_clear_question_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        condition(**given)


def test_a_pattern_without_end_is_given_up() -> None:
    with pytest.raises(PatternTimeoutError):
        condition(variable="A", matches="(a|aa)+$").holds({"A": Secret("a" * 200 + "b")})
