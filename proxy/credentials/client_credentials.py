"""OAuth 2 client credentials: the client asks for itself (RFC 6749 §4.4)."""

from typing import Literal

from proxy.core.token import Token
from proxy.credentials.client_auth import ClientId
from proxy.credentials.oauth2 import OAuth2, OAuth2Settings


class ClientCredentialsSettings(OAuth2Settings):
    """A token that a client gets for itself."""

    kind: Literal["client_credentials"]
    """A token that a client gets for itself."""
    client_id: ClientId
    """Who asks: the client's id as the provider issued it."""


class ClientCredentials(OAuth2):
    """Offers nothing but the client itself."""

    Settings = ClientCredentialsSettings

    async def fetch(self, previous: Token | None) -> Token:
        """Return a token for the client."""
        return await self.exchange({"grant_type": "client_credentials"})
