"""Keys that sign assertions: read once from PEM or JWK, held to the algorithm that they are for, never shown.

No message of this module repeats anything of what it was given, for a key that cannot be read is still a key.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from jwt import PyJWK
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from proxy.core.secret import Secret

Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""RFC 7518 §3.1 and RFC 8037 §3.1: those with a private key."""
SharedAlgorithm: TypeAlias = Literal["HS256", "HS384", "HS512"]
"""Those with a secret that both sides know."""
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SMALLEST_RSA: Final = 2048
"""Bits (RFC 7518 §3.3)."""
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_SIGNING: Final = get_default_algorithms()
_FORMS: Final = "give the private key as PEM or as a JWK, such as ${file:key.pem}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and the one algorithm that it is used with."""

    algorithm: str
    _key: Any = field(repr=False)
    """As PyJWT's algorithm of that name wants it."""
    kid: str | None = None
    """What the key itself says that it is called."""

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return the claims as a signed JWT in compact form (RFC 7515 §7.1)."""
        signed = f"{_part({'typ': 'JWT', **header, 'alg': self.algorithm})}.{_part(claims)}"
        return f"{signed}.{base64url(_SIGNING[self.algorithm].sign(signed.encode('ascii'), self._key))}"

    def is_certified_by(self, certificate: x509.Certificate) -> bool:
        """Return True when the certificate is for this key."""
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return bool(certificate.public_key().public_bytes(*form) == self._key.public_key().public_bytes(*form))


def read_key(text: Secret, algorithm: Algorithm | None = None) -> SigningKey:
    """Return the private key that stands there: as PEM, as a JWK, or in a key file of a Google service account.

    Without a name of an algorithm, a JWK's own `alg` counts, else RS256, ES256, ES384, ES512 or EdDSA, by the key.

    Raises:
        ValueError: there is none, or it is not for that algorithm.
    """
    pem, jwk = text.reveal().strip(), _object(text.reveal())
    kid, own = jwk.get("kid"), jwk.get("alg")
    if isinstance(jwk.get("private_key"), str):
        pem, kid = jwk["private_key"], jwk.get("private_key_id")
    key = _from_jwk(jwk) if "kty" in jwk else _from_pem(pem)
    possible = _possible(key)
    named = algorithm or (own if own in possible else None)
    if named is not None and named not in possible:
        raise ValueError(f"the key cannot sign {named}, but {' or '.join(possible)}: it is {_described(key)}")
    return SigningKey(named or possible[0], key, kid if isinstance(kid, str) and kid else None)


def shared_key(secret: Secret, algorithm: SharedAlgorithm) -> SigningKey:
    """Return the key that both sides know: the bytes of a client's secret (OpenID Connect Core §9)."""
    return SigningKey(algorithm, secret.reveal().encode("utf-8", "surrogatepass"))


def read_certificate(text: Secret) -> x509.Certificate:
    """Return the first certificate of a PEM text.

    Raises:
        ValueError: there is none.
    """
    try:
        return x509.load_pem_x509_certificate(text.reveal().encode())
    except ValueError:
        raise ValueError("there is no certificate; give it as PEM, such as ${file:certificate.pem}") from None


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the `x5t#S256` of the certificate (RFC 7515 §4.1.8)."""
    return base64url(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())


def base64url(octets: bytes) -> str:
    """Return the bytes in base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _part(members: Mapping[str, Any]) -> str:
    return base64url(json.dumps(members, separators=(",", ":")).encode())


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _from_jwk(jwk: Mapping[str, Any]) -> PrivateKey:
    try:
        bare = {name: part for name, part in jwk.items() if name != "alg"}  # it may be for what PyJWT does not know
        key = PyJWK(bare).key if jwk.get("kty") != "oct" else None
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        raise ValueError(f"the JWK cannot be read; {_FORMS}") from None
    return _private(key)


def _from_pem(text: str) -> PrivateKey:
    try:
        return _private(load_pem_private_key(text.encode(), password=None))
    except TypeError:
        raise ValueError("the key is encrypted; decrypt it, for example with `openssl pkey`") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"there is no private key that can be read; {_FORMS}") from None


def _private(key: object) -> PrivateKey:
    if not isinstance(key, PrivateKey):
        raise ValueError(  # noqa: TRY004 - of a setting
            f"this is no private key of RSA, of a NIST curve or of Ed25519; {_FORMS}"
        )
    return key


def _possible(key: PrivateKey) -> tuple[str, ...]:
    """Return the algorithms that the key is for, the usual one first. Raises ValueError: there is none."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ("EdDSA",)
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < SMALLEST_RSA:
            raise ValueError(f"the key has {key.key_size} bits; RSA keys need {SMALLEST_RSA} (RFC 7518 §3.3)")
        return _RSA
    if key.curve.name not in _CURVES:
        raise ValueError(f"no algorithm is for the curve {key.curve.name}; use P-256, P-384 or P-521")
    return (_CURVES[key.curve.name],)


def _described(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "an RSA key"
    return "an Ed25519 key" if isinstance(key, ed25519.Ed25519PrivateKey) else f"a key of the curve {key.curve.name}"
