"""Records in this process's memory: nothing to install, nothing survives a restart, nothing is shared."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Literal

from proxy.net.runtime import Runtime
from proxy.stores.base import Change, Lease, Listener, News, Record, Store, StoreSettings


class MemorySettings(StoreSettings):
    """Keep tokens in memory."""

    kind: Literal["memory"] = "memory"
    """The store's kind."""


@dataclass(frozen=True, slots=True)
class _Kept:
    record: Record
    saved_at: float


class Memory(Store):
    """One record per key, and a lease per key that somebody holds. Never fails, never waits."""

    Settings = MemorySettings
    holds_secrets = False

    def __init__(self, settings: MemorySettings, runtime: Runtime) -> None:
        self._now = runtime.clock.monotonic
        self._kept: dict[str, _Kept] = {}
        self._leases: dict[str, _Lease] = {}
        self._listeners: list[Listener] = []

    def __repr__(self) -> str:
        return f"<Memory, {len(self._kept)} records>"

    async def load(self, key: str) -> Record | None:
        """Return the record under that key, with its age, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        age = max(0.0, self._now() - kept.saved_at)
        if age >= kept.record.ttl:
            del self._kept[key]
            return None
        return replace(kept.record, age=age)

    async def save(self, key: str, record: Record) -> Record:
        """Put the record there if its order is higher than what stands; return what stands afterwards."""
        standing = await self.load(key)
        if standing is not None and standing.order >= record.order:
            return standing
        fresh = replace(record, age=0.0)
        self._kept[key] = _Kept(fresh, self._now())
        self._tell(News(Change.SAVED, key, fresh))
        return fresh

    async def drop(self, key: str, order: int) -> None:
        """Forget the record unless its order is higher than that."""
        kept = self._kept.get(key)
        if kept is not None and kept.record.order <= order:
            del self._kept[key]
            self._tell(News(Change.DROPPED, key))

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        """Put other data into the record if its data is still `old`."""
        kept = self._kept.get(key)
        if kept is None or kept.record.data != old:
            return False
        self._kept[key] = replace(kept, record=replace(kept.record, data=new))
        return True

    async def keys(self) -> AsyncIterator[str]:
        """Yield every key that has a record."""
        for key in tuple(self._kept):
            if await self.load(key) is not None:
                yield key

    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free."""
        if key in self._leases:
            return None
        lease = self._leases[key] = _Lease(self, key)
        return lease

    def listen(self, listener: Listener) -> None:
        """Tell this listener of every change from now on."""
        self._listeners.append(listener)

    async def ping(self) -> None:
        """Memory is always there."""

    def abandon(self, key: str) -> None:
        """Forget the record, whichever it is: nobody else could ask for it."""
        self._kept.pop(key, None)

    async def close(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._leases.clear()

    def free(self, key: str, lease: "_Lease") -> None:
        """Take the lock back from its holder."""
        if self._leases.get(key) is lease:
            del self._leases[key]
            self._tell(News(Change.RELEASED, key))

    def _tell(self, news: News) -> None:
        for listener in self._listeners:
            listener(news)


class _Lease(Lease):
    """Held until it is released: within one process nobody can take it away."""

    def __init__(self, store: Memory, key: str) -> None:
        self._store = store
        self._key = key
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """True until it is released."""
        return self._is_held

    async def release(self) -> None:
        """Let go."""
        self._is_held = False
        self._store.free(self._key, self)
