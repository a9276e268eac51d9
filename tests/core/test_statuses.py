"""Sets of status codes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.statuses import Statuses, statuses_of

SETTING = TypeAdapter[Any](Statuses)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (401, {401}),
        ("5xx", set(range(500, 600))),
        ("4XX", set(range(400, 500))),
        ("400-403", {400, 401, 402, 403}),
        ("599-599", {599}),
        ("100-599", set(range(100, 600))),
        ([401, "403-404", "1xx"], {401, 403, 404, *range(100, 200)}),
        ([401, 401], {401}),
    ],
)
def test_each_form_means_its_statuses(given: Any, meant: set[int]) -> None:
    assert statuses_of(given) == meant
    assert statuses_of(SETTING.validate_python(given)) == meant


WRONG: list[Any] = [
    99,
    600,
    401.0,
    True,
    None,
    "",
    "401",
    "6xx",
    "0xx",
    "4x",
    "xxx",
    "403-400",
    "400-",
    "400 - 403",
    "400-600",
    {},
]


@pytest.mark.parametrize("given", [*WRONG, [], [[401]], [401, None]])
def test_anything_else_is_refused_with_what_to_write(given: Any) -> None:
    with pytest.raises(ValidationError, match="a number from 100 to 599, a class such as 4xx, a range such as 400-403"):
        SETTING.validate_python(given)


def test_the_schema_for_editors_knows_the_forms() -> None:
    number, text, several = SETTING.json_schema()["anyOf"]
    assert (number["minimum"], number["maximum"], text["type"]) == (100, 599, "string")
    assert several == {"type": "array", "items": {"anyOf": [number, text]}, "minItems": 1}


@given(st.integers(100, 599), st.integers(100, 599))
def test_a_range_has_both_of_its_ends(first: int, last: int) -> None:
    if first <= last:
        assert statuses_of(f"{first}-{last}") == set(range(first, last + 1))
    else:
        with pytest.raises(ValueError, match="is not a status"):
            statuses_of(f"{first}-{last}")
