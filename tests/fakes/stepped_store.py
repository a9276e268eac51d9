"""A store seen through one replica's eyes, with a point before and after each call where a test may intervene."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from math import inf

from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, Listener, News, Record, Store, StoreError
from proxy.stores.lease import RenewedLease
from proxy.stores.memory import Memory, MemorySettings


@dataclass
class Stepper:
    """Stops the work at one of its points, until it is told to go on."""

    stop_at: int = -1
    seen: list[str] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    """Raised where it stopped."""

    async def point(self, name: str) -> None:
        index = len(self.seen)
        self.seen.append(name)
        await asyncio.sleep(0)
        if index == self.stop_at:
            self.reached.set()
            await self.go.wait()
            if self.error is not None:
                raise self.error


class SharedMemory(Memory):
    """What the replicas of a test share."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(MemorySettings(), runtime)
        self.held: dict[str, _Lease] = {}


class SteppedStore(Store):
    """One replica's way to a store that others share. `shared` is made first and handed to each replica's."""

    Settings = MemorySettings

    def __init__(self, runtime: Runtime, shared: SharedMemory | None = None) -> None:
        self.shared = shared or SharedMemory(runtime)
        self.stepper = Stepper()
        self.up_for = inf
        """Seconds; see `uptime`."""
        self.is_gone = False
        """The store cannot be reached from here, or the process is dead: nothing of it reaches the store any more."""
        self._runtime = runtime
        self._listeners: list[Listener] = []
        self.shared.listen(self._hear)

    def _hear(self, news: News) -> None:
        if not self.is_gone:
            self.tell(news)

    def tell(self, news: News) -> None:
        """Let those who listen here hear that."""
        for listener in self._listeners:
            listener(news)

    async def _before(self, operation: str) -> None:
        await self.stepper.point(f"before {operation}")
        if self.is_gone:
            raise StoreError("the store cannot be reached")

    async def _after(self, operation: str) -> None:
        await self.stepper.point(f"after {operation}")
        if self.is_gone:
            raise StoreError("the store cannot be reached")

    async def load(self, key: str) -> Record | None:
        await self._before("load")
        record = await self.shared.load(key)
        await self._after("load")
        return record

    async def save(self, key: str, record: Record) -> Record:
        await self._before("save")
        standing = await self.shared.save(key, record)
        await self._after("save")
        return standing

    async def drop(self, key: str, order: int) -> None:
        await self.shared.drop(key, order)

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        return await self.shared.swap(key, old, new)

    def keys(self) -> AsyncIterator[str]:
        return self.shared.keys()

    async def acquire(self, key: str) -> Lease | None:
        """Take the lock with a lease that runs out when this replica no longer renews it."""
        await self._before("acquire")
        holder = self.shared.held.get(key)
        if holder is not None and not holder.is_held:
            await holder.inner.release()
        inner = await self.shared.acquire(key)
        lease = None
        if inner is not None:
            lease = self.shared.held[key] = _Lease(self, inner, self._runtime)
        try:
            await self._after("acquire")
        except BaseException:
            if lease is not None:  # the answer is lost: nobody renews it
                lease.lapse()
            raise
        return lease

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def uptime(self) -> float:
        if self.is_gone:
            raise StoreError("the store cannot be reached")
        return self.up_for

    async def ping(self) -> None:
        if self.is_gone:
            raise StoreError("the store cannot be reached")

    def abandon(self, key: str) -> None:
        """Others share it."""

    async def close(self) -> None:
        """Others share it."""


class _Lease(RenewedLease):
    """Free for others when it is not renewed, as a real store has it."""

    def __init__(self, store: SteppedStore, inner: Lease, runtime: Runtime) -> None:
        self.inner = inner
        self._store = store
        super().__init__(
            runtime, "test", taken_at=runtime.clock.monotonic(), renew=self._still_ours, let_go=self._free_it
        )

    def lapse(self) -> None:
        """Renew it no more."""
        self._task.cancel()

    async def _still_ours(self) -> bool:
        if self._store.is_gone:
            raise StoreError("the store cannot be reached")
        return self.inner.is_held

    async def _free_it(self) -> None:
        await self._store.stepper.point("before release")
        if self._store.is_gone:
            raise StoreError("the store cannot be reached")
        await self.inner.release()
        await self._store.stepper.point("after release")
