"""In a cluster each key is asked of the member that has it, wherever it was moved."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stores.base import Change, News, Record, StoreError
from proxy.stores.redis import Redis
from proxy.stores.redis_cluster import SLOTS, slot_and_address, slot_of
from proxy.stores.redis_faults import GoneError, RefusedError
from proxy.stores.redis_link import MOST_TURNS
from proxy.stores.redis_server import Server
from proxy.stores.redis_url import Address
from proxy.stores.redis_wire import Dialing
from tests.compliance.stores import KEY, contents, record
from tests.fakes.redis import PASSWORD, USER, Certificates, RedisCluster, RedisServer, documented_user
from tests.fakes.scripted_redis import ScriptedRedis, by_name
from tests.fakes.until import until
from tests.stores.conftest import Opener

HERE = Server(Address("127.0.0.1", 7000), Dialing(3))


def keys_of(cluster: RedisCluster) -> Iterator[tuple[RedisServer, str]]:
    """Yield a key of each master."""
    found: set[int] = set()
    for number in range(1000):
        key = f"token/spread/{number}"
        master = cluster.master_of(f"{{{key}}}")
        if master.port not in found:
            found.add(master.port)
            yield master, key
        if len(found) == 3:
            return


async def saved_in_the_end(store: Redis, key: str) -> float:
    start, order = time.monotonic(), int(time.time() * 1000)
    async with asyncio.timeout(20):
        while True:
            try:
                await store.save(key, record(order))
            except StoreError:
                await asyncio.sleep(0.05)
            else:
                return time.monotonic() - start


@pytest.mark.parametrize(
    "name", ["", "k", "countersign:{token/billing/1}:record", "{}", "{}k", "a{b", "a}b{", "{a}{b}", "{{a}}", "é{ü}"]
)
def test_slots_are_those_that_redis_counts(cluster: RedisCluster, name: str) -> None:
    assert slot_of(name) == cluster.members[0].do("CLUSTER", "KEYSLOT", name)


@given(st.text(max_size=30))
def test_every_name_has_a_slot(name: str) -> None:
    assert 0 <= slot_of(name) < SLOTS


async def test_keys_are_spread_over_the_members(opened: Opener, cluster: RedisCluster) -> None:
    store = opened(cluster.url)
    keys = dict(keys_of(cluster))
    await asyncio.gather(*(store.save(key, record(data=key.encode())) for key in keys.values()))
    assert {master.do("DBSIZE") for master in keys} == {1}
    listed = store.keys()
    assert sorted([key async for key in listed]) == sorted(keys.values())
    await store.ping()
    assert len(await store.risks()) == 0


async def test_one_seed_is_enough_and_seeds_that_are_gone_are_passed_over(
    opened: Opener, cluster: RedisCluster
) -> None:
    for ports in ([cluster.members[5].port], [1, 2, cluster.members[1].port]):
        store = opened("redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports))
        await store.save(KEY, record())
        assert await contents(store) == (1, record().data)


async def test_a_seed_that_hangs_is_passed_over(opened: Opener, cluster: RedisCluster) -> None:
    async with ScriptedRedis(by_name({b"CLUSTER": None})) as hangs:
        store = opened(f"redis+cluster://127.0.0.1:{hangs.port},127.0.0.1:{cluster.members[0].port}", timeout="400ms")
        await store.save(KEY, record())
        assert await contents(store) == (1, record().data)
        await store.close()


async def test_members_may_be_reached_by_tls(opened: Opener, cluster: RedisCluster, certificates: Certificates) -> None:
    tls = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    store = opened(cluster.tls_url, tls=tls, timeout="2s")
    for _, key in keys_of(cluster):
        await store.save(key, record())
        assert await contents(store, key) == (1, record().data)


async def test_the_documented_user_has_the_rights_that_a_cluster_needs(opened: Opener, cluster: RedisCluster) -> None:
    for member in cluster.members:
        member.do(*documented_user(PASSWORD))
    store = opened(cluster.url, username=USER, password=PASSWORD)
    (source, key), (target, _), (_, _) = keys_of(cluster)
    heard: list[News] = []
    store.listen(heard.append)
    await until(lambda: heard)
    with cluster.moving(slot_of(f"{{{key}}}"), source, target):
        await store.save(key, Record(1, b"data", 60.0, durable=True))
        assert await contents(store, key) == (1, b"data")
    with cluster.moving(slot_of(f"{{{key}}}"), target, source):
        await store.drop(key, 1)
    await store.ping()
    await until(lambda: heard[-1].change is Change.DROPPED)


async def test_a_key_is_followed_while_and_after_its_slot_is_moved(opened: Opener, cluster: RedisCluster) -> None:
    store = opened(cluster.url)
    (source, key), (target, _), (_, _) = keys_of(cluster)
    slot, name = slot_of(f"{{{key}}}"), f"countersign:{{{key}}}:record"
    await store.save(key, record(1))
    with cluster.moving(slot, source, target):
        assert await contents(store, key) == (1, record().data)
        source.do("MIGRATE", "127.0.0.1", target.tls_port, name, 0, 1000)
        assert await contents(store, key) == (1, record().data)
        await store.save(key, record(2))
        lease = await store.acquire(key)
        assert lease is not None
    assert await contents(store, key) == (2, record().data)
    await lease.release()
    assert target.do("EXISTS", name) == 1
    with cluster.moving(slot, target, source):
        target.do("DEL", name)
    assert await contents(store, key) is None


async def test_a_master_that_dies_costs_its_own_keys_until_its_replica_takes_over(
    opened: Opener, cluster: RedisCluster
) -> None:
    store = opened(cluster.url)
    heard: list[News] = []
    store.listen(heard.append)
    (dying, lost), (_, other), (_, _) = keys_of(cluster)
    await store.save(lost, record())
    await store.save(other, record())
    dying.kill()
    try:
        start = time.monotonic()
        with pytest.raises(StoreError, match="refuses the connection"):
            await store.load(lost)
        assert time.monotonic() - start < 0.6
        assert await saved_in_the_end(store, lost) < 15
        heard.clear()
        assert await saved_in_the_end(store, other) < 15
        await saved_in_the_end(store, other)
        await until(lambda: any(news.change in {Change.SAVED, Change.MISSED} for news in heard))
    finally:
        dying.start()
        await asyncio.to_thread(cluster.settle)


async def test_members_that_send_us_to_each_other_are_not_asked_for_ever(opened: Opener) -> None:
    map_ = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n"
    elsewhere = "-MOVED 1 127.0.0.1:{port}\r\n"
    answers: dict[bytes, bytes | None] = {}
    async with ScriptedRedis(by_name(answers)) as one:
        answers[b"CLUSTER"] = map_.format(port=one.port).encode()
        answers[b"EVALSHA"] = elsewhere.format(port=one.port).encode()
        store = opened(f"redis+cluster://127.0.0.1:{one.port}")
        with pytest.raises(StoreError, match="do not agree on who keeps our keys"):
            await store.load(KEY)
        assert [command[0] for command in one.commands].count(b"EVALSHA") == MOST_TURNS
        await store.close()


@pytest.mark.parametrize(
    ("text", "slot", "address"),
    [
        ("3999 127.0.0.1:6381", 3999, Address("127.0.0.1", 6381)),
        ("3999 redis.example:6381", 3999, Address("redis.example", 6381)),
        ("3999 2001:db8::1:6381", 3999, Address("2001:db8::1", 6381)),
        ("3999 :6381", 3999, Address("127.0.0.1", 6381)),
    ],
)
def test_where_a_slot_went_is_read(text: str, slot: int, address: Address) -> None:
    assert slot_and_address(RefusedError("MOVED", text), HERE) == (slot, address)


@pytest.mark.parametrize("text", ["", "planted", "3999", "3999 host", "3999 host:planted", "planted host:1"])
def test_where_a_slot_went_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(GoneError, match="does not say where to"):
        slot_and_address(RefusedError("MOVED", text), HERE)


@pytest.mark.parametrize(
    "answer",
    [
        b"*0\r\n",
        b"+OK\r\n",
        b"*1\r\n$7\r\nplanted\r\n",
        b"*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$7\r\nplanted\r\n$4\r\nport\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-ERR This instance has cluster support disabled\r\n",
    ],
)
async def test_a_map_that_cannot_be_read_is_an_error(opened: Opener, answer: bytes) -> None:
    async with ScriptedRedis(by_name({b"CLUSTER": answer})) as odd:
        store = opened(f"redis+cluster://127.0.0.1:{odd.port}")
        with pytest.raises(StoreError, match="Redis, the cluster at"):
            await store.load(KEY)
        await store.close()
