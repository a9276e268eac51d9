"""The Redis store keeps the family's promises wherever the Redis is, and takes no contradictory settings."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from proxy.core.clock import SystemClock
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.base import Record, Store
from proxy.stores.redis import Redis, RedisSettings
from tests.compliance.stores import KEY, StoreCompliance, record
from tests.fakes.redis import PASSWORD, USER, RedisCluster, RedisSentinel, RedisServer
from tests.fakes.until import until
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
