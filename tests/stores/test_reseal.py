"""After a run every record is the newest key's, whatever others did meanwhile, and what could not be read is named."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, new_key
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import Record, StoreError
from proxy.stores.memory import Memory, MemorySettings
from proxy.stores.redis import Redis, RedisSettings
from proxy.stores.reseal import MOST_NAMED, TRIES, Resealed, Unreadable, reseal, reseal_in
from proxy.stores.sealed import close, open_
from proxy.stores.sqlite import Sqlite, SqliteSettings
from tests.fakes.clock import FakeClock
from tests.fakes.redis import RedisCluster, RedisServer

OLD = Secret(new_key())
NEW = Secret(new_key(after=OLD))
BEFORE, ROTATING, AFTER = Seal([OLD]), Seal([NEW, OLD]), Seal([NEW])
STRANGE = Seal.of_this_process()
KEY, OTHER = "token/billing/0123456789abcdef", "token/stripe/fedcba9876543210"

Meanwhile = Callable[["Store"], Awaitable[object]]


class Store(Memory):
    """Memory in which others may do something between two of our calls."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        super().__init__(MemorySettings(), Runtime(self.clock, lambda name, error: None))
        self.before_swap: list[Meanwhile] = []
        self.swaps = 0

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        self.swaps += 1
        if self.before_swap:
            await self.before_swap.pop(0)(self)
        return await super().swap(key, old, new)

    async def put(self, seal: Seal, key: str = KEY, order: int = 7, plain: bytes = b"planted") -> None:
        await self.save(key, Record(order, close(seal, key, order, plain), 300.0, durable=True))

    async def opened(self, seal: Seal, key: str = KEY) -> bytes:
        record = await self.load(key)
        assert record is not None
        return open_(seal, key, record)


@pytest.fixture
def store() -> Store:
    return Store()


async def test_an_empty_store_is_no_work(store: Store) -> None:
    assert await reseal(store, ROTATING) == Resealed()


async def test_afterwards_the_newest_key_alone_opens_every_record(store: Store) -> None:
    for number in range(100):
        await store.put(BEFORE, f"token/t/{number}", number, b"%d" % number)
    assert await reseal(store, ROTATING) == Resealed(resealed=100)
    assert [await store.opened(AFTER, f"token/t/{number}") for number in range(100)] == [b"%d" % n for n in range(100)]


async def test_nothing_but_the_data_changes(store: Store) -> None:
    await store.put(BEFORE)
    await store.clock.advance(seconds=100)
    await reseal(store, ROTATING)
    record = await store.load(KEY)
    assert record is not None
    assert (record.order, record.age, record.ttl, record.durable) == (7, 100.0, 300.0, True)


async def test_a_second_run_finds_all_done(store: Store) -> None:
    await store.put(BEFORE)
    await store.put(ROTATING, OTHER)
    assert await reseal(store, ROTATING) == Resealed(resealed=1, current=1)
    assert await reseal(store, ROTATING) == Resealed(current=2)
    assert await reseal(store, AFTER) == Resealed(current=2)
    assert store.swaps == 1


async def test_what_cannot_be_opened_is_left_and_named_and_the_rest_is_done(store: Store) -> None:
    await store.put(STRANGE, "token/strange/0")
    await store.put(ROTATING, "token/damaged/0")
    damaged = await store.load("token/damaged/0")
    assert damaged is not None
    await store.swap("token/damaged/0", damaged.data, damaged.data[:-1])
    await store.save("token/moved/0", Record(7, close(ROTATING, KEY, 7, b"planted"), 300.0))
    await store.put(BEFORE)
    done = await reseal(store, ROTATING)
    assert (done.resealed, done.current) == (1, 0)
    assert [(left.key, left.reason.partition(",")[0].partition(";")[0]) for left in done.unreadable] == [
        ("token/strange/0", "was sealed with a key that is not configured"),
        ("token/damaged/0", "is damaged"),
        ("token/moved/0", "is damaged"),
    ]
    assert await store.opened(STRANGE, "token/strange/0") == b"planted"
    assert not done.succeeded
    assert Resealed(1, 1).succeeded


async def test_what_a_replica_saves_meanwhile_is_not_undone(store: Store) -> None:
    async def renew(store: Store) -> None:
        await store.put(BEFORE, order=8, plain=b"renewed")

    await store.put(BEFORE)
    store.before_swap = [renew]
    assert await reseal(store, ROTATING) == Resealed(resealed=1)
    assert await store.opened(AFTER) == b"renewed"


async def test_what_a_replica_sealed_with_the_newest_key_meanwhile_is_current(store: Store) -> None:
    async def renew(store: Store) -> None:
        await store.put(ROTATING, order=8, plain=b"renewed")

    await store.put(BEFORE)
    store.before_swap = [renew]
    assert await reseal(store, ROTATING) == Resealed(current=1)
    assert await store.opened(AFTER) == b"renewed"


async def test_what_is_dropped_meanwhile_stays_away(store: Store) -> None:
    await store.put(BEFORE)
    store.before_swap = [lambda store: store.drop(KEY, 7)]
    assert await reseal(store, ROTATING) == Resealed()
    assert await store.load(KEY) is None


async def test_a_record_that_never_rests_is_left_in_the_end(store: Store) -> None:
    def renewal(order: int) -> Meanwhile:
        return lambda store: store.put(BEFORE, order=order)

    await store.put(BEFORE)
    store.before_swap = [renewal(order) for order in range(8, 108)]
    done = await reseal(store, ROTATING)
    assert done == Resealed(unreadable=(Unreadable(KEY, "changed again and again; run this again"),))
    assert store.swaps == TRIES


async def test_a_store_that_fails_ends_the_run_and_the_next_one_goes_on_from_there(store: Store) -> None:
    async def fail(store: Store) -> None:
        raise StoreError("the store is full")

    async def pass_by(store: Store) -> None:
        """Nothing happens."""

    for number in range(3):
        await store.put(BEFORE, f"token/t/{number}")
    store.before_swap = [pass_by, fail]
    with pytest.raises(StoreError, match="the store is full"):
        await reseal(store, ROTATING)
    assert await reseal(store, ROTATING) == Resealed(resealed=2, current=1)


async def test_keys_are_not_held_all_at_once() -> None:
    class Endless(Store):
        async def keys(self) -> AsyncIterator[str]:
            for number in range(3):
                assert self.swaps == number, "the key before was not dealt with yet"
                await self.put(BEFORE, f"token/t/{number}")
                yield f"token/t/{number}"

    assert await reseal(Endless(), ROTATING) == Resealed(resealed=3)


async def test_a_store_is_opened_and_closed_for_it(tmp_path: Path) -> None:
    settings = SqliteSettings(kind="sqlite", path=tmp_path / "tokens.db")
    for _ in range(2):
        runtime = Runtime(FakeClock(), lambda name, error: None)
        store = Sqlite(settings, runtime)
        await store.save(KEY, Record(7, close(BEFORE, KEY, 7, b"planted"), 300.0))
        await store.close()
    assert await reseal_in(settings, [NEW, OLD]) == Resealed(resealed=1)
    assert await reseal_in(settings, [NEW]) == Resealed(current=1)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        await reseal_in(SqliteSettings(kind="sqlite", path=tmp_path / "none" / "tokens.db"), [NEW])


async def test_every_server_s_records_are_sealed_again_beside_replicas_that_renew_theirs(
    server: RedisServer, cluster: RedisCluster
) -> None:
    for url in (server.url, cluster.url):
        settings = RedisSettings(kind="redis", url=Secret(url))
        runtime = Runtime(SystemClock(), lambda name, error: None)
        replica = Redis(settings, runtime)
        keys = [f"token/t/{number}" for number in range(30)]
        for key in keys:
            await replica.save(key, Record(1, close(BEFORE, key, 1, b"first"), 300.0))
        stopping = asyncio.Event()

        async def renew(stopping: asyncio.Event, replica: Redis, keys: list[str]) -> dict[str, int]:
            orders = dict.fromkeys(keys, 1)
            while not stopping.is_set():
                for key in keys[::3]:
                    orders[key] += 1
                    data = close(ROTATING, key, orders[key], b"renewed")
                    await replica.save(key, Record(orders[key], data, 300.0))
            return orders

        renewing = asyncio.create_task(renew(stopping, replica, keys))
        done = await reseal_in(settings, [NEW, OLD])
        stopping.set()
        orders = await renewing
        assert done.resealed + done.current == len(keys)
        assert done.succeeded
        for key in keys:
            record = await replica.load(key)
            assert record is not None
            assert record.order == orders[key]
            assert open_(AFTER, key, record) == (b"first" if orders[key] == 1 else b"renewed")
        await replica.close()
        await runtime.close()


def test_people_are_told_the_counts_and_the_first_names() -> None:
    assert list(Resealed(3, 12).lines()) == ["sealed again: 3", "already current: 12", "unreadable: 0"]
    many = Resealed(unreadable=tuple(Unreadable(f"token/t/{n}", "is damaged") for n in range(MOST_NAMED + 1)))
    assert list(many.lines())[2:4] == ["unreadable: 21", "  token/t/0 is damaged"]
    assert list(many.lines())[-2:] == ["  token/t/19 is damaged", "  … --json names them all"]
    assert len(list(many.lines())) == 3 + MOST_NAMED + 1
