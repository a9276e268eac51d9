"""The one verb of an injector: add a token to what a request will carry."""

from abc import ABC, abstractmethod
from typing import ClassVar

from proxy.core.message import Injection
from proxy.core.settings import Settings
from proxy.core.token import Token


class InjectError(Exception):
    """The token cannot stand where it should (CR, LF or NUL in a header value, say); the message never shows it."""


class InjectorSettings(Settings):
    """What every injector's settings share."""

    kind: str
    """Where the token goes."""


class Injector(ABC):
    """Puts a token somewhere. Called once per token generation, never per request."""

    Settings: ClassVar[type[InjectorSettings]]

    @abstractmethod
    def __init__(self, settings: InjectorSettings) -> None:
        """Make an injector from the settings of its own kind."""

    @abstractmethod
    def inject(self, injection: Injection, token: Token) -> Injection:
        """Return the injection with this injector's part added.

        Raises:
            InjectError: the value must not stand there.
        """
