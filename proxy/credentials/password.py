"""OAuth 2 passwords: a user's name and password bring the token, and a refresh token the next one (RFC 6749 §4.3, §6).

Theory. The password works as often as it is sent, a refresh token perhaps once. So while replies bring refresh tokens,
a fetch spends the newest one, as `refresh_token` does and with the same care. If it is refused, or there is none, the
password is sent again: a grant that has ended begins anew by itself. A provider that fails is not sent the password.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from proxy.core.clock import Clock
from proxy.core.secret import Secret
from proxy.core.symptom import TokenRequestError
from proxy.core.token import Token
from proxy.credentials.grant_reply import REFRESH_TOKEN
from proxy.credentials.oauth2 import OAuth2, OAuth2Settings
from proxy.credentials.text import present
from proxy.net.endpoint import Endpoint


class PasswordSettings(OAuth2Settings):
    """A token that a user's name and password bring."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = frozenset({"username", "password", REFRESH_TOKEN})

    fits_users: ClassVar[frozenset[str]] = OAuth2Settings.fits_users | {"username", "password"}

    kind: Literal["password"]
    """A token that a user's name and password bring."""
    username: Annotated[str, Field(min_length=1)]
    """The user's name."""
    password: Annotated[Secret, AfterValidator(present)]
    """The user's password."""
    use_refresh_token: bool = True
    """Renew with the refresh token of the last reply, if it brought one. False: always with the password."""

    @property
    def spends(self) -> bool:
        """Return True when refresh tokens are used."""
        return self.use_refresh_token

    @property
    def starts_over(self) -> bool:
        """Return True: the password brings a token at any time."""
        return True


class Password(OAuth2):
    """Offers the newest refresh token, or else the password."""

    Settings = PasswordSettings

    def __init__(self, name: str, settings: PasswordSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        self._user = settings
        if settings.use_refresh_token:
            self.longest_try *= 2
            self.lineage = (settings.provider, settings.client_id or "", settings.username, settings.password)

    async def fetch(self, previous: Token | None) -> Token:
        """Return a token for the newest refresh token that is known, or for the password."""
        spent = previous.variables.get(REFRESH_TOKEN) if previous and self._user.use_refresh_token else None
        if spent is not None:
            try:
                return await self.exchange(
                    {"grant_type": REFRESH_TOKEN, REFRESH_TOKEN: spent.reveal()}, refresh_token=spent
                )
            except TokenRequestError as error:
                if not error.permanent:
                    raise
        user = {"username": self._user.username, "password": self._user.password.reveal()}
        return await self.exchange({"grant_type": "password", **user})
