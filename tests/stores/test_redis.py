"""The Redis store keeps the family's promises wherever it is, takes no contradictory settings, and has real locks."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from proxy.core.clock import SystemClock
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import LEASE, Record, Store, StoreError
from proxy.stores.redis import AFTERWARDS, LEASE_MS, Redis, RedisSettings
from tests.compliance.stores import KEY, StoreCompliance, record
from tests.fakes.clock import FakeClock
from tests.fakes.redis import PASSWORD, USER, RedisCluster, RedisSentinel, RedisServer
from tests.fakes.until import PATIENCE, until
from tests.stores.conftest import Opener

NUMBERS = itertools.count(1)


def make(url: str, **settings: Any) -> Redis:
    record = RedisSettings.model_validate({"url": url, **settings})
    return Redis(record, Runtime(SystemClock(), lambda name, error: None))


class TestRedisByResp3(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    def make(self) -> Store:
        return make(self.server.url)


class TestRedisByResp2(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    def make(self) -> Store:
        return make(self.server.url, protocol=2)


class TestRedisByUnixSocket(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    def make(self) -> Store:
        return make(f"unix://{self.server.socket}?db=3")


class TestRedisAsItsOwnUser(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    def make(self) -> Store:
        return make(f"redis://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.server.port}")


class TestRedisByTls(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    def make(self) -> Store:
        files = self.server.certificates
        assert files is not None
        tls = {"ca": files.ca, "certificate": files.client, "key": files.client_key}
        return make(f"rediss://127.0.0.1:{self.server.tls_port}", tls=tls)


class TestRedisBehindSentinels(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _sentinel(self, sentinel: RedisSentinel) -> None:
        self.sentinel = sentinel

    def make(self) -> Store:
        return make(self.sentinel.url)


class TestRedisCluster(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _cluster(self, cluster: RedisCluster) -> None:
        self.cluster = cluster
        self.prefix = f"test-{next(NUMBERS)}"  # members pass news on when they like: no test hears that of another

    def make(self) -> Store:
        return make(self.cluster.url, prefix=self.prefix)


def settings(**values: Any) -> RedisSettings:
    return RedisSettings.model_validate({"kind": "redis", **values})


def test_a_url_is_all_that_is_needed() -> None:
    record = settings(url="redis://redis.example")
    assert (record.prefix, record.protocol, record.timeout, record.connections) == ("countersign", 3, 0.25, 16)


def test_a_url_that_is_none_is_refused_with_an_example_and_is_not_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(url="redis://user:planted@a.example:port")
    assert "redis+sentinel://host1:26379,host2,host3/SERVICE/0" in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"url": "redis://u:p@a.example", "username": "v"}, "say it once"),
        ({"url": "redis://:p@a.example", "password": "q"}, "say it once"),
        ({"url": "redis://a.example", "tls": {"ca": Path("ca.pem")}}, "write rediss://"),
        ({"url": "redis+cluster://a.example", "tls": {"ca": Path("ca.pem")}}, r"rediss\+cluster://"),
        ({"url": "rediss://a.example", "tls": {"key": Path("key.pem")}}, r"set tls\.certificate too"),
        ({"url": "redis://a.example", "sentinel_password": "p"}, r"for redis\+sentinel://"),
        ({"url": "redis://a.example", "prefix": "a b"}, "pattern"),
        ({"url": "redis://a.example", "prefix": "{a}"}, "pattern"),
        ({"url": "redis://a.example", "timeout": "0s"}, "greater than 0"),
        ({"url": "redis://a.example", "connections": 0}, "greater than 0"),
        ({"url": "redis://a.example", "protocol": 4}, "2 or 3"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**values)


def test_a_password_may_stand_beside_the_url_that_says_the_user() -> None:
    record = settings(url="redis://user@a.example", password="planted")
    assert record.password == Secret("planted")
    assert "planted" not in repr(record)


async def test_a_record_comes_back_with_all_that_it_was_saved_with(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    for wanted in (Record(1, b"data", 60.0), Record(2, b"data", 0.5, durable=True)):
        assert await store.save(KEY, wanted) == wanted
        found = await store.load(KEY)
        assert found is not None
        assert replace(found, age=0.0) == wanted


async def test_a_record_is_gone_when_its_time_is_over(opened: Opener, server: RedisServer) -> None:
    store = opened(server.url)
    await store.save(KEY, record(ttl=0.05))
    await until(lambda: server.do("DBSIZE") == 0)
    assert await store.load(KEY) is None


async def test_saving_what_cannot_be_had_again_waits_for_nobody_where_there_is_no_replica(
    opened: Opener, server: RedisServer
) -> None:
    server.do("CONFIG", "RESETSTAT")
    await opened(server.url).save(KEY, Record(1, b"data", 60.0, durable=True))
    assert server.calls("wait") == 0


async def test_two_stores_are_of_one_mind(opened: Opener, server: RedisServer) -> None:
    one, other = opened(server.url), opened(server.url, protocol=2)
    await one.save(KEY, record(3, b"theirs"))
    assert (await other.save(KEY, record(2, b"ours"))).data == b"theirs"
    lease = await one.acquire(KEY)
    assert lease is not None
    assert await other.acquire(KEY) is None
    await lease.release()
    assert await other.acquire(KEY) is not None


# Locks


NAME = f"countersign:{{{KEY}}}:lock"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock, own_server: RedisServer) -> AsyncIterator[Redis]:
    opener = Opener(clock)
    yield opener(own_server.url, timeout="500ms")
    await opener.stores[0].close()
    await opener.runtime.close()
    assert opener.reports == []


async def renewal(clock: FakeClock) -> None:
    """Let it be time to renew a lease."""
    await clock.advance(seconds=LEASE / 3)


async def know_the_script(store: Redis) -> None:
    """Let the server have heard the script that takes a lock."""
    lease = await store.acquire("token/other/1")
    assert lease is not None
    await lease.release()


async def test_a_lock_runs_out_when_its_holder_is_gone(store: Redis, own_server: RedisServer) -> None:
    assert await store.acquire(KEY) is not None
    assert 0 < own_server.do("PTTL", NAME) <= LEASE_MS
    own_server.do("PEXPIRE", NAME, 1)
    await until(lambda: own_server.do("EXISTS", NAME) == 0)
    assert await store.acquire(KEY) is not None


async def test_a_lock_is_renewed_while_it_is_held(store: Redis, own_server: RedisServer, clock: FakeClock) -> None:
    lease = await store.acquire(KEY)
    assert lease is not None
    own_server.do("PEXPIRE", NAME, 5_000)
    await renewal(clock)
    await until(lambda: own_server.do("PTTL", NAME) > 5_000)
    assert lease.is_held


async def test_a_lock_is_lost_when_redis_comes_back_empty(
    store: Redis, own_server: RedisServer, clock: FakeClock
) -> None:
    lease = await store.acquire(KEY)
    assert lease is not None
    own_server.restart(empty=True)
    assert lease.is_held
    await renewal(clock)
    await until(lambda: not lease.is_held)
    assert await store.acquire(KEY) is not None


async def test_a_lock_is_kept_when_redis_comes_back_with_its_data(clock: FakeClock) -> None:
    opener = Opener(clock)
    with RedisServer("appendonly yes") as server:
        store = opener(server.url)
        lease = await store.acquire(KEY)
        assert lease is not None
        server.restart(empty=False)
        server.do("PEXPIRE", NAME, 5_000)
        await renewal(clock)
        await until(lambda: server.do("PTTL", NAME) > 5_000)
        assert lease.is_held
        assert await store.acquire(KEY) is None
        await store.close()
    await opener.runtime.close()


async def test_a_lock_that_another_took_is_neither_renewed_nor_freed(
    store: Redis, own_server: RedisServer, clock: FakeClock
) -> None:
    lease, other = await store.acquire(KEY), await store.acquire("token/other/1")
    assert lease is not None
    assert other is not None
    own_server.do("SET", NAME, "another", "PX", 5_000)
    await renewal(clock)
    await until(lambda: not lease.is_held)
    await lease.release()
    assert own_server.do("GET", NAME) == b"another"
    assert own_server.do("PTTL", NAME) <= 5_000
    assert other.is_held


async def test_a_lock_that_cannot_be_renewed_is_held_until_its_lease_is_over(
    store: Redis, own_server: RedisServer, clock: FakeClock
) -> None:
    lease = await store.acquire(KEY)
    assert lease is not None
    own_server.kill()
    await clock.advance(seconds=LEASE - 0.1)
    assert lease.is_held
    await clock.advance(seconds=0.2)
    assert not lease.is_held


async def test_letting_go_while_redis_is_down_is_an_error_and_the_lease_is_over(
    store: Redis, own_server: RedisServer
) -> None:
    lease = await store.acquire(KEY)
    assert lease is not None
    own_server.kill()
    with pytest.raises(StoreError):
        await lease.release()
    assert not lease.is_held


async def test_a_lock_whose_taking_was_never_answered_is_freed_soon(
    store: Redis, own_server: RedisServer, clock: FakeClock
) -> None:
    await know_the_script(store)
    with own_server.paused(), pytest.raises(StoreError):
        await store.acquire(KEY)
    await until(lambda: own_server.do("EXISTS", NAME) == 1)  # it was heard all the same
    await clock.advance(seconds=AFTERWARDS)
    async with asyncio.timeout(LEASE / 2):  # not by running out
        await until(lambda: own_server.do("EXISTS", NAME) == 0)
    assert await store.acquire(KEY) is not None


async def test_a_lock_whose_taker_left_is_freed_soon(store: Redis, own_server: RedisServer, clock: FakeClock) -> None:
    await know_the_script(store)
    own_server.pause()
    taking = asyncio.create_task(store.acquire(KEY))
    await asyncio.sleep(0.05)
    taking.cancel()
    await asyncio.wait([taking])
    own_server.resume()
    await until(lambda: own_server.do("EXISTS", NAME) == 1)
    await clock.advance(seconds=AFTERWARDS)
    async with asyncio.timeout(LEASE / 2):  # not by running out
        await until(lambda: own_server.do("EXISTS", NAME) == 0)
    assert taking.cancelled()


async def test_freeing_what_may_be_ours_ends_with_the_lease(
    store: Redis, own_server: RedisServer, clock: FakeClock
) -> None:
    own_server.kill()
    with pytest.raises(StoreError):
        await store.acquire(KEY)
    async with asyncio.timeout(PATIENCE):
        while store._runtime.tasks:
            await clock.advance(seconds=AFTERWARDS)
            await asyncio.sleep(0)
    assert clock.sleepers == 0
