"""A watched store does the same as the store inside, and tells telemetry when it fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.core.clock import SystemClock
from proxy.core.token import Token
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, Store, StoreError
from proxy.stores.memory import Memory, MemorySettings
from proxy.stores.watched import WatchedStore
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from tests.compliance.stores import KEY, StoreCompliance, token


class FailingStore(Memory):
    """A memory store that fails while `is_down`."""

    def __init__(self) -> None:
        super().__init__(MemorySettings(), Runtime(SystemClock(), lambda name, error: None))
        self.is_down = False
        self.fails_to_unlock = False

    def _check(self) -> None:
        if self.is_down:
            raise StoreError("the store does not answer")

    async def load(self, key: str) -> Token | None:
        self._check()
        return await super().load(key)

    async def save(self, key: str, token: Token) -> Token:
        self._check()
        return await super().save(key, token)

    async def drop(self, key: str, generation: int) -> None:
        self._check()
        await super().drop(key, generation)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[Lease]:
        self._check()
        async with super().lock(key) as lease:
            yield lease
        if self.fails_to_unlock:
            raise StoreError("the store does not answer")


class World:
    def __init__(self) -> None:
        self.inside = FailingStore()
        self.metrics = Metrics()
        self.events = EventLog(SystemClock())
        self.store = WatchedStore(self.inside, self.metrics, self.events)

    def event_names(self) -> list[str]:
        return [event.event.value for event in reversed(self.events.query().events)]

    def errors(self) -> dict[str, int]:
        return {operation: count for operation, count in self.metrics._store_errors.items() if count}


class TestWatchedStore(StoreCompliance):
    def make(self) -> Store:
        return World().store


@pytest.fixture
def world() -> World:
    return World()


async def test_every_failed_operation_is_counted_and_raised(world: World) -> None:
    world.inside.is_down = True
    with pytest.raises(StoreError):
        await world.store.load(KEY)
    with pytest.raises(StoreError):
        await world.store.save(KEY, token())
    with pytest.raises(StoreError):
        await world.store.drop(KEY, 1)
    with pytest.raises(StoreError):
        async with world.store.lock(KEY):
            pass
    assert world.errors() == {"load": 1, "save": 1, "drop": 1, "lock": 1}
    assert not world.metrics.store_up


async def test_an_outage_is_one_event_and_its_end_another(world: World) -> None:
    world.inside.is_down = True
    for _ in range(3):
        with pytest.raises(StoreError):
            await world.store.load(KEY)
    world.inside.is_down = False
    for _ in range(3):
        await world.store.load(KEY)
    assert world.event_names() == ["store_failed", "store_recovered"]
    assert world.metrics.store_up


async def test_an_error_of_the_block_is_not_an_error_of_the_lock(world: World) -> None:
    with pytest.raises(StoreError, match="somebody else's"):
        async with world.store.lock(KEY):
            raise StoreError("somebody else's")
    assert world.errors() == {}


async def test_a_lock_that_cannot_be_given_back_is_counted(world: World) -> None:
    world.inside.fails_to_unlock = True
    with pytest.raises(StoreError):
        async with world.store.lock(KEY):
            pass
    assert world.errors() == {"lock": 1}


async def test_what_is_abandoned_is_abandoned_inside(world: World) -> None:
    await world.store.save(KEY, token())
    world.store.abandon(KEY)
    assert await world.inside.load(KEY) is None
