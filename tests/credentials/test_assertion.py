"""Assertions are dated by the issuer's clock, count once, and say what they are told to say."""

import base64
import hashlib
import ssl
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from proxy.core.secret import Secret
from proxy.credentials.assertion import IssuerClock, KeyedSettings, Occasion, Signer, SigningSettings
from tests.fakes import keys
from tests.fakes.assertions import said
from tests.fakes.clock import FakeClock

NOW = 1_800_000_000.9
HERE = Occasion("https://auth.example/token", None, NOW)


def settings(**given: Any) -> KeyedSettings:
    return KeyedSettings.model_validate({"key": keys.pem("p256"), **given})


def signed(occasion: Occasion = HERE, **given: Any) -> str:
    made = settings(**given)
    return Signer(made, made.signing_key()).sign(occasion, {"iss": "me", "sub": ""})


def test_it_begins_a_little_back_and_lasts_as_long_as_it_may() -> None:
    claims = said(signed(lifetime="1h"))
    assert (claims["iat"], claims["exp"]) == (1_799_999_990, 1_800_003_590)
    claims = said(signed())
    assert claims["exp"] - claims["iat"] == 300


def test_none_is_like_another() -> None:
    assert len({said(signed())["jti"] for _ in range(50)}) == 50


def test_what_is_empty_is_left_out_and_what_is_more_is_added() -> None:
    claims = said(signed(claims={"box": {"a": [1, None]}, "nbf": 7}))
    assert {name: claims[name] for name in claims.keys() - {"iat", "exp", "jti"}} == {
        "iss": "me",
        "box": {"a": [1, None]},
        "nbf": 7,
    }


def test_a_claim_may_say_the_time_there() -> None:
    assert said(signed(claims={"t": "{{ timestamp }}"}))["t"] == "1800000000"


def test_headers_name_the_key_and_its_certificate() -> None:
    header = jwt.get_unverified_header(signed(kid="k", certificate=keys.certificate("p256"), headers={"x5t": "old"}))
    der = ssl.PEM_cert_to_DER_cert(keys.certificate("p256"))
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert header == {"typ": "JWT", "alg": "ES256", "kid": "k", "x5t#S256": digest, "x5t": "old"}


def test_a_name_in_the_settings_counts_more_than_that_of_the_key() -> None:
    assert jwt.get_unverified_header(signed(key=keys.jwk("p256", kid="own")))["kid"] == "own"
    assert jwt.get_unverified_header(signed(key=keys.jwk("p256", kid="own"), kid="given"))["kid"] == "given"


def test_a_header_may_be_another_one_than_usual() -> None:
    assert jwt.get_unverified_header(signed(headers={"typ": "client-authentication+jwt"}))["typ"] != "JWT"


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "scope"])
def test_no_claim_is_set_twice(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name} is set anyway"):
        settings(claims={name: 1})


@pytest.mark.parametrize("name", ["alg", "b64", "crit"])
def test_some_headers_are_not_for_the_configuration(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name} is not for the configuration"):
        settings(headers={name: 1})


def test_the_certificate_must_be_that_of_the_key() -> None:
    with pytest.raises(ValidationError, match="not that of the key"):
        settings(certificate=keys.certificate("p256", 1))
    with pytest.raises(ValidationError, match="there is no certificate"):
        SigningSettings.model_validate({"certificate": "s3cret"})


def test_nothing_secret_is_printed() -> None:
    made = settings()
    body = keys.pem("p256").splitlines()[1]
    assert body not in f"{made!r} {made.model_dump_json()} {Signer(made, made.signing_key())!r}"
    assert isinstance(made.key, Secret)


@pytest.mark.parametrize(
    ("taken", "seen", "contradicted"),
    [
        (0.0, None, False),
        (0.0, 0.0, False),
        (0.0, 2.0, False),
        (0.0, -600.0, True),
        (-600.0, -600.0, False),
        (-600.0, 0.0, True),
    ],
)
def test_a_clock_is_contradicted_by_what_would_spoil_an_assertion(
    taken: float, seen: float | None, *, contradicted: bool
) -> None:
    clock = IssuerClock(FakeClock())
    clock.offset = taken
    assert clock.is_contradicted_by(seen) is contradicted


async def test_an_issuers_clock_goes_on() -> None:
    ours = FakeClock()
    clock = IssuerClock(ours)
    assert clock.now() == ours.now()
    clock.offset = 600.0
    await ours.advance(seconds=5)
    assert clock.now() == ours.now() + 600.0
