"""What a route asks of a request, one condition at a time."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.match import MatchSettings
from tests.fakes.heads import head_of


def match_of(**settings: Any) -> MatchSettings:
    return MatchSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("path", "taken", "left"),
    [
        ("/", ["/", "/x", "//", "/%2F"], ["", "*", "x"]),
        ("/billing/", ["/billing/", "/billing/x", "/billing//"], ["/billing", "/billingx/", "/Billing/", "//billing/"]),
        ("/billing", ["/billing", "/billing/", "/billing/x"], ["/billingx", "/billing%2Fx", "/billin", "/billing;x"]),
        ("/a%2Fb", ["/a%2Fb", "/a%2Fb/c"], ["/a/b", "/a%2fb"]),
        ("/a//b", ["/a//b", "/a//b/"], ["/a/b"]),
        ("/x", ["/x/\xc3\xa9"], ["/x\xc3\xa9"]),
    ],
)
def test_a_path_is_compared_byte_for_byte_and_ends_between_segments(
    path: str, taken: list[str], left: list[str]
) -> None:
    match = match_of(path=path)
    assert [raw for raw in taken + left if not list(match.misfits(head_of(raw)))] == taken


@pytest.mark.parametrize(
    ("host", "taken", "left"),
    [
        ("*", ["api.example", "", "[::1]", "."], []),
        ("API.example", ["api.example"], ["x.api.example", "api.example.com", ""]),
        ("*.api.example", ["x.api.example", "x.y.api.example"], ["api.example", ".api.example", "xapi.example"]),
        ("[::1]", ["[::1]"], ["[::2]", "::1"]),
    ],
)
def test_a_host_is_a_name_or_everything_below_one(host: str, taken: list[str], left: list[str]) -> None:
    match = match_of(host=host)
    assert [name for name in taken + left if not list(match.misfits(head_of(host=name)))] == taken


def test_methods_are_the_listed_ones() -> None:
    match = match_of(methods=["GET", "POST"])
    assert list(match.misfits(head_of(method="POST"))) == []
    assert list(match.misfits(head_of(method="HEAD"))) == ["the method is not GET or POST"]


def test_headers_are_found_whatever_their_case_and_compared_exactly() -> None:
    match = match_of(headers={"X-Tenant": "acme"})
    assert list(match.misfits(head_of(headers=(("x-tenant", "acme"),)))) == []
    told = "the header X-Tenant is not the one asked for"
    assert list(match.misfits(head_of(headers=(("X-Tenant", "Acme"),)))) == [told]
    assert list(match.misfits(head_of())) == [told]


def test_every_reason_is_told() -> None:
    match = match_of(host="b.example", path="/b", methods=["PUT"], headers={"X": "1"})
    assert len(list(match.misfits(head_of("/a")))) == 4


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"host": "https://api.example"}, "without scheme and port"),
        ({"host": "api.example:8080"}, "without scheme and port"),
        ({"host": "*api.example"}, r"`\*\.api\.example`"),
        ({"host": "a.*.example"}, r"`\*\.api\.example`"),
        ({"host": "bücher.example"}, "xn--"),
        ({"host": ""}, "a host is"),
        ({"host": "api.example\n"}, "a host is"),
        ({"path": "billing"}, "begins with /"),
        ({"path": ""}, "begins with /"),
        ({"path": "/a b"}, "percent-encoded"),
        ({"path": "/é"}, "percent-encoded"),
        ({"path": "/a?b=c"}, r"without \? and #"),
        ({"path": "/a#b"}, r"without \? and #"),
        ({"path": "/a\n"}, "percent-encoded"),
        ({"methods": ["get"]}, "in capitals"),
        ({"methods": ["GET,POST"]}, "in capitals"),
        ({"headers": {"X Y": "1"}}, "RFC 9110"),
        ({"headers": {"X": 1}}, "valid string"),
        ({"method": "GET"}, "Extra inputs"),
    ],
)
def test_what_can_never_match_is_refused_with_the_remedy(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        match_of(**settings)
