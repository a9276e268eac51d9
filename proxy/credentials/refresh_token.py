"""OAuth 2 refresh tokens: each fetch spends the one that the fetch before it brought (RFC 6749 §6).

Theory. A refresh token may be good for one use: the provider then answers with its successor, and takes a second use of
the same one for theft, upon which it may revoke everything that came of the grant (RFC 9700 §4.14.2). So one fetch
sends it once, whatever comes of that. Whoever calls `fetch` remembers what it brought and may try again later.
"""

from typing import ClassVar, Literal

from proxy.core.clock import Clock
from proxy.core.token import Token
from proxy.credentials.client_auth import ClientId, SecretLine
from proxy.credentials.grant_reply import REFRESH_TOKEN
from proxy.credentials.oauth2 import OAuth2, OAuth2Settings
from proxy.net.endpoint import Endpoint


class RefreshTokenSettings(OAuth2Settings):
    """A token that a refresh token brings."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = frozenset({REFRESH_TOKEN})

    fits_users: ClassVar[frozenset[str]] = OAuth2Settings.fits_users | {REFRESH_TOKEN}

    kind: Literal["refresh_token"]
    """A token that a refresh token brings."""
    client_id: ClientId
    """Who asks: the client's id as the provider issued it."""
    refresh_token: SecretLine
    """The first refresh token. Those that follow are kept with the token, in the store; a new one here begins anew."""

    @property
    def spends(self) -> bool:
        """Return True."""
        return True


class RefreshToken(OAuth2):
    """Spends one refresh token for an access token and the next refresh token."""

    Settings = RefreshTokenSettings

    def __init__(self, name: str, settings: RefreshTokenSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        self._first = settings.refresh_token
        self.lineage = (settings.provider, settings.client_id, settings.refresh_token)

    async def fetch(self, previous: Token | None) -> Token:
        """Return a token for the newest refresh token that is known."""
        kept = previous.variables if previous else {}
        spent = kept.get(REFRESH_TOKEN, self._first)
        grant = {"grant_type": REFRESH_TOKEN, REFRESH_TOKEN: spent.reveal()}
        return await self.exchange(grant, refresh_token=spent)
