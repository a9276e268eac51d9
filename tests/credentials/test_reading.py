"""Tokens in replies."""

import json
from typing import Any

import jwt
import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.reading import LONGEST_TOKEN, AnyExpiry, TokenReader, clean
from proxy.extractors import AnyExtractor
from proxy.extractors.base import Found

NOW = 1_800_000_000.0


def reader(expiry: dict[str, Any] | None = None, **token: Any) -> TokenReader:
    return TokenReader(
        TypeAdapter(AnyExtractor).validate_python(token or {"from": "json", "path": "token"}),
        None if expiry is None else TypeAdapter(AnyExpiry).validate_python(expiry),
    )


def read(made: TokenReader, body: str, **headers: str) -> Token:
    return made.read("POST auth.example", Reply(200, tuple(headers.items()), body.encode(), NOW))


def refused(made: TokenReader, body: str, **headers: str) -> TokenRequestError:
    with pytest.raises(TokenRequestError) as caught:
        read(made, body, **headers)
    assert "s3cret" not in str(caught.value)
    assert "POST auth.example" in str(caught.value)
    return caught.value


def test_token_and_expiry_are_read() -> None:
    expiry = {"from": "json", "path": "expires_in", "type": "seconds"}
    token = read(reader(expiry), '{"token": " abc\\n", "expires_in": 60}')
    assert (token.value.reveal(), token.issued_at, token.expires_at) == ("abc", NOW, NOW + 60)


def test_they_may_stand_in_different_places() -> None:
    made = reader({"from": "header", "name": "X-Expires", "type": "epoch"}, **{"from": "text"})
    token = read(made, "abc\n", **{"x-expires": str(NOW + 60)})
    assert (token.value.reveal(), token.expires_at) == ("abc", NOW + 60)


@pytest.mark.parametrize(
    "expiry", [None, {"type": "jwt"}, {"from": "token", "type": "jwt"}, {"from": "json", "path": "id", "type": "jwt"}]
)
def test_a_jwt_says_itself_when_it_expires(expiry: dict[str, Any] | None) -> None:
    token = jwt.encode({"exp": int(NOW) + 60}, "k" * 32, algorithm="HS256")
    assert read(reader(expiry), json.dumps({"token": token, "id": token})).expires_at == NOW + 60


@pytest.mark.parametrize("body", ['{"token": "abc"}', '{"token": "abc", "expires_in": null}'])
def test_a_provider_may_leave_the_expiry_out(body: str) -> None:
    assert read(reader({"from": "json", "path": "expires_in", "type": "seconds"}), body).expires_at == NOW + 300


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("seconds", '"s3cret"'),
        ("seconds", "true"),
        ("seconds", "{}"),
        ("epoch", "60"),
        ("datetime", "60"),
        ("jwt", "60"),
    ],
)
def test_a_wrong_expiry_is_named_with_its_place_and_remedy(kind: str, found: str) -> None:
    made = reader({"from": "json", "path": "e", "type": kind})
    error = refused(made, f'{{"token": "abc", "e": {found}}}')
    assert error.symptom is Symptom.EXPIRY_WRONG
    assert "wrong expiry key or type" in str(error)
    assert "json $.e" in str(error)


@pytest.mark.parametrize(
    ("body", "symptom"),
    [
        ("<html>s3cret</html>", Symptom.NOT_JSON),
        ("", Symptom.NOT_JSON),
        ('{"access_token": "s3cret"}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": null}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": {"value": "s3cret"}}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": true}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": ""}', Symptom.TOKEN_UNUSABLE),
        ('{"token": " \\t"}', Symptom.TOKEN_UNUSABLE),
        ('{"token": 1.5}', Symptom.TOKEN_UNUSABLE),
        ('{"token": "s3cret\\r\\nX: 1"}', Symptom.TOKEN_UNUSABLE),
    ],
)
def test_a_reply_without_a_token_is_named(body: str, symptom: Symptom) -> None:
    assert refused(reader(), body, **{"Content-Type": "text/html"}).symptom is symptom


@pytest.mark.parametrize(("found", "value"), [(" abc\n", "abc"), (12345, "12345"), ("a b", "a b"), ("é~!", "é~!")])
def test_white_space_around_a_token_is_dropped(found: Found, value: str) -> None:
    assert clean(found) == value


@pytest.mark.parametrize(
    "found",
    [
        "a\rb",
        "a\nb",
        "a\x00b",
        "a\tb",
        "a\x7fb",
        "a\x85b",
        "a\xa0b",
        "a€",
        "a\udc80",
        "a\u200b",
        "x" * (LONGEST_TOKEN + 1),
    ],
)
def test_what_cannot_stand_in_a_header_is_no_token(found: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        clean(found)
    assert found not in str(caught.value)


@pytest.mark.parametrize(
    "expiry",
    [
        {"type": "seconds"},
        {"from": "token", "type": "seconds"},
        {"from": "json", "path": "e", "type": "s"},
        {"from": "json", "path": "e"},
    ],
)
def test_an_incomplete_expiry_is_refused(expiry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        reader(expiry)
