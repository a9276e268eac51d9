"""Judges assertions as a strict issuer does: signature, algorithm, audience, dates by the issuer's clock, no replay."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import jwt

LONGEST: Final = 3600
"""Seconds from `iat` to `exp`."""


class RefusedError(Exception):
    """The assertion proves nothing; says why."""


class Judge:
    """Remembers what it has seen, so that nothing counts twice."""

    def __init__(self) -> None:
        self.accepted: list[Mapping[str, Any]] = []
        """The claims of those that counted, in order."""
        self.headers: list[Mapping[str, Any]] = []
        """Their JOSE headers."""
        self.refusals: list[str] = []
        self._seen: set[str] = set()

    def judge(
        self, assertion: str, key: Any, algorithms: Collection[str], audiences: Collection[str], now: float
    ) -> Any:
        """Return the claims. `now` is in Unix seconds. Raises RefusedError."""
        try:
            claims = self._judged(assertion, key, algorithms, audiences, now)
        except RefusedError as error:
            self.refusals.append(str(error))
            raise
        self.accepted.append(claims)
        self.headers.append(jwt.get_unverified_header(assertion))
        return claims

    def _judged(
        self, assertion: str, key: Any, algorithms: Collection[str], audiences: Collection[str], now: float
    ) -> dict[str, Any]:
        if key is None:
            raise RefusedError("nobody is known who signs so")
        try:
            claims: dict[str, Any] = jwt.decode(
                assertion,
                key,
                algorithms=list(algorithms),
                audience=list(audiences),
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["exp", "iat", "jti"],
                },
            )
        except jwt.InvalidTokenError as error:
            raise RefusedError(str(error)) from None
        if not claims["iat"] <= now < claims["exp"]:
            raise RefusedError("it is not the time for it")
        if claims["exp"] - claims["iat"] > LONGEST:
            raise RefusedError("it is good for too long")
        if claims["jti"] in self._seen:
            raise RefusedError("it has been seen before")
        self._seen.add(claims["jti"])
        return claims


def said(assertion: str) -> dict[str, Any]:
    """Return what it says, whether that is true or not; nothing for what is no assertion."""
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims
