"""The memory store keeps the family's promises."""

from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.memory import Memory, MemorySettings
from tests.compliance.stores import KEY, OTHER_KEY, StoreCompliance, contents, record
from tests.fakes.clock import FakeClock


def make(clock: FakeClock | None = None) -> Memory:
    return Memory(MemorySettings(), Runtime(clock or FakeClock(), lambda name, error: None))


class TestMemoryStore(StoreCompliance):
    def make(self) -> Store:
        return make()


async def test_locks_that_nobody_holds_are_not_kept() -> None:
    store = make()
    for number in range(100):
        lease = await store.acquire(f"token/{number}")
        assert lease is not None
        await lease.release()
    assert len(store._leases) == 0


async def test_a_closed_store_has_forgotten_everything() -> None:
    store = make()
    await store.save(KEY, record())
    await store.close()
    assert await store.load(KEY) is None


async def test_what_is_abandoned_is_forgotten_and_nothing_else() -> None:
    store = make()
    await store.save(KEY, record(7))
    await store.save(OTHER_KEY, record())
    store.abandon(KEY)
    store.abandon("token/never/stored")
    assert await store.load(KEY) is None
    assert await contents(store, OTHER_KEY) == (1, record().data)


async def test_a_record_ages_and_is_forgotten_at_the_end_of_its_time() -> None:
    clock = FakeClock()
    store = make(clock)
    await store.save(KEY, record(ttl=60.0))
    await clock.advance(seconds=59)
    standing = await store.load(KEY)
    assert standing is not None
    assert standing.age == 59.0
    await clock.advance(seconds=1)
    assert await store.load(KEY) is None
    assert [key async for key in store.keys()] == []  # noqa: SIM118 - a store is no dict


async def test_it_says_how_much_it_keeps() -> None:
    store = make()
    await store.save(KEY, record())
    assert repr(store) == "<Memory, 1 records>"
