"""The one verb of a credential: fetch a token."""

from abc import ABC, abstractmethod
from typing import ClassVar

from proxy.core.settings import Settings
from proxy.core.token import Token


class CredentialSettings(Settings):
    """What every credential's settings share."""


class Credential(ABC):
    """One way to get a token."""

    Settings: ClassVar[type[CredentialSettings]]
    renewable: ClassVar[bool] = True
    """False: the token is part of the configuration; fetching again yields the same value."""

    @abstractmethod
    async def fetch(self, previous: Token | None) -> Token:
        """Return a new token, of generation 0.

        Raises:
            FetchError: why there is none.
        """
