"""Keys are read from any usual form, held to their algorithm, and never shown."""

import itertools
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat

from proxy.core.secret import Secret
from proxy.credentials.signing_key import (
    read_certificate,
    read_key,
    shared_key,
    thumbprint,
)
from tests.fakes import keys

UNCHECKED: Any = {"verify_exp": False, "verify_iat": False}


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_what_it_signs_is_what_others_verify(algorithm: Any, form: str) -> None:
    sort = keys.ALGORITHMS[algorithm]
    key = read_key(Secret(getattr(keys, form)(sort)), algorithm)
    signed = key.sign({"kid": "one"}, {"sub": "ü"})
    assert jwt.decode(signed, keys.key(sort).public_key(), algorithms=[algorithm]) == {"sub": "ü"}
    assert jwt.get_unverified_header(signed) == {"typ": "JWT", "alg": algorithm, "kid": "one"}


@pytest.mark.parametrize(
    ("sort", "algorithm"),
    [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("ed25519", "EdDSA")],
)
def test_the_key_chooses_where_nobody_does(sort: str, algorithm: str) -> None:
    assert read_key(Secret(keys.pem(sort))).algorithm == algorithm
    assert read_key(Secret(keys.jwk(sort))).algorithm == algorithm


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_older_forms_of_pem_are_read_too(form: PrivateFormat) -> None:
    assert read_key(Secret(f"\n{keys.pem('rsa', form=form)}\n")).algorithm == "RS256"
    assert read_key(Secret(keys.pem("p256", form=form))).algorithm == "ES256"


def test_a_jwk_says_its_name_and_its_algorithm() -> None:
    key = read_key(Secret(keys.jwk("rsa", kid="k-1", alg="PS384")))
    assert (key.kid, key.algorithm) == ("k-1", "PS384")
    assert read_key(Secret(keys.jwk("rsa", alg="PS384")), "RS256").algorithm == "RS256"
    assert read_key(Secret(keys.jwk("rsa", alg="RSA-OAEP"))).algorithm == "RS256"


def test_the_key_file_of_a_google_service_account_is_one() -> None:
    document = {"type": "service_account", "private_key": keys.pem("rsa"), "private_key_id": "g-1"}
    key = read_key(Secret(json.dumps(document)))
    assert (key.kid, key.algorithm) == ("g-1", "RS256")


def encrypted(sort: str) -> str:
    protection = BestAvailableEncryption(b"open sesame")
    return keys.key(sort).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


def public(sort: str) -> str:
    return keys.key(sort).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_jwk(sort: str) -> str:
    return json.dumps({name: part for name, part in json.loads(keys.jwk(sort)).items() if name != "d"})


@pytest.mark.parametrize(
    ("text", "algorithm", "message"),
    [
        ("s3cret-nonsense", None, "no private key that can be read"),
        (keys.pem("p256")[:100], None, "no private key that can be read"),
        (encrypted("p256"), None, "the key is encrypted"),
        (public("p256"), None, "no private key"),
        (public_jwk("p256"), None, "no private key"),
        ('{"kty": "oct", "k": "czNjcmV0"}', None, "no private key"),
        ('{"kty": "RSA", "n": "s3cret"}', None, "the JWK cannot be read"),
        ('{"kty": "EC", "crv": "s3cret"}', None, "the JWK cannot be read"),
        ('{"kty": ["s3cret"]}', None, "the JWK cannot be read"),
        ('{"k": "s3cret"}', None, "no private key that can be read"),
        (keys.pem("rsa"), "ES256", "the key cannot sign ES256, but RS256 or RS384"),
        (keys.pem("p384"), "ES256", "the key cannot sign ES256, but ES384: it is a key of the curve secp384r1"),
        (keys.jwk("ed25519"), "RS256", "the key cannot sign RS256, but EdDSA: it is an Ed25519 key"),
        (keys.pem("rsa1024"), None, "the key has 1024 bits; RSA keys need 2048"),
        (keys.pem("secp256k1"), None, "no algorithm is for the curve secp256k1"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_key_for_it_is_refused_and_not_shown(text: str, algorithm: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_key(Secret(text), algorithm)
    told = f"{caught.value!r} {caught.value.__cause__!r}"
    assert "s3cret" not in told
    assert not any(line in told for line in text.splitlines() if len(line) > 30)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_shared_secret_signs_whatever_its_length(algorithm: Any) -> None:
    signed = shared_key(Secret("short"), algorithm).sign({}, {"a": 1})
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        assert jwt.decode(signed, "short", algorithms=[algorithm]) == {"a": 1}


def test_nothing_of_a_key_is_printed() -> None:
    assert "short" not in repr(shared_key(Secret("short"), "HS256"))
    assert repr(read_key(Secret(keys.pem("p256")))) == "SigningKey(algorithm='ES256', kid=None)"


def test_a_certificate_goes_with_its_key_alone() -> None:
    certificate = read_certificate(Secret(keys.certificate("p256")))
    assert read_key(Secret(keys.pem("p256"))).is_certified_by(certificate)
    assert not read_key(Secret(keys.pem("p256", 1))).is_certified_by(certificate)
    assert len(thumbprint(certificate)) == 43
    with pytest.raises(ValueError, match="there is no certificate"):
        read_certificate(Secret(keys.pem("p256")))
