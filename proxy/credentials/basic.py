"""User name and password, as HTTP has always sent them (RFC 7617)."""

from base64 import b64encode
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from proxy.core.clock import Clock
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.base import Credential, CredentialSettings
from proxy.credentials.text import one_line
from proxy.injectors import AnyInjector
from proxy.injectors.header import HeaderSettings
from proxy.net.endpoint import Endpoint


def _user(name: str) -> str:
    if ":" in name or not name.isprintable():
        raise ValueError("a user name holds no colon and no control character (RFC 7617 §2)")
    return name


class BasicSettings(CredentialSettings):
    """A user name and a password."""

    can_be_personal: ClassVar[bool] = False

    kind: Literal["basic"]
    """A user name and a password."""
    username: Annotated[str, AfterValidator(_user)]
    """The user's name. It may be shown; a key that stands in its place belongs into kind `text`, encoded."""
    password: Annotated[Secret, AfterValidator(one_line)]
    """The password; it may be empty."""
    inject: Annotated[tuple[AnyInjector, ...], Field(strict=False, min_length=1)] = (
        HeaderSettings(kind="header", name="Authorization", prefix="Basic "),
    )
    """Where the base64 of `username:password` goes in a request."""

    @property
    def variable_names(self) -> frozenset[str]:
        """Return nothing: there is the token alone."""
        return frozenset()


class Basic(Credential):
    """Always the same pair, encoded."""

    Settings = BasicSettings
    renewable: ClassVar[bool] = False

    def __init__(self, name: str, settings: BasicSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        pair = f"{settings.username}:{settings.password.reveal()}"
        self._value = Secret(b64encode(pair.encode()).decode("ascii"))  # RFC 7617 §2.1: UTF-8 unless told otherwise

    async def fetch(self, previous: Token | None) -> Token:
        """Return the configured pair."""
        return Token(self._value, issued_at=self.clock.now())
