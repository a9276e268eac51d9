"""Private keys of every sort that assertions are signed with, made once per run, as PEM, JWK and certificate."""

import datetime
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SORTS: Final = ("rsa", "p256", "p384", "p521", "ed25519")
ALGORITHMS: Final = {
    "RS256": "rsa",
    "RS384": "rsa",
    "RS512": "rsa",
    "PS256": "rsa",
    "PS384": "rsa",
    "PS512": "rsa",
    "ES256": "p256",
    "ES384": "p384",
    "ES512": "p521",
    "EdDSA": "ed25519",
}
"""The sort of key that each algorithm needs."""
_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}


def key(sort: str, number: int = 0) -> Key:
    """Return the key of that sort and number."""
    return _made(sort, number)


@functools.cache
def _made(sort: str, number: int) -> Key:
    if sort == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if sort.startswith("rsa"):
        return rsa.generate_private_key(65537, int(sort.removeprefix("rsa") or 2048))
    return ec.generate_private_key(_CURVES[sort]())


def pem(sort: str, number: int = 0, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """Return it as PEM."""
    return key(sort, number).private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def jwk(sort: str, number: int = 0, **more: Any) -> str:
    """Return it as JWK."""
    made = key(sort, number)
    kind: Any = {rsa.RSAPrivateKey: RSAAlgorithm, ed25519.Ed25519PrivateKey: OKPAlgorithm}.get(
        next((sort for sort in (rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey) if isinstance(made, sort)), object),
        ECAlgorithm,
    )
    return json.dumps({**kind.to_jwk(made, as_dict=True), **more})


@functools.cache
def certificate(sort: str, number: int = 0) -> str:
    """Return a certificate of its own making, as PEM."""
    made, name = key(sort, number), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client.example")])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, made.public_key(), 1, day, day + datetime.timedelta(days=9999))
    signed = builder.sign(made, None if sort == "ed25519" else hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()
