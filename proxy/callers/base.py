"""The one verb of a caller kind: look at a request head and say who sent it."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from proxy.core.message import RequestHead
from proxy.core.principal import Principal
from proxy.core.settings import Settings


class CallerSettings(Settings):
    """What every caller's settings share."""

    kind: str
    """How the caller proves who it is."""
    acts_for: Literal["any"] | None = None
    """`any`: it is believed whichever user it names, without that user's proof. None: users prove themselves."""


class Caller(ABC):
    """One way to prove who is calling. Synchronous: it stands on the hot path."""

    Settings: ClassVar[type[CallerSettings]]

    @abstractmethod
    def __init__(self, name: str, settings: CallerSettings) -> None:
        """Prepare the caller of that name."""

    @abstractmethod
    def authenticate(self, head: RequestHead) -> Principal | None:
        """Return who it is; None: this proof is not mine, ask the next."""
