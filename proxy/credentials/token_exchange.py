"""OAuth 2 token exchange: one token for another (RFC 8693)."""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from proxy.core.clock import Clock
from proxy.core.token import Token
from proxy.credentials.client_auth import SecretLine
from proxy.credentials.oauth2 import OAuth2, OAuth2Settings
from proxy.credentials.parameters import Resources, Values, rendered
from proxy.net.endpoint import Endpoint

_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPES: Final = ("access_token", "refresh_token", "id_token", "saml1", "saml2", "jwt")
"""RFC 8693 §3."""
_PREFIX: Final = "urn:ietf:params:oauth:token-type:"


def _whole(given: object) -> object:
    return f"{_PREFIX}{given}" if given in _TYPES else given


TokenType = Annotated[
    str,
    BeforeValidator(_whole),
    Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$"),
    WithJsonSchema({"type": "string", "examples": list(_TYPES)}),
]
"""A word of RFC 8693 §3, or any URI."""


class TokenExchangeSettings(OAuth2Settings):
    """A token that another token brings."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = frozenset(
        {
            "subject_token",
            "subject_token_type",
            "actor_token",
            "actor_token_type",
            "requested_token_type",
            "audience",
            "resource",
        }
    )

    fits_users: ClassVar[frozenset[str]] = OAuth2Settings.fits_users | {"subject_token", "audience", "resource"}

    kind: Literal["token_exchange"]
    """A token that another token brings."""
    subject_token: SecretLine
    """The token of the party that the new one is for, such as `${file:/var/run/secrets/tokens/issuer}`."""
    subject_token_type: TokenType
    """What it is: `access_token`, `refresh_token`, `id_token`, `saml1`, `saml2`, `jwt`, or a URI."""
    actor_token: SecretLine | None = None
    """The token of the party that acts for it."""
    actor_token_type: TokenType | None = None
    """What that one is."""
    requested_token_type: TokenType | None = None
    """What is wanted; a reply that brings something else is not used. Default: as the provider likes."""
    audience: Values = ()
    """Where the token is to be used, by the names that the provider has for it; a text or a list."""
    resource: Resources = ()
    """Where the token is to be used, by address (RFC 8707); a text or a list."""

    @model_validator(mode="after")
    def _says_what_it_sends(self) -> Self:
        if (self.actor_token is None) is not (self.actor_token_type is None):
            raise ValueError("actor_token and actor_token_type go together")
        return self


class TokenExchange(OAuth2):
    """Offers a token that it was given."""

    Settings = TokenExchangeSettings

    def __init__(self, name: str, settings: TokenExchangeSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(
            name, settings, endpoint, clock, types=frozenset({"N_A"}), requested=settings.requested_token_type or ""
        )
        self._offer = settings

    async def fetch(self, previous: Token | None) -> Token:
        """Return a token for the one that is configured."""
        offer = self._offer
        return await self.exchange(
            {
                "grant_type": _GRANT,
                "subject_token": offer.subject_token.reveal(),
                "subject_token_type": offer.subject_token_type,
                "actor_token": offer.actor_token.reveal() if offer.actor_token else "",
                "actor_token_type": offer.actor_token_type or "",
                "requested_token_type": offer.requested_token_type or "",
                "audience": rendered(offer.audience),
                "resource": rendered(offer.resource),
            }
        )
