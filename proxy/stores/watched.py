"""A store that is being watched: its failures are counted, and one event says when it fails and when it is back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from proxy.core.token import Token
from proxy.stores.base import Lease, Store, StoreError, StoreSettings
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.metrics import Metrics


class WatchedStore(Store):
    """Does what the store inside does, and tells telemetry how that went. Not a kind: every kind is put into one."""

    Settings = StoreSettings

    def __init__(self, store: Store, metrics: Metrics, events: EventLog) -> None:
        self._store = store
        self._metrics = metrics
        self._events = events

    def __repr__(self) -> str:
        return f"<WatchedStore, {'up' if self._metrics.store_up else 'down'}, {self._store!r}>"

    async def load(self, key: str) -> Token | None:
        """Return the newest token under that key, or None."""
        with self._watching("load"):
            return await self._store.load(key)

    async def save(self, key: str, token: Token) -> Token:
        """Store the token unless a newer generation stands there; return the one that stands there afterwards."""
        with self._watching("save"):
            return await self._store.save(key, token)

    async def drop(self, key: str, generation: int) -> None:
        """Forget the token unless its generation is newer than the one named."""
        with self._watching("drop"):
            await self._store.drop(key, generation)

    def abandon(self, key: str) -> None:
        """Learn that nobody in this process needs that key any more."""
        self._store.abandon(key)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[Lease]:
        """Hold the key's lock while the block runs: one holder per fleet."""
        stack = AsyncExitStack()
        with self._watching("lock"):
            lease = await stack.enter_async_context(self._store.lock(key))
        try:
            yield lease
        finally:
            with self._watching("lock"):
                await stack.aclose()

    async def close(self) -> None:
        """Let go of what the store holds open."""
        await self._store.close()

    @contextmanager
    def _watching(self, operation: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._metrics.store_errors(operation)
            if self._metrics.store_up:
                self._metrics.store_up = False
                self._events.record("error", EventName.STORE_FAILED, detail=str(error), operation=operation)
            raise
        if not self._metrics.store_up:
            self._metrics.store_up = True
            self._events.record("info", EventName.STORE_RECOVERED, operation=operation)
