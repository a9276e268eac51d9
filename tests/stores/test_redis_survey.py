"""Every server is looked at: what it keeps, whether it can be written to, and how it is run."""

import asyncio
from math import inf
from typing import Any

import pytest

from proxy.stores.base import StoreError
from proxy.stores.redis_survey import has_replicas, risks_of_place, risks_of_server
from proxy.stores.redis_url import parse
from tests.compliance.stores import KEY, record
from tests.fakes.redis import RedisCluster, RedisSentinel, RedisServer
from tests.fakes.scripted_redis import Forwarder, ScriptedRedis
from tests.fakes.until import until
from tests.stores.conftest import Opener

EVICTING = "maxmemory-policy allkeys-lru): set maxmemory-policy to noeviction."


@pytest.mark.parametrize(
    ("known", "risky"),
    [
        ({}, []),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, []),
        ({"maxmemory_policy": "noeviction", "maxmemory": 100}, []),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 100}, ["may throw records away"]),
        ({"maxmemory_policy": "volatile-ttl", "maxmemory": 100}, ["may throw records away"]),
        ({"aof_enabled": 0, "connected_slaves": 0}, ["has no append-only file and no replica"]),
        ({"aof_enabled": 1, "connected_slaves": 0}, []),
        ({"aof_enabled": 0, "connected_slaves": 1}, []),
    ],
)
def test_how_a_server_is_run_may_be_a_risk(known: dict[str, Any], risky: list[str]) -> None:
    told = list(risks_of_server("127.0.0.1:6379", known))
    assert len(told) == len(risky)
    assert all(words in sentence and sentence.endswith(".") for words, sentence in zip(risky, told, strict=True))


@pytest.mark.parametrize(
    ("url", "has_password", "risky"),
    [
        ("redis://127.0.0.1", False, []),
        ("unix:///run/redis.sock", False, []),
        ("redis+sentinel://localhost,127.0.0.1/tokens", False, []),
        ("rediss://redis.example", True, []),
        ("rediss+cluster://redis.example", True, []),
        ("redis://redis.example", True, ["use TLS, rediss://."]),
        ("redis+sentinel://127.0.0.1,redis.example/tokens", True, ["use TLS, rediss+sentinel://."]),
        ("redis+cluster://redis.example", True, ["use TLS, rediss+cluster://."]),
        ("rediss://redis.example", False, ["without a password"]),
        ("redis://redis.example", False, ["use TLS", "without a password"]),
    ],
)
def test_the_way_to_redis_may_be_a_risk(url: str, has_password: bool, risky: list[str]) -> None:
    told = list(risks_of_place(parse(url), has_password=has_password))
    assert len(told) == len(risky)
    assert all(words in sentence and sentence.endswith(".") for words, sentence in zip(risky, told, strict=True))


@pytest.mark.parametrize(
    ("replication", "known"),
    [({"connected_slaves": 0}, False), ({"connected_slaves": 2}, True), ({}, True), (StoreError(), True)],
)
def test_replicas_are_known_of_unless_the_server_would_not_say(replication: object, known: bool) -> None:
    assert has_replicas(replication) is known


async def test_a_real_server_tells_its_risks(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url)
    assert [risk.partition(" has ")[2][:26] for risk in await store.risks()] == ["no append-only file and no"]
    own_server.do("CONFIG", "SET", "maxmemory", "100mb")
    own_server.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    own_server.do("CONFIG", "SET", "appendonly", "yes")
    assert [EVICTING in risk for risk in await store.risks()] == [True]


async def test_a_server_that_does_not_say_how_it_is_run_has_no_risks(opened: Opener, server: RedisServer) -> None:
    server.do("ACL", "SETUSER", "silent", "reset", "on", ">pass", "allkeys", "allchannels", "+@all", "-info")
    store = opened(f"redis://silent:pass@127.0.0.1:{server.port}")
    assert await store.risks() == ()
    with pytest.raises(StoreError):
        await opened("redis://127.0.0.1:1").risks()


async def test_servers_with_replicas_are_no_risk(
    opened: Opener, sentinel: RedisSentinel, cluster: RedisCluster
) -> None:
    await asyncio.to_thread(sentinel.settle)
    assert await opened(sentinel.url).risks() == ()
    assert await opened(cluster.url).risks() == ()


async def test_a_ping_leaves_nothing_that_lasts_and_is_no_record(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    await store.save(KEY, record())
    await store.ping()
    listed = store.keys()
    assert [key async for key in listed] == [KEY]
    assert 0 < server.do("PTTL", "countersign:probe:0") <= 1_000


async def test_many_keys_are_listed_once_each(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url, timeout="10s")
    wanted = {f"token/many/{number}" for number in range(2_000)}
    await asyncio.gather(*(store.save(key, record()) for key in wanted))
    server.do("SET", "countersign:{odd\xff", "planted")
    server.do("HSET", b"countersign:{\xff}:record", "order", "1")
    listed = store.keys()
    found = [key async for key in listed]
    assert sorted(found) == sorted(wanted)


async def test_a_key_that_a_server_tells_of_twice_is_listed_once(opened: Opener) -> None:
    name = b"countersign:{token/twice/1}:record"
    page = b"*2\r\n$1\r\n%d\r\n*2\r\n" + b"$%d\r\n%s\r\n" % (len(name), name) * 2
    pages = iter([page % 7, page % 0])
    info = b"=24\r\ntxt:run_id:planted\r\n_:1\r\n\r\n"
    async with ScriptedRedis(lambda command: next(pages) if command[0] == b"SCAN" else info) as redis:
        listed = opened(redis.url).keys()
        assert [key async for key in listed] == ["token/twice/1"]


async def test_a_server_that_cannot_be_written_to_does_not_answer_a_ping(
    opened: Opener, own_server: RedisServer
) -> None:
    store = opened(own_server.url)
    own_server.do("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(StoreError, match="min-replicas-to-write"):
        await store.ping()


async def test_a_server_that_was_restarted_has_served_for_moments(opened: Opener, own_server: RedisServer) -> None:
    store = opened(own_server.url)
    own_server.restart(empty=False)
    assert 0.0 <= await store.uptime() < 30.0
    assert own_server.calls("info") == 1


async def test_the_youngest_of_several_servers_counts(opened: Opener, cluster: RedisCluster) -> None:
    store = opened(cluster.url)
    masters = [member for member in cluster.members if member.do("ROLE")[0] == b"master"]
    uptimes = [int(member.do("INFO", "server")["uptime_in_seconds"]) for member in masters]
    assert abs(await store.uptime() - min(uptimes)) <= 2.0


async def test_a_server_that_does_not_say_since_when_it_serves_has_always_served(
    opened: Opener, server: RedisServer
) -> None:
    server.do("ACL", "SETUSER", "silent", "reset", "on", ">pass", "allkeys", "allchannels", "+@all", "-info")
    assert await opened(f"redis://silent:pass@127.0.0.1:{server.port}").uptime() == inf


async def test_another_server_that_took_over_has_served_since_it_was_noticed(
    opened: Opener, own_server: RedisServer
) -> None:
    with RedisServer() as older:
        async with Forwarder(older.port) as line:
            await until(lambda: older.do("INFO", "server")["uptime_in_seconds"] >= 2)
            store = opened(line.url)
            assert await store.uptime() >= 2.0
            line.target = own_server.port
            older.kill()
            own_server.do("PING")
            first = await store.uptime()
            assert first < 1.0
            assert await store.uptime() >= first
            await store.close()


async def test_keys_that_another_server_would_go_on_listing_are_an_error(
    opened: Opener, own_server: RedisServer
) -> None:
    with RedisServer() as successor:
        async with Forwarder(own_server.port) as line:
            store = opened(line.url, timeout="1s")
            for number in range(1_200):
                own_server.do("HSET", f"countersign:{{token/{number}}}:record", "order", 1)
            listed = store.keys()
            assert await anext(listed)
            line.target = successor.port
            own_server.kill()
            with pytest.raises(StoreError, match="another Redis took over"):
                assert [key async for key in listed] == []
            await store.close()
