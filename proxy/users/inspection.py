"""Looks at a token that is pushed for a user: what is wrong with it is found here, and not by the API later.

What was pushed is somebody's secret and stays one: no sentence repeats any of it. A JWT is taken at its word about its
end and its subject even where nobody can check its signature, for the API will; but one that names another user is
refused all the same, as is one that says of itself that it is not signed.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

from proxy.core.clock import Clock
from proxy.core.errors import DependencyUnavailableError, UserTokenRefusedError
from proxy.core.jwt_claims import ClaimsError, Expected, check, read_header, signed_claims, told_claims
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.user_token import UserTokenSettings
from proxy.injectors import inject_all
from proxy.injectors.base import InjectError, Injector
from proxy.net.endpoint import Endpoint
from proxy.net.jwks import COOLDOWN, Jwks, JwksError
from proxy.net.runtime import Runtime

LONGEST: Final = 16 * 1024
"""Characters of a token."""


class Inspector:
    """Looks at the tokens of one credential."""

    def __init__(self, name: str, settings: UserTokenSettings, endpoint: Endpoint, runtime: Runtime) -> None:
        self.settings = settings
        self._name = name
        self._rules = rules = settings.verify
        self._expected = Expected(rules.issuer, rules.audience, rules.algorithms)
        self._jwks = None if rules.jwks_url is None else Jwks(rules.jwks_url, endpoint, runtime)
        self._clock: Clock = runtime.clock

    async def inspect(self, value: str, user: str) -> Token:
        """Return the token, if it is one that may be used for that user.

        Raises:
            UserTokenRefusedError: it is not; says why.
            DependencyUnavailableError: the keys of its issuer cannot be had now.
        """
        now = self._clock.now()
        if not value or len(value) > LONGEST or not value.isprintable():
            raise self._refusal(f"it is not one line of 1 to {LONGEST} printable characters")
        try:
            expires_at = await self._end(value, user, now)
        except ClaimsError as error:
            raise self._refusal(str(error)) from None
        return Token(Secret(value), now, expires_at)

    def check_place(self, token: Token, injectors: Iterable[Injector]) -> None:
        """See that the token can stand where these put it. Raises UserTokenRefusedError: it cannot."""
        try:
            inject_all(injectors, token)
        except InjectError as error:
            raise self._refusal(str(error)) from None

    def check_age(self, token: Token, in_use: Token) -> None:
        """See that the token was not issued before the one in use. Raises UserTokenRefusedError: it was.

        One of them may not say when: then the last one counts, as it does of opaque tokens.
        """
        if self._rules.shape == "opaque":
            return
        issued, before = issued_at(token), issued_at(in_use)
        if issued is not None and before is not None and issued < before:
            raise self._refusal("the one in use was issued later")

    async def _end(self, value: str, user: str, now: float) -> float | None:
        """Return when the token is over; None: never. Raises ClaimsError."""
        rules = self._rules
        longest = None if rules.max_lifetime is None else now + rules.max_lifetime
        if rules.shape == "opaque" or not (rules.needs_jwt or looks_like_jwt(value)):
            return longest
        claims = {"exp": longest, **(await self._claims(value))}
        check(claims, self._expected, now)
        if claims["exp"] <= now:
            raise ClaimsError("it has expired")
        if rules.subject == "user" and claims.get("sub") != user:
            raise ClaimsError("it is another user's: `sub` is not the id of the one that it is pushed for")
        return float(min(claims["exp"], longest or claims["exp"]))

    async def _claims(self, value: str) -> Mapping[str, Any]:
        if self._jwks is None:
            return told_claims(value)
        try:
            keys = await self._jwks.find(read_header(value))
        except JwksError as error:
            raise DependencyUnavailableError(
                f"the keys that sign the tokens for {self._name} cannot be had now", retry_after=COOLDOWN
            ) from error
        return signed_claims(value, keys, self._rules.algorithms)

    def _refusal(self, why: str) -> UserTokenRefusedError:
        return UserTokenRefusedError(f"the token for {self._name} is not accepted: {why}", credential=self._name)


def looks_like_jwt(value: str) -> bool:
    """Tell whether a token is written as a JWT is (RFC 7515 §3.1): its header is an object in base64url."""
    header, _, rest = value.partition(".")
    if rest.count(".") != 1:
        return False
    try:
        text = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except ValueError:
        return False
    return text.lstrip().startswith(b"{")


def issued_at(token: Token) -> float | None:
    """Return when a token says that it was issued, in Unix seconds; None: it does not say."""
    try:
        told = told_claims(token.value.reveal()).get("iat") if looks_like_jwt(token.value.reveal()) else None
    except ClaimsError:
        return None
    return None if isinstance(told, bool) or not isinstance(told, int | float) else float(told)
