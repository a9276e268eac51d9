"""A token that is written into the configuration: an API key, say."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, model_validator

from proxy.core.clock import Clock
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.base import Credential, CredentialSettings
from proxy.injectors import inject_all
from proxy.injectors.base import InjectError
from proxy.net.endpoint import Endpoint


def one_line(secret: Secret) -> Secret:
    """Return the secret without the line break that editors put at a file's end.

    Raises:
        ValueError: a control character is left; the message never shows the value.
    """
    value = secret.reveal().removesuffix("\n").removesuffix("\r")
    if not value.isprintable():
        raise ValueError(
            "the value holds a line break, a control character or an invisible space; it must be one line of"
            " printable characters"
        )
    return Secret(value)


def present(secret: Secret) -> Secret:
    """Return the secret.

    Raises:
        ValueError: it is empty.
    """
    if not secret:
        raise ValueError("the value is empty; check the variable or file that it comes from")
    return secret


class TextSettings(CredentialSettings):
    """A token that is written down, such as an API key."""

    can_be_personal: ClassVar[bool] = False

    kind: Literal["text"]
    """A token that is written down."""
    value: Annotated[Secret, AfterValidator(one_line), AfterValidator(present)]
    """The token. Better `${env:NAME}` or `${file:path}` than the value itself."""

    @property
    def variable_names(self) -> frozenset[str]:
        """Return nothing: there is the token alone."""
        return frozenset()

    @model_validator(mode="after")
    def _fits_where_it_goes(self) -> Self:
        try:
            inject_all(self.injectors(), Token(self.value, 0.0))
        except InjectError as error:
            raise ValueError(str(error)) from None
        return self


class Text(Credential):
    """Always the same token."""

    Settings = TextSettings
    renewable: ClassVar[bool] = False

    def __init__(self, name: str, settings: TextSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        self._value = settings.value

    async def fetch(self, previous: Token | None) -> Token:
        """Return the configured token."""
        return Token(self._value, issued_at=self.clock.now())
