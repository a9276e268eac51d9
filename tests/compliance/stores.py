"""What every store promises, written once: a kind's test inherits this suite and says how to make the store."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

import pytest

from proxy.stores.base import Change, News, Record, Store

KEY = "token/billing/0123456789abcdef"
OTHER_KEY = "token/stripe/fedcba9876543210"


def record(order: int = 1, data: bytes = b"\x00planted\xff", ttl: float = 300.0) -> Record:
    return Record(order, data, ttl)


async def contents(store: Store, key: str = KEY) -> tuple[int, bytes] | None:
    """Return what stands there, without its age."""
    standing = await store.load(key)
    return None if standing is None else (standing.order, standing.data)


class Ear:
    """Hears what a store tells; `await ear.hears(…)` until it is that."""

    def __init__(self, store: Store) -> None:
        self.heard: list[News] = []
        self._event = asyncio.Event()
        store.listen(self._hear)

    def _hear(self, news: News) -> None:
        self.heard.append(news)
        self._event.set()

    async def hears(self, change: Change, key: str = KEY) -> News:
        """Wait until it was told of that, now or before, and return the last such news."""
        async with asyncio.timeout(10):
            while not (found := [news for news in self.heard if (news.change, news.key) == (change, key)]):
                self._event.clear()
                await self._event.wait()
        return found[-1]


class StoreCompliance(ABC):
    """Inherit as `class TestMyStore(StoreCompliance)` and implement `make`."""

    @abstractmethod
    def make(self) -> Store:
        """Return a store of the kind; each made in one test keeps its records in the same place, empty at first."""

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        store = self.make()
        yield store
        await store.close()

    async def ear(self, store: Store) -> Ear:
        """Return a listener that is known to hear by now."""
        ear = Ear(store)
        order = 1
        async with asyncio.timeout(10):
            while not any(news.key == "token/hello/0" for news in ear.heard):
                await store.save("token/hello/0", record(order))
                order += 1
                await asyncio.sleep(0.02)
        return ear

    # Records

    async def test_nothing_is_stored_at_first(self, store: Store) -> None:
        assert await store.load(KEY) is None

    @pytest.mark.parametrize("data", [b"x", bytes(range(256)) * 64])
    async def test_what_was_saved_is_loaded_whole(self, store: Store, data: bytes) -> None:
        saved = await store.save(KEY, record(7, data))
        assert (saved.order, saved.data) == (7, data)
        assert await contents(store) == (7, data)

    @pytest.mark.parametrize("order", [0, 1, 2**53 - 1])
    async def test_orders_are_kept_exactly(self, store: Store, order: int) -> None:
        await store.save(KEY, record(order))
        standing = await store.load(KEY)
        assert standing is not None
        assert standing.order == order

    async def test_orders_next_to_each_other_are_told_apart_however_large(self, store: Store) -> None:
        await store.save(KEY, record(2**53 - 2, b"before"))
        await store.save(KEY, record(2**53 - 1, b"after"))
        assert await contents(store) == (2**53 - 1, b"after")

    async def test_keys_are_apart(self, store: Store) -> None:
        await store.save(KEY, record())
        assert await store.load(OTHER_KEY) is None

    async def test_a_higher_order_replaces_a_lower_one(self, store: Store) -> None:
        await store.save(KEY, record(1))
        saved = await store.save(KEY, record(2, b"newer"))
        assert (saved.order, saved.data) == (2, b"newer")
        assert await contents(store) == (2, b"newer")

    async def test_a_lower_order_does_not_replace_a_higher_one_and_learns_of_it(self, store: Store) -> None:
        await store.save(KEY, record(2, b"newer"))
        standing = await store.save(KEY, record(1, b"older"))
        assert (standing.order, standing.data) == (2, b"newer")
        assert await contents(store) == (2, b"newer")

    async def test_of_one_order_the_first_stands_and_the_second_learns_of_it(self, store: Store) -> None:
        await store.save(KEY, record(1, b"first"))
        standing = await store.save(KEY, record(1, b"second"))
        assert standing.data == b"first"
        assert await contents(store) == (1, b"first")

    async def test_of_many_saved_at_once_the_highest_stands(self, store: Store) -> None:
        await asyncio.gather(*(store.save(KEY, record(order)) for order in (3, 9, 1, 7, 5)))
        standing = await store.load(KEY)
        assert standing is not None
        assert standing.order == 9

    async def test_a_record_tells_its_age(self, store: Store) -> None:
        await store.save(KEY, record())
        standing = await store.load(KEY)
        assert standing is not None
        assert 0.0 <= standing.age < 30.0

    async def test_a_dropped_record_is_forgotten(self, store: Store) -> None:
        await store.save(KEY, record(2))
        await store.drop(KEY, 2)
        assert await store.load(KEY) is None

    async def test_dropping_a_lower_order_leaves_a_higher_one(self, store: Store) -> None:
        await store.save(KEY, record(2))
        await store.drop(KEY, 1)
        assert await contents(store) == (2, record().data)

    async def test_dropping_what_is_not_there_is_no_error(self, store: Store) -> None:
        await store.drop(KEY, 1)
        assert await store.load(KEY) is None

    async def test_a_dropped_record_can_be_saved_anew_with_any_order(self, store: Store) -> None:
        await store.save(KEY, record(5))
        await store.drop(KEY, 5)
        await store.save(KEY, record(1))
        assert await contents(store) == (1, record().data)

    async def test_a_swap_changes_the_data_alone(self, store: Store) -> None:
        await store.save(KEY, record(4, b"old"))
        assert await store.swap(KEY, b"old", b"new")
        assert await contents(store) == (4, b"new")

    async def test_a_swap_of_what_has_changed_meanwhile_changes_nothing(self, store: Store) -> None:
        await store.save(KEY, record(4, b"other"))
        assert not await store.swap(KEY, b"old", b"new")
        assert not await store.swap(OTHER_KEY, b"old", b"new")
        assert await contents(store) == (4, b"other")
        assert await store.load(OTHER_KEY) is None

    async def test_every_key_with_a_record_is_listed(self, store: Store) -> None:
        wanted = {KEY, OTHER_KEY, *(f"token/many/{number}" for number in range(40))}
        for key in wanted:
            await store.save(key, record())
        await store.save("token/gone/0", record())
        await store.drop("token/gone/0", 1)
        lease = await store.acquire(KEY)
        listed = [key async for key in store.keys()]  # noqa: SIM118 - a store is no dict
        assert lease is not None
        assert sorted(listed) == sorted(wanted)

    # Locks

    async def test_a_lock_has_one_holder(self, store: Store) -> None:
        lease = await store.acquire(KEY)
        assert lease is not None
        assert lease.is_held
        assert await store.acquire(KEY) is None

    async def test_of_many_who_ask_at_once_one_gets_the_lock(self, store: Store) -> None:
        asked = await asyncio.gather(*(store.acquire(KEY) for _ in range(10)))
        assert sum(lease is not None for lease in asked) == 1

    async def test_a_released_lock_can_be_taken_again(self, store: Store) -> None:
        first = await store.acquire(KEY)
        assert first is not None
        await first.release()
        assert not first.is_held
        second = await store.acquire(KEY)
        assert second is not None
        assert second.is_held

    async def test_releasing_twice_takes_the_lock_from_nobody(self, store: Store) -> None:
        first = await store.acquire(KEY)
        assert first is not None
        await first.release()
        second = await store.acquire(KEY)
        await first.release()
        assert second is not None
        assert second.is_held
        assert await store.acquire(KEY) is None

    async def test_the_locks_of_two_keys_are_two(self, store: Store) -> None:
        one, other = await store.acquire(KEY), await store.acquire(OTHER_KEY)
        assert one is not None
        assert other is not None

    async def test_a_lock_is_no_record(self, store: Store) -> None:
        lease = await store.acquire(KEY)
        assert lease is not None
        assert await store.load(KEY) is None
        await store.save(KEY, record(3))
        await lease.release()
        assert await contents(store) == (3, record().data)

    # News

    async def test_who_listens_hears_of_what_is_saved(self, store: Store) -> None:
        ear = await self.ear(store)
        await store.save(KEY, record(3, b"\x00news\xff"))
        told = (await ear.hears(Change.SAVED)).record
        assert told is not None
        assert (told.order, told.data) == (3, b"\x00news\xff")
        assert 0.0 <= told.age < 30.0

    async def test_who_listens_hears_of_what_is_dropped(self, store: Store) -> None:
        ear = await self.ear(store)
        await store.save(KEY, record(1))
        await store.drop(KEY, 1)
        assert (await ear.hears(Change.DROPPED)).record is None

    async def test_who_listens_hears_that_a_lock_is_free(self, store: Store) -> None:
        ear = await self.ear(store)
        lease = await store.acquire(KEY)
        assert lease is not None
        await lease.release()
        assert (await ear.hears(Change.RELEASED)).record is None

    async def test_a_store_can_be_reached(self, store: Store) -> None:
        await store.ping()
        assert all(risk.endswith(".") for risk in await store.risks())

    async def test_a_store_says_for_how_long_it_has_served_what_it_holds(self, store: Store) -> None:
        await store.save(KEY, record())
        before = await store.uptime()
        assert before >= 0.0
        assert await store.uptime() >= before

    async def test_a_store_shows_nothing_of_what_it_keeps(self, store: Store) -> None:
        await store.save(KEY, record(data=b"planted"))
        standing = await store.load(KEY)
        assert "planted" not in repr(store) + repr(standing)
