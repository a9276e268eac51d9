"""Tokens in this process's memory: nothing to install, nothing survives a restart, nothing is shared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from weakref import WeakValueDictionary

from proxy.core.token import Token
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, Store, StoreSettings


class MemorySettings(StoreSettings):
    """Keep tokens in memory."""

    kind: Literal["memory"] = "memory"
    """The store's kind."""


class Memory(Store):
    """One token per key, and one lock per key that somebody holds or waits for. Never fails."""

    Settings = MemorySettings

    def __init__(self, settings: MemorySettings, runtime: Runtime) -> None:
        self._tokens: dict[str, Token] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<Memory, {len(self._tokens)} tokens>"

    async def load(self, key: str) -> Token | None:
        """Return the newest token under that key, or None."""
        return self._tokens.get(key)

    async def save(self, key: str, token: Token) -> Token:
        """Store the token unless a newer generation stands there; return the one that stands there afterwards."""
        standing = self._tokens.get(key)
        if standing is not None and standing.generation > token.generation:
            return standing
        self._tokens[key] = token
        return token

    async def drop(self, key: str, generation: int) -> None:
        """Forget the token unless its generation is newer than the one named."""
        standing = self._tokens.get(key)
        if standing is not None and standing.generation <= generation:
            del self._tokens[key]

    def abandon(self, key: str) -> None:
        """Forget the token, whichever it is: nobody else could ask for it."""
        self._tokens.pop(key, None)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[Lease]:
        """Hold the key's lock while the block runs."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            lease = _Lease()
            try:
                yield lease
            finally:
                lease.let_go()

    async def close(self) -> None:
        """Forget everything."""
        self._tokens.clear()


class _Lease(Lease):
    """Held until the block ends: within one process nobody can take it away."""

    def __init__(self) -> None:
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """True until the block that holds the lock has ended."""
        return self._is_held

    def let_go(self) -> None:
        """Say that the block has ended."""
        self._is_held = False
