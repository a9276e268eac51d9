"""What kinds have in common for which a person gives access in a browser: the way there, and what comes of the return.

A kind says where the person is sent (`begin`), what it makes of the parameters that they come back with (`arrive`), and
how it tells the provider that the access is not needed any more (`give_back`). Whose person that is, in which browser,
and whether they are the same who left, is for the caller to know.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from proxy.core.errors import LoginRequiredError
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.net.tls import TlsSettings

Refusal = Literal[
    "access_denied", "provider_refused", "wrong_issuer", "no_code", "no_token", "wrong_id_token", "misconfigured"
]
"""Why nothing came of a sign-in: the closed set that events show."""


class SignInError(Exception):
    """Nothing came of a sign-in. The message is for the person in the browser, and holds nothing that was received."""

    def __init__(self, reason: Refusal, sentence: str, *, detail: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason
        self.detail = detail
        """For operators. Holds no secret."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One way to the provider and back."""

    state: str = field(repr=False)
    """Comes back with the person, and tells which way it is. Whoever does not know it was not sent by us."""
    redirect_uri: str
    """Where the person comes back to."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the person is sent, and what has to be known when they come back."""

    address: str = field(repr=False)
    kept: Mapping[str, Secret]


@dataclass(frozen=True, slots=True)
class IdToken:
    """What the provider says of the person who signed in, and what it must say to count (OpenID Connect Core §3.1.3.7).

    Not verified yet.
    """

    text: Secret
    issuer: str
    audience: str
    nonce: Secret
    jwks_url: str
    tls: TlsSettings | None = None
    """How the issuer proves itself where its keys are fetched."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of a return."""

    token: Token
    id_token: IdToken | None = None
    """The token counts only if this is what it should be; None: the provider says nothing of the person."""


class SignsIn(ABC):
    """What a credential is, beside `Credential`, if a person gives access in a browser."""

    service: str
    """What the pages call the service that is given access to."""
    own_callback: bool
    """People come back to an address of this credential's own, which mixes up no two providers (RFC 9700 §4.4.2)."""

    @abstractmethod
    async def begin(self, errand: Errand) -> Departure:
        """Return where to send the person.

        Raises:
            FetchError: this cannot be told.
            SignInError: it leads nowhere.
        """

    @abstractmethod
    async def arrive(self, errand: Errand, kept: Mapping[str, Secret], parameters: Mapping[str, str]) -> Arrival:
        """Return what comes of the parameters that the person came back with; `kept` is that of the departure.

        Raises:
            SignInError: nothing, and the person may try again.
            FetchError: the provider gives no token for them.
        """

    @abstractmethod
    async def give_back(self, token: Token) -> bool:
        """Tell the provider that token, and what it carries, are not needed any more; False: it cannot be told that.

        Raises:
            FetchError: it did not heed us.
        """


def login_required(credential: str, *, personal: bool) -> LoginRequiredError:
    """Return what a request is told that comes without access; `personal`: to its user's own."""
    detail = "the user has to sign in, and to give access"
    if not personal:
        detail = f"somebody has to sign in; an operator gets a link by POST /api/v1/credentials/{credential}/login"
    return LoginRequiredError(detail, credential=credential)
