"""What a JWT says of its own end."""

import json
import math
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.message import Reply
from proxy.credentials.claims import ends_at, finite

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()
AGREEING = {"Date": "Mon, 01 Jun 2026 12:00:00 GMT"}
AHEAD = {"Date": "Mon, 01 Jun 2026 12:10:00 GMT"}


def signed(**claims: Any) -> str:
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def life(token: str, **headers: str) -> float | None:
    at = ends_at(token, Reply(200, tuple(headers.items()), b"", NOW))
    return None if at is None else at - NOW


def part(content: str | dict[str, Any]) -> str:
    plain = content if isinstance(content, str) else json.dumps(content)
    return urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def test_an_exp_is_moved_onto_our_clock() -> None:
    assert life(signed(exp=NOW + 60)) == 60
    assert life(signed(exp=NOW + 660), **AHEAD) == 60


def test_claims_in_milliseconds_are_taken_for_what_they_are() -> None:
    assert life(signed(exp=(NOW + 60) * 1000)) == 60
    assert life(signed(iat=NOW * 1000, exp=(NOW + 60) * 1000)) == 60
    assert life(signed(exp=253_402_300_799)) == 253_402_300_799 - NOW


@pytest.mark.parametrize("alg", ["none", "RS256", "made-up"])
def test_the_signature_is_not_asked_for(alg: str) -> None:
    assert life(f"{part({'alg': alg})}.{part({'exp': NOW + 60})}.c2lnbmF0dXJl") == 60


@pytest.mark.parametrize(
    "claims", [{}, *({"exp": exp} for exp in (True, "soon", None, math.inf, math.nan, 0, -1, 10**400, [1]))]
)
def test_a_jwt_without_a_usable_exp_says_nothing(claims: dict[str, Any]) -> None:
    assert life(signed(**claims)) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        "..",
        "." * 100_000,
        "\udc80.a.b",
        f"{part({'alg': 'none'})}.{part('[1]')}.",
        f"{part({'alg': 'none'})}.{part('[' * 10_000)}.",
        f"{part({'alg': 'dir', 'enc': 'A256GCM'})}..{part({'exp': NOW + 60})}.YQ.YQ",
        f"{part({'alg': 'dir', 'enc': 'A256GCM'})}..{part({'exp': 17900000000})}..YQ",
    ],
)
def test_what_is_opaque_or_encrypted_says_nothing(token: str) -> None:
    assert life(token) is None


@pytest.mark.parametrize("headers", [{}, AGREEING, AHEAD])
def test_a_token_never_lives_longer_than_from_its_issue_to_its_end(headers: dict[str, str]) -> None:
    assert life(signed(iat=NOW + 86_400, exp=NOW + 86_400 + 60), **headers) == 60


def test_what_a_cached_reply_brings_was_issued_its_age_ago() -> None:
    assert life(signed(iat=NOW + 600, exp=NOW + 900), Age="100") == 200


def test_without_a_date_a_token_issued_in_our_future_lives_its_whole_length_from_now() -> None:
    assert life(signed(iat=NOW + 600, exp=NOW + 900)) == 300


def test_a_token_that_was_kept_by_its_issuer_for_a_while_has_lived_that_long() -> None:
    assert life(signed(iat=NOW - 600, exp=NOW + 300)) == 300
    assert life(signed(iat=NOW - 600, exp=NOW + 300), **AGREEING) == 300


def test_without_a_date_a_token_that_was_over_before_it_came_is_taken_for_new() -> None:
    assert life(signed(iat=NOW - 600, exp=NOW - 300)) == 300


def test_with_a_date_a_token_that_was_over_before_it_came_is_over() -> None:
    assert life(signed(iat=NOW - 600, exp=NOW - 300), **AGREEING) == -300
    assert life(signed(exp=NOW - 300)) == -300


@pytest.mark.parametrize("iat", [True, "now", None, math.nan, 0, -1, NOW + 60, NOW + 61])
def test_an_iat_that_cannot_be_is_ignored(iat: Any) -> None:
    assert life(signed(iat=iat, exp=NOW + 60)) == 60


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_no_token_is_too_odd(token: str) -> None:
    assert life(token) is None


@pytest.mark.parametrize("value", [math.inf, math.nan, -math.inf, True, "1", None, 10**400])
def test_what_is_no_number_is_not_finite(value: object) -> None:
    assert finite(value) is None
