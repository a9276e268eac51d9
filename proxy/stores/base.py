"""What a store promises: load, save, drop, abandon, lock."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from proxy.core.settings import Settings
from proxy.core.token import Token
from proxy.net.runtime import Runtime


class StoreSettings(Settings):
    """What every store's settings share."""

    kind: str
    """Where the tokens are kept."""


class StoreError(Exception):
    """The store did not do it: unreachable, full, or its content is damaged."""


class Lease(ABC):
    """A lock that is held. It says so itself, for a holder that was paused may have lost it."""

    @property
    @abstractmethod
    def is_held(self) -> bool:
        """True while nobody else can hold it."""


class Store(ABC):
    """Keeps tokens by key. Keys hold names and digests, never a secret."""

    Settings: ClassVar[type[StoreSettings]]

    @abstractmethod
    def __init__(self, settings: StoreSettings, runtime: Runtime) -> None:
        """Prepare the store; opens nothing yet."""

    @abstractmethod
    async def load(self, key: str) -> Token | None:
        """Return the newest token under that key, or None."""

    @abstractmethod
    async def save(self, key: str, token: Token) -> Token:
        """Store the token unless a newer generation stands there; return the one that stands there afterwards."""

    @abstractmethod
    async def drop(self, key: str, generation: int) -> None:
        """Forget the token unless its generation is newer than the one named."""

    @abstractmethod
    def abandon(self, key: str) -> None:
        """Learn that nobody in this process needs that key any more; what other processes share stays."""

    @abstractmethod
    def lock(self, key: str) -> AbstractAsyncContextManager[Lease]:
        """Hold the key's lock while the block runs: one holder per fleet."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what the store holds open."""
