"""A real memory store behind a line that a test can cut: it fails, hangs, or says what it is told to say."""

import asyncio
from collections.abc import AsyncIterator

from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, Listener, News, Record, Store
from proxy.stores.memory import Memory, MemorySettings


class FlakyStore(Store):
    """Raises `error` while there is one, and waits while it `hangs`. `asked` counts what reached it, by operation."""

    Settings = MemorySettings
    holds_secrets = False

    def __init__(self, settings: MemorySettings, runtime: Runtime) -> None:
        self.memory = Memory(settings, runtime)
        self.error: Exception | None = None
        self.failing: frozenset[str] | None = None
        """The operations that fail; None: all."""
        self.said: tuple[str, ...] = ()
        """Its risks."""
        self.asked: dict[str, int] = {}
        self.is_closed = False
        self._listeners: list[Listener] = []
        self._passes = asyncio.Event()
        self._passes.set()

    def __repr__(self) -> str:
        return "<FlakyStore>"

    def hang(self) -> None:
        """Answer nobody until `resume`."""
        self._passes.clear()

    def resume(self) -> None:
        """Answer everybody, who has been waiting too."""
        self._passes.set()

    def tell(self, news: News) -> None:
        """Tell those who listen, as a store does that missed something."""
        for listener in self._listeners:
            listener(news)

    async def load(self, key: str) -> Record | None:
        await self._ask("load")
        return await self.memory.load(key)

    async def save(self, key: str, record: Record) -> Record:
        await self._ask("save")
        return await self.memory.save(key, record)

    async def drop(self, key: str, order: int) -> None:
        await self._ask("drop")
        await self.memory.drop(key, order)

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        await self._ask("swap")
        return await self.memory.swap(key, old, new)

    async def keys(self) -> AsyncIterator[str]:
        await self._ask("keys")
        async for key in self.memory.keys():
            yield key

    async def acquire(self, key: str) -> Lease | None:
        await self._ask("acquire")
        lease = await self.memory.acquire(key)
        return None if lease is None else _FlakyLease(self, lease)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)
        self.memory.listen(listener)

    async def ping(self) -> None:
        await self._ask("ping")

    async def risks(self) -> tuple[str, ...]:
        await self._ask("risks")
        return self.said

    def abandon(self, key: str) -> None:
        self.memory.abandon(key)

    async def close(self) -> None:
        self.is_closed = True
        await self.memory.close()

    async def release(self, lease: Lease) -> None:
        await self._ask("release")
        await lease.release()

    async def _ask(self, operation: str) -> None:
        self.asked[operation] = self.asked.get(operation, 0) + 1
        await self._passes.wait()
        if self.error and (self.failing is None or operation in self.failing):
            raise self.error


class _FlakyLease(Lease):
    def __init__(self, store: FlakyStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease

    @property
    def is_held(self) -> bool:
        return self._lease.is_held

    async def release(self) -> None:
        await self._store.release(self._lease)
