"""Verifies JSON Web Tokens (RFC 7519, RFC 8725): nothing that one says counts before its signature has been checked.

Only asymmetric algorithms are known here. An issuer's keys are public, so a signature that could be made with them, or
none at all (`alg: none`, an HMAC with the public key as its secret), proves nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import jwt
from jwt.exceptions import PyJWTError

if TYPE_CHECKING:
    from jwt.types import Options

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
LEEWAY: Final = 30.0
"""Seconds by which the issuer's clock and ours may differ."""
LONGEST: Final = 16 * 1024
"""Characters."""
_LAST_SECOND: Final = 253_402_300_799
"""The year 9999 ends. What lies beyond can be told nobody, and was written in milliseconds, as JavaScript counts."""
_FAMILIES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The type of key that an algorithm needs, by its first letters."""
_UNCHECKED: "Final[Options]" = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""What is checked here instead of by the library: times by our clock, and each with its own sentence."""


class ClaimsError(Exception):
    """The token proves nothing; the message says why, and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says of its signature. Not verified: it only chooses a key."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say to count; None: anything, if it says it at all."""

    issuer: str | None
    audience: str | None
    algorithms: tuple[Algorithm, ...] = ALGORITHMS


class KeySet:
    """An issuer's public keys (RFC 7517 §5). Keys of types or for uses that we do not know are left out."""

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        self._keys = tuple(_usable(keys))

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def parse(cls, text: str) -> "KeySet":
        """Read a JWKS document.

        Raises:
            ValueError: it is none, or holds no key that can be used.
        """
        try:
            document = json.loads(text)
        except RecursionError:
            raise ValueError("not a JSON Web Key Set (RFC 7517)") from None
        keys = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(keys, list):
            raise ValueError("not a JSON Web Key Set (RFC 7517)")  # noqa: TRY004 - a text was given, and was wrong
        found = cls(key for key in keys if isinstance(key, dict))
        if not len(found):
            raise ValueError("a JSON Web Key Set without a key that can verify signatures")
        return found

    def find(self, header: Header) -> tuple[Any, ...]:
        """Return the keys that may have signed a token with that header; none when its key is not among them."""
        return tuple(key.public for key in self._keys if key.fits(header))


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str | None
    algorithm: str | None
    family: str
    public: Any

    def fits(self, header: Header) -> bool:
        return (
            self.family == _FAMILIES.get(header.algorithm[:2])
            and self.algorithm in (None, header.algorithm)
            and (header.key_id is None or self.key_id in (None, header.key_id))
        )


def _usable(keys: Iterable[Mapping[str, Any]]) -> Iterable[_Key]:
    for key in keys:
        family, algorithm, use = str(key.get("kty")), key.get("alg"), key.get("use", "sig")
        if family not in _FAMILIES.values() or use != "sig" or algorithm not in (None, *ALGORITHMS):
            continue
        public_part = {name: value for name, value in key.items() if name not in {"d", "p", "q", "dp", "dq", "qi"}}
        try:
            made = jwt.PyJWK.from_dict(public_part)
        except (PyJWTError, ValueError, TypeError):
            continue
        key_id = key.get("kid")
        yield _Key(key_id if isinstance(key_id, str) else None, algorithm, family, made.key)


def read_header(token: str) -> Header:
    """Return what the token says of its signature.

    Raises:
        ClaimsError: it is no signed JWT, or demands an extension that is not known here (RFC 7515 §4.1.11).
    """
    if len(token) > LONGEST:
        raise ClaimsError("the token is longer than 16 KiB")
    try:
        header = jwt.get_unverified_header(token)
    except (PyJWTError, ValueError, RecursionError):
        raise ClaimsError("it is not a signed JWT") from None
    key_id = header.get("kid")
    return Header(str(header.get("alg")), key_id if isinstance(key_id, str) else None)


def told_issuer(token: str) -> str:
    """Return who a token says it is from. Not verified: it only chooses whose keys to try.

    Raises:
        ClaimsError: it is no signed JWT, or does not say.
    """
    issuer = told_claims(token).get("iss")
    if not isinstance(issuer, str):
        raise ClaimsError("it does not say who issued it (`iss`)")
    return issuer


def told_claims(token: str) -> Mapping[str, Any]:
    """Return what a token says. Not verified: it proves nothing.

    Raises:
        ClaimsError: it is no signed JWT.
    """
    if read_header(token).algorithm.lower() == "none":
        raise ClaimsError("it is not signed (`alg: none`)")
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (PyJWTError, ValueError, RecursionError):
        raise ClaimsError("it is not a signed JWT") from None


def verify(token: str, keys: Iterable[Any], expected: Expected, now: float) -> Mapping[str, Any]:
    """Return the token's claims, which count. `keys` are those of its issuer that may have signed it.

    Raises:
        ClaimsError: it proves nothing to whoever expects this.
    """
    claims = signed_claims(token, keys, expected.algorithms)
    check(claims, expected, now)
    return claims


def signed_claims(token: str, keys: Iterable[Any], algorithms: tuple[Algorithm, ...]) -> Mapping[str, Any]:
    """Return what the token says, and one of these keys has signed. Who says it, to whom and when is not looked at.

    Raises:
        ClaimsError: none of them has, in one of these ways.
    """
    header = read_header(token)
    if header.algorithm not in algorithms:
        raise ClaimsError("it is signed in a way that is not accepted here")
    for key in keys:
        try:
            claims = jwt.decode(token, key, algorithms=[header.algorithm], options=_UNCHECKED)
        except (PyJWTError, ValueError, TypeError, RecursionError):
            continue
        return dict(claims)
    raise ClaimsError("its signature was made with no key of its issuer")


def check(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    """Look at who issued a token, for whom, and when.

    Raises:
        ClaimsError: it is not what is expected, or not now.
    """
    if expected.issuer not in (None, claims.get("iss")):
        raise ClaimsError("it comes from another issuer")
    audience = claims.get("aud")
    if expected.audience not in (None, *(audience if isinstance(audience, list) else [audience])):
        raise ClaimsError("it is meant for another audience")
    check_times(claims, now)


def check_times(claims: Mapping[str, Any], now: float) -> None:
    """Look at the times of a token (RFC 7519 §4.1.4 to §4.1.6); `exp` must be there.

    Raises:
        ClaimsError: it has ended, has not begun, or tells no end.
    """
    ends, begins, issued = (_date(claims, name) for name in ("exp", "nbf", "iat"))
    if ends is None:
        raise ClaimsError("it does not say when it expires (`exp`)")
    if ends + LEEWAY <= now:
        raise ClaimsError("it has expired")
    if any(moment is not None and moment - LEEWAY > now for moment in (begins, issued)):
        raise ClaimsError("it is not valid yet")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    if (value := claims.get(name)) is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LAST_SECOND:
        raise ClaimsError(f"its `{name}` is no date")
    return float(value)
