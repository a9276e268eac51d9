"""What vendors that take signed claims check in the same way: the signature and the dates."""

import time
from collections.abc import Collection
from typing import Any

import jwt

_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}


class NotBelievedError(Exception):
    """The claims are not believed; says why."""


def claims_of(assertion: str, key: Any, algorithm: str, *, longest: float, future: float = 0.0) -> dict[str, Any]:
    """Return what is asserted, as far as it is signed with the key and timely.

    `longest` is how far `exp` may lie ahead of now, `future` how far `iat` may, in seconds.

    Raises:
        NotBelievedError: it is not.
    """
    try:
        claims: dict[str, Any] = jwt.decode(assertion, key, algorithms=[algorithm], options=_OPTIONS)
    except jwt.InvalidTokenError as error:
        raise NotBelievedError(f"signature: {error}") from None
    now = time.time()
    if not isinstance(claims.get("exp"), int) or not now < claims["exp"] <= now + longest:
        raise NotBelievedError("exp")
    if "iat" in claims and not claims["iat"] <= now + future:
        raise NotBelievedError("iat")
    return claims


def is_for(claims: dict[str, Any], audiences: Collection[str]) -> bool:
    """Return True when one of these is the audience."""
    return claims.get("aud") in audiences
