"""A JWT counts only if a key of its issuer signed it, in a way that is accepted, for us, and now."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.jwt_claims import ALGORITHMS, LONGEST, ClaimsError, Expected, Header, KeySet, read_header, verify

NOW: Final = 1_800_000_000.0
EXPECTED: Final = Expected("https://id.example", "countersign")
CLAIMS: Final[dict[str, Any]] = {"iss": "https://id.example", "aud": "countersign", "sub": "ann", "exp": NOW + 60}
RSA: Final = rsa.generate_private_key(65_537, 2048)
KEYS: Final[Mapping[str, Any]] = {
    "RS": RSA,
    "PS": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
WRITERS: Final[Mapping[str, Any]] = {
    "RSA": jwt.algorithms.RSAAlgorithm,
    "EC": jwt.algorithms.ECAlgorithm,
    "OKP": jwt.algorithms.OKPAlgorithm,
}


def key_for(algorithm: str) -> Any:
    return KEYS.get(algorithm, KEYS.get(algorithm[:2]))


def public(algorithm: str, **more: Any) -> dict[str, Any]:
    family = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[algorithm[:2]]
    return {**WRITERS[family].to_jwk(key_for(algorithm).public_key(), as_dict=True), **more}


def signed(algorithm: str = "ES256", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(said, key_for(algorithm), algorithm, headers=headers)


def verified(token: str, *keys: dict[str, Any], expected: Expected = EXPECTED) -> Mapping[str, Any]:
    known = KeySet(keys or (public("ES256"),))
    return verify(token, known.find(read_header(token)), expected, NOW)


def test_the_last_second_of_the_year_9999_is_a_date() -> None:
    assert verified(signed(exp=253_402_300_799))["sub"] == "ann"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_the_issuers_key_signed_counts(algorithm: str) -> None:
    assert verified(signed(algorithm), public(algorithm))["sub"] == "ann"


def test_of_several_keys_without_an_id_each_is_tried() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    stranger = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    assert verified(signed(), stranger, public("ES256"))["sub"] == "ann"


def test_the_key_that_the_token_names_is_taken() -> None:
    keys = KeySet([public("ES256", kid="one"), public("ES256", kid="two"), public("ES256")])
    assert len(keys.find(Header("ES256", "one"))) == 2
    assert len(keys.find(Header("ES256", None))) == 3
    assert keys.find(Header("RS256", "one")) == ()


def test_a_key_for_one_algorithm_verifies_no_other() -> None:
    assert KeySet([public("RS256", alg="RS256")]).find(Header("PS256", None)) == ()


def test_keys_for_other_uses_and_of_unknown_types_are_left_out() -> None:
    keys = [public("ES256", use="enc"), {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "XYZ"}, {"kty": "RSA", "n": "!"}]
    assert len(KeySet(keys)) == 0


def with_hmac_of_the_public_key() -> str:
    """The classic: HS256 with the issuer's public key, which everybody knows, as the secret."""
    secret = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, CLAIMS)]
    head, body = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    signature = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (jwt.encode(CLAIMS, "", "none"), "signed in a way"),
        (with_hmac_of_the_public_key(), "signed in a way"),
        (signed()[:-8] + "AAAAAAAA", "no key of its issuer"),
        (jwt.encode(CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256"), "no key of its issuer"),
        (signed(iss="https://evil.example"), "another issuer"),
        (signed(iss=None), "another issuer"),
        (signed(aud="somebody"), "another audience"),
        (signed(aud=["one", "two"]), "another audience"),
        (signed(aud=None), "another audience"),
        (signed(exp=NOW - 31), "has expired"),
        (signed(exp=None), "does not say when it expires"),
        (signed(exp="soon"), "is no date"),
        (signed(exp=True), "is no date"),
        (signed(exp=999_999_999_999), "is no date"),
        (signed(exp=int(NOW * 1000)), "is no date"),
        (signed(nbf=NOW + 31), "not valid yet"),
        (signed(iat=NOW + 31), "not valid yet"),
        (signed(headers={"crit": ["x"], "x": 1}), "not a signed JWT"),
        ("not.a.jwt", "not a signed JWT"),
        ("", "not a signed JWT"),
        ("a" * (LONGEST + 1), "longer than"),
    ],
)
def test_what_proves_nothing_is_refused_with_the_reason(token: str, why: str) -> None:
    with pytest.raises(ClaimsError, match=why):
        verified(token, public("ES256"), public("RS256"))


def test_clocks_may_differ_by_half_a_minute() -> None:
    assert verified(signed(exp=NOW - 29, nbf=NOW + 29, iat=NOW + 29))["sub"] == "ann"


def test_one_of_several_audiences_is_enough() -> None:
    assert verified(signed(aud=["else", "countersign"]))["aud"] == ["else", "countersign"]


def test_an_algorithm_that_is_not_accepted_is_refused_though_its_key_is_known() -> None:
    with pytest.raises(ClaimsError, match="signed in a way"):
        verified(signed(), expected=Expected("https://id.example", "countersign", ("RS256",)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 1}', '{"keys": []}', '{"keys": [1]}', "[" * 10_000])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Key Set|Expecting"):
        KeySet.parse(text)


def test_a_private_key_that_an_issuer_shows_by_mistake_is_not_kept() -> None:
    shown = jwt.algorithms.ECAlgorithm.to_jwk(KEYS["ES256"], as_dict=True)
    (key,) = KeySet.parse(json.dumps({"keys": [shown]})).find(Header("ES256", None))
    assert isinstance(key, ec.EllipticCurvePublicKey)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}"))
def test_whatever_is_shown_either_counts_or_is_refused(token: str) -> None:
    with pytest.raises(ClaimsError):
        verified(token)
