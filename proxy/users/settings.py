"""What an operator says of users: how they prove who they are, and from where their browsers may come."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.core.jwt_claims import ALGORITHMS, Algorithm
from proxy.core.origin import parse_upstream
from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.users.mail import MailSettings

SHORTEST_SECRET: Final = 32
"""Characters: whoever guesses the secret is every user."""


def _long_enough(secret: Secret) -> Secret:
    if len(secret.reveal()) < SHORTEST_SECRET:
        raise ValueError(
            f"the secret has fewer than {SHORTEST_SECRET} characters, and whoever guesses it is every user; "
            "`countersign keygen` prints one that will do"
        )
    return secret


def _web_origin(text: str) -> str:
    """Return an origin as browsers write it (RFC 6454 §6.2)."""
    origin, path = parse_upstream(text)
    if path or text.endswith("/"):
        raise ValueError("an origin is a scheme and a host, with its port if need be: https://app.example.com")
    return f"{origin.scheme}://{origin.authority}"


def _reachable(text: str) -> str:
    origin, _ = parse_upstream(text)
    if not origin.is_tls and not origin.is_loopback:
        raise ValueError("users' browsers send what is secret there: it must be https://, or on this machine")
    return text.rstrip("/")


WebOrigin = Annotated[str, AfterValidator(_web_origin)]
"""An origin as browsers write it: `https://app.example.com`, without a path."""


class UserIssuerSettings(Settings):
    """An issuer whose JWTs prove who a user is."""

    issuer: Annotated[str, Field(min_length=1)]
    """What its tokens say in `iss`, to the letter."""
    audience: Annotated[str, Field(min_length=1)]
    """What they must name in `aud`: this proxy, so that a token meant for another service proves nothing here."""
    jwks_url: Annotated[str, AfterValidator(_reachable)]
    """Where its public keys are."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(strict=False, min_length=1)] = ALGORITHMS
    """How its tokens may be signed."""
    user_claim: Annotated[str, Field(min_length=1)] = "sub"
    """The claim that is the user's id."""


class SignInSettings(Settings):
    """How users' sign-ins end."""

    finished_by: Literal["browser", "application"] = "browser"
    """When what a browser comes back with counts. `browser`: at once; a page asks before. `application`: when your
    application says, with the proof of the user who is logged in to it there, that it is theirs: then nobody can be
    talked into giving their access to somebody else. The browser goes back with a code for that call."""


class VerificationSettings(Settings):
    """How often users' codes may be asked for and tried; what bounds guessing is not for settings to say."""

    per_peer: Annotated[int, Field(gt=0)] | None = 100
    """Codes asked for and tried from one network address in ten minutes, as each process counts. Behind a load
    balancer all come from its address: raise it, or write null for no limit."""


class UsersSettings(Settings):
    """Who users are, and how they prove it."""

    identity_secret: Annotated[Secret, AfterValidator(_long_enough)] | None = None
    """The secret behind `user_hash`, the HMAC-SHA256 of the user's id: your back end knows it, browsers never do."""
    issuers: Mapping[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], UserIssuerSettings] = {}
    """Issuers whose JWTs prove who a user is, by a name of your choice."""
    origins: Annotated[tuple[WebOrigin, ...], Field(strict=False)] = ()
    """From which web pages browsers may speak to `/.countersign/`, and to which they may be sent back."""
    public_url: Annotated[str, AfterValidator(_reachable)] | None = None
    """Where users' browsers reach this proxy; needed for sign-in and for links."""
    mail: MailSettings | None = None
    """The mail server that sends users one-time codes; needed by routes that require `email_otp`."""
    sign_in: SignInSettings = SignInSettings()
    """How users' sign-ins end."""
    verification: VerificationSettings = VerificationSettings()
    """How often codes may be asked for and tried."""
    remembered: Annotated[int, Field(gt=0)] = 10_000
    """How many users' tokens of a credential each process holds in memory; the others stand in the store."""

    @property
    def own_origin(self) -> str:
        """Return the origin of this proxy's own pages; empty while nothing says where browsers reach it."""
        if self.public_url is None:
            return ""
        origin, _ = parse_upstream(self.public_url)
        return f"{origin.scheme}://{origin.authority}"

    def hands_over(self, user: str | None) -> bool:
        """Tell whether it is the application that finishes that user's sign-in; of one for all, it never is."""
        return user is not None and self.sign_in.finished_by == "application"

    @model_validator(mode="after")
    def _application_is_known(self) -> Self:
        if self.sign_in.finished_by == "application" and not self.origins:
            raise ValueError("`sign_in.finished_by: application` needs `origins`: browsers go back to a page there")
        return self

    @model_validator(mode="after")
    def _issuers_differ(self) -> Self:
        said = [one.issuer for one in self.issuers.values()]
        if len(set(said)) < len(said):
            raise ValueError("two issuers have the same `issuer`; keep one")
        return self
