"""The Redis store keeps the family's promises."""

from typing import Any
from urllib.parse import quote

import pytest

from proxy.core.clock import SystemClock
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.redis import Redis, RedisSettings
from tests.compliance.stores import StoreCompliance
from tests.fakes.redis import PASSWORD, USER, RedisCluster, RedisSentinel, RedisServer


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

    def make(self) -> Store:
        return make(self.cluster.url)
