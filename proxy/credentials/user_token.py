"""A token that is the user's own: their app or its back end pushes it, and nobody else can get another one.

It is looked at when it is pushed (`verify`), so that a bad one is refused there and not by the API later. It is never
fetched: without one, or with one that has ended or that the API refused, a request is told to push a new one.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, ProxyError, Reason, UserTokenMissingError
from proxy.core.jwt_claims import ALGORITHMS, Algorithm
from proxy.core.origin import parse_upstream
from proxy.core.settings import Duration, Settings
from proxy.core.token import Token
from proxy.credentials.base import Credential, CredentialSettings
from proxy.net.endpoint import Endpoint

LONGEST: Final = 10 * 365 * 86_400.0
"""Seconds. What is to last longer may be given no date that can be written."""
REMEDY: Final = "push one to /.countersign/user-tokens"


class VerifySettings(Settings):
    """What a token must be like to be accepted when it is pushed."""

    shape: Literal["jwt", "opaque"] | None = None
    """jwt: what is no JWT is refused. opaque: it is passed on as it is. By default what looks like a JWT is taken for
    one, and anything is one that has to say who issued it or for whom."""
    issuer: Annotated[str, Field(min_length=1)] | None = None
    """What it must say in `iss`, to the letter."""
    audience: Annotated[str, Field(min_length=1)] | None = None
    """What it must name in `aud`."""
    jwks_url: str | None = None
    """Where its issuer's public keys are. Without them its signature is for the API to check."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(strict=False, min_length=1)] = ALGORITHMS
    """How it may be signed, if there is a `jwks_url`."""
    subject: Literal["user", "any"] = "user"
    """user: what a JWT says in `sub` must be the user's id. any: their ids at the API are other ones."""
    max_lifetime: Annotated[Duration, Field(gt=0, le=LONGEST)] | None = None
    """For how long it is used at most, from when it was pushed; needed for a JWT without `exp`. An opaque one is used
    for so long, and by default until the API refuses it."""

    @property
    def needs_jwt(self) -> bool:
        """Return True when something other than a JWT is refused."""
        return self.shape == "jwt" or not (self.issuer is self.audience is self.jwks_url is None)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.shape == "opaque" and self.needs_jwt:
            raise ValueError("an opaque token says nothing of its issuer or audience, and has no signature; use jwt")
        if self.jwks_url is not None and self.issuer is None:
            raise ValueError("with `jwks_url`, say whose keys these are: `issuer`, as its tokens have it in `iss`")
        return self


class UserTokenSettings(CredentialSettings):
    """A token that is the user's own, and is pushed."""

    kind: Literal["user_token"]
    """A token that is the user's own, and is pushed."""
    per_user: bool = True
    """Each user has a token of their own, always."""
    verify: VerifySettings = VerifySettings()
    """How a token is looked at when it is pushed; what does not pass is refused, and the one before it stays."""

    @model_validator(mode="after")
    def _each_users_own(self) -> Self:
        if not self.per_user:
            raise ValueError("per_user: a token that users push is each user's own; for one that all share use text")
        url = self.verify.jwks_url
        if url is not None:
            origin, _ = parse_upstream(url)
            if not (origin.is_tls or origin.is_loopback or self.allow_plain_http):
                raise ValueError(
                    "verify.jwks_url is not https; whoever is in between could put keys of their own there, "
                    "unless `allow_plain_http: true`"
                )
        return self


class UserToken(Credential):
    """Waits for a push."""

    Settings = UserTokenSettings

    def __init__(self, name: str, settings: UserTokenSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        self.brought = (settings.verify.issuer or "",)

    def lacks(self, previous: Token | None) -> ProxyError:
        """Return what a request is told that comes without a good token."""
        if previous is None:
            why = "no token of this user has been pushed"
        elif previous.expires_at is not None and previous.expires_at <= self.clock.now():
            why = "this user's token has expired"
        else:
            why = "this user's token was rejected"
        return UserTokenMissingError(f"{why}; {REMEDY}", credential=self.name)

    async def fetch(self, previous: Token | None) -> Token:
        """Fetch nothing."""
        raise FetchError(Reason.INTERNAL, f"a user's token is not fetched; {REMEDY}", permanent=True, asked=False)
