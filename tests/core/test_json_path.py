"""Paths that name places in a document."""

from typing import Any

import pytest

from proxy.core.json_path import JsonPath

DOCUMENT = {"a": {"b": "deep"}, "odd key": 1, "list": [{"k": 1}, {"k": 2}, 3], "none": None, "*": "star"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.a.b", ["deep"]),
        ("a.b", ["deep"]),
        ("a", [{"b": "deep"}]),
        ("$['odd key']", [1]),
        ("$.list[0].k", [1]),
        ("$.list[-1]", [3]),
        ("$.list[7]", []),
        ("$.list[-7]", []),
        ("$.list[*].k", [1, 2]),
        ("$.a.*", ["deep"]),
        ("$['*']", ["star"]),
        ("$.none", [None]),
        ("$.missing", []),
        ("$.a.b.c", []),
        ("$.a[0]", []),
        ("$.list.k", []),
        ("$", [DOCUMENT]),
    ],
)
def test_a_path_finds_what_stands_there(path: str, found: list[Any]) -> None:
    assert JsonPath(path).find(DOCUMENT) == found


@pytest.mark.parametrize(
    "path",
    [
        "",
        "$.",
        "$..a",
        "$.a[0:2]",
        "$.a,b",
        "$.`parent`",
        "$.a where b",
        "$.a&b",
        "$.a|b",
        "$[",
        "$.1a",
        "a b",
        "$.a[?(@.b)]",
    ],
)
def test_a_path_that_searches_or_is_malformed_is_refused_with_the_remedy(path: str) -> None:
    with pytest.raises(ValueError, match=r"write it as \$\.key"):
        JsonPath(path)
