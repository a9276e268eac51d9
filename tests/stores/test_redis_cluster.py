"""In a cluster each key is asked of the member that has it, wherever it was moved."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from proxy.stores.base import Change, News, Record, StoreError
from proxy.stores.redis import Redis
from proxy.stores.redis_cluster import MOST_MOVES, SLOTS, name_in
from proxy.stores.redis_scripts import Keys
from tests.compliance.stores import KEY, contents, record
from tests.fakes.redis import PASSWORD, USER, Certificates, RedisCluster, RedisServer, documented_user
from tests.fakes.scripted_redis import ScriptedRedis, by_name
from tests.fakes.until import until
from tests.stores.conftest import Opener


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
    store = opened(cluster.url, username=USER, password=PASSWORD, timeout="2s")
    (source, key), (target, _), (_, _) = keys_of(cluster)
    heard: list[News] = []
    store.listen(heard.append)
    await until(lambda: heard)
    slot = source.do("CLUSTER", "KEYSLOT", key)
    with cluster.moving(slot, source, target):
        await store.save(key, Record(1, b"data", 60.0, durable=True))
        assert await contents(store, key) == (1, b"data")
    with cluster.moving(slot, target, source):
        await store.drop(key, 1)
        await until(lambda: target.do("CLUSTER", "COUNTKEYSINSLOT", slot) == 0)  # what shows how far replicas follow
    await store.ping()
    await until(lambda: heard[-1].change is Change.DROPPED)


async def test_a_key_is_followed_while_and_after_its_slot_is_moved(opened: Opener, cluster: RedisCluster) -> None:
    store = opened(cluster.url)
    (source, key), (target, _), (_, _) = keys_of(cluster)
    slot, name = source.do("CLUSTER", "KEYSLOT", key), f"countersign:{{{key}}}:record"
    await store.save(key, record(1))
    await asyncio.gather(*(store.load(name) for _, name in keys_of(cluster) for _ in range(8)))  # more connections
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


def test_there_is_a_name_for_every_slot() -> None:
    begun = time.process_time()
    names = [name_in(slot, Keys("countersign").probe) for slot in range(SLOTS)]
    assert (time.process_time() - begun) / SLOTS < 0.001
    assert [key_slot(name.encode()) for name in names] == list(range(SLOTS))
    assert all(name.startswith("countersign:probe:") for name in names)


@pytest.mark.parametrize("slot", [0, 8191, SLOTS - 1])
async def test_a_member_with_one_slot_is_reached_too(opened: Opener, slot: int) -> None:
    answers: dict[bytes, bytes | None] = {b"SET": b"+OK\r\n", b"PING": b"+PONG\r\n"}
    info = b"uptime_in_seconds:7\r\nrun_id:planted\r\n"
    answers[b"INFO"] = b"$%d\r\n%s\r\n" % (len(info), info)
    answers[b"SCAN"] = b"*2\r\n$1\r\n0\r\n*0\r\n"
    async with ScriptedRedis(by_name(answers)) as large, ScriptedRedis(by_name(answers)) as small:
        ranges = [(0, slot - 1, large), (slot, slot, small), (slot + 1, SLOTS - 1, large)]
        lines = [
            b"*3\r\n:%d\r\n:%d\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n" % (first, last, member.port)
            for first, last, member in ranges
            if first <= last
        ]
        answers[b"CLUSTER"] = b"*%d\r\n%s" % (len(lines), b"".join(lines))
        store = opened(f"redis+cluster://127.0.0.1:{large.port}")
        await store.ping()
        assert await store.uptime() == 7
        listed = store.keys()
        assert [key async for key in listed] == []
        for member in (large, small):
            assert {b"SET", b"INFO", b"SCAN"} <= {command[0] for command in member.commands}
        (name,) = (command[1] for command in small.commands if command[0] == b"SET")
        assert key_slot(name) == slot
        await store.close()


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
        assert [command[0] for command in one.commands].count(b"EVALSHA") == 2 * MOST_MOVES
        await store.close()


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
