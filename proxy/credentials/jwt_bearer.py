"""OAuth 2 JWT bearer grant: a signed assertion brings the token (RFC 7523 §2.1)."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator

from proxy.core.clock import Clock
from proxy.core.token import Token
from proxy.credentials.assertion import KeyedSettings, Occasion, Signer
from proxy.credentials.fitting import Fitting
from proxy.credentials.oauth2 import OAuth2, OAuth2Settings
from proxy.credentials.parameters import Scope
from proxy.net.endpoint import Endpoint

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class AssertionSettings(KeyedSettings, Fitting):
    """What the assertion says, and how it is signed."""

    iss: str = ""
    """Who asserts (`iss`). Default: `client_id`."""
    sub: str | None = None
    """Whom the token shall be for (`sub`). Default: `iss`; empty: the assertion has none."""
    scope: Scope = ""
    """Scopes inside the assertion, as Google wants them."""

    @property
    def fitted_fields(self) -> Mapping[str, str | None]:
        """Return whom it names, and what for: that may be each user's own."""
        return {"iss": self.iss, "sub": self.sub, "scope": self.scope}


class JwtBearerSettings(OAuth2Settings):
    """A token that a signed assertion brings."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = frozenset({"assertion"})

    fits_users: ClassVar[frozenset[str]] = OAuth2Settings.fits_users | {"assertion"}

    kind: Literal["jwt_bearer"]
    """A token that a signed assertion brings."""
    assertion: AssertionSettings
    """What is signed. Its `aud` is by default the address of the token endpoint."""

    @model_validator(mode="after")
    def _says_who_asserts(self) -> Self:
        if not (self.assertion.iss or self.client_id):
            raise ValueError("an assertion says who made it; give assertion.iss or client_id")
        return self


class JwtBearer(OAuth2):
    """Offers an assertion, which is signed for each request."""

    Settings = JwtBearerSettings

    def __init__(self, name: str, settings: JwtBearerSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock, signs=True)
        said = settings.assertion
        iss = said.iss or settings.client_id or ""
        self._claims = {"iss": iss, "sub": iss if said.sub is None else said.sub, "scope": said.scope}
        self._aud = said.aud
        self._signer = Signer(said, said.signing_key())

    async def fetch(self, previous: Token | None) -> Token:
        """Return a token for the assertion."""
        return await self.exchange({"grant_type": _GRANT}, assertion=self._assert)

    def _assert(self, occasion: Occasion) -> Mapping[str, str]:
        return {"assertion": self._signer.sign(occasion, {**self._claims, "aud": self._aud or occasion.token_url})}
