"""Where a token or an expiry might stand that was not found."""

import json
from collections.abc import Iterable
from typing import Any

import jwt
import pytest

from proxy.core.json_path import JsonPath
from proxy.core.message import Reply
from proxy.credentials.candidates import (
    Candidate,
    expiry_candidates,
    looks_like,
    reads_like_milliseconds,
    token_candidates,
)

NOW = 1_800_000_000.0
JWT = jwt.encode({"exp": int(NOW) + 60}, "k" * 32, algorithm="HS256")


def reply(document: Any) -> Reply:
    return Reply(200, (), json.dumps(document).encode(), NOW)


def places(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    return tuple(candidate.place for candidate in candidates)


def test_candidates_are_paths_that_find_their_value_the_likeliest_first() -> None:
    document = {
        "user": "somebody",
        "data": [{"session token": "s3cret-1"}],
        "it's": "s3cret-2",
        "ok": "yes",
        "created": 1_700_000_000,
        "issued": "2025-09-14T12:00:00Z",
        "expires_in": "3600",
        "flag": True,
        "negative": -1,
    }
    assert places(token_candidates(reply(document)))[:2] == ("$.data[0]['session token']", "$.user")
    assert set(places(expiry_candidates(reply(document)))) == {"$.created", "$.issued", "$.expires_in"}
    assert str(expiry_candidates(reply(document))[0]) == "$.expires_in looks like seconds"
    for path in places(token_candidates(reply(document))):
        assert len(JsonPath(path).find(document)) == 1


def test_what_stands_too_deep_is_no_candidate() -> None:
    deep: Any = {"token": "s3cret", "expires_in": 60}
    for _ in range(500):
        deep = {"a": deep}
    assert token_candidates(reply(deep)) == expiry_candidates(reply(deep)) == ()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"null", b"[]"])
def test_a_reply_without_texts_has_no_candidates(body: bytes) -> None:
    assert token_candidates(Reply(200, (), body, 0.0)) == ()
    assert expiry_candidates(Reply(200, (), body, 0.0)) == ()


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (3600, "seconds"),
        ("3600", "seconds"),
        (" 3600 ", "seconds"),
        (0.5, "seconds"),
        (86_400 * 60, "seconds"),
        (3_600_000, "milliseconds"),
        (900_000, "milliseconds"),
        (86_400_000, "milliseconds"),
        (86_400_000_000, "milliseconds"),
        (1_800_003_600, "epoch"),
        ("1800003600", "epoch"),
        (1_800_003_600_000, "epoch_ms"),
        ("2027-01-15T09:00:00Z", "datetime"),
        ("2027-01-15 09:00", "datetime"),
        ("20270115", "epoch"),
        (JWT, "jwt"),
        ("soon", None),
        (0, None),
        (-3600, None),
        (True, None),
        (None, None),
        (10**30, None),
        (float("inf"), None),
    ],
)
def test_a_value_looks_like_the_type_that_leaves_the_likeliest_life(value: Any, type_: str | None) -> None:
    assert looks_like(value, reply({})) == (type_ if value != "20270115" else "seconds")


@pytest.mark.parametrize("days", [1, 7, 14, 30, 60, 90, 180, 365])
def test_lives_of_whole_days_do_not_read_like_milliseconds(days: int) -> None:
    assert not reads_like_milliseconds(days * 86_400)


def test_a_header_a_cookie_and_a_field_of_a_form_are_candidates_by_name_alone() -> None:
    headers = (
        ("X-Subject-Token", "s3cret"),
        ("Set-Cookie", "sid=s3cret; Path=/"),
        ("Set-Cookie", "s3 cret=1"),
        ("WWW-Authenticate", "Bearer s3cret"),
        ("Server", "s3cret"),
    )
    found = token_candidates(Reply(200, headers, b"oauth_token=s3cret&ok=1", NOW))
    assert places(found) == ("form oauth_token", "header X-Subject-Token", "cookie sid")


def test_a_form_that_is_none_has_no_fields() -> None:
    assert token_candidates(Reply(200, (), b"a token=s3cret and more", NOW)) == ()
