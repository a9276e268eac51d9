"""The memory store keeps the family's promises."""

from proxy.core.clock import SystemClock
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.memory import Memory, MemorySettings
from tests.compliance.stores import KEY, OTHER_KEY, StoreCompliance, token


def make() -> Memory:
    return Memory(MemorySettings(), Runtime(SystemClock(), lambda name, error: None))


class TestMemoryStore(StoreCompliance):
    def make(self) -> Store:
        return make()


async def test_locks_that_nobody_holds_are_not_kept() -> None:
    store = make()
    for number in range(100):
        async with store.lock(f"token/{number}"):
            pass
    assert len(store._locks) == 0


async def test_a_closed_store_has_forgotten_everything() -> None:
    store = make()
    await store.save(KEY, token())
    await store.close()
    assert await store.load(KEY) is None


async def test_what_is_abandoned_is_forgotten_and_nothing_else() -> None:
    store = make()
    await store.save(KEY, token(generation=7))
    await store.save(OTHER_KEY, token())
    store.abandon(KEY)
    store.abandon("token/never/stored")
    assert await store.load(KEY) is None
    assert await store.load(OTHER_KEY) == token()


async def test_it_says_how_much_it_keeps() -> None:
    store = make()
    await store.save(KEY, token())
    assert repr(store) == "<Memory, 1 tokens>"
