"""The Redis servers that the stores' tests share: each is started once, and only when a test asks for it."""

from collections.abc import Iterator

import pytest

from tests.fakes.redis import PASSWORD, PERMISSIONS, USER, RedisCluster, RedisSentinel, RedisServer


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    with RedisServer(tls=True) as server:
        server.do("ACL", "SETUSER", USER, "on", f">{PASSWORD}", *PERMISSIONS.split())
        yield server


@pytest.fixture(scope="session")
def shared_sentinel() -> Iterator[RedisSentinel]:
    with RedisSentinel() as sentinel:
        yield sentinel


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """A server that is empty."""
    shared_server.do("FLUSHALL")
    return shared_server


@pytest.fixture
def sentinel(shared_sentinel: RedisSentinel) -> RedisSentinel:
    """A master with a replica and sentinels, empty."""
    shared_sentinel.master.do("FLUSHALL")
    return shared_sentinel


@pytest.fixture
def cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """A cluster that is empty."""
    shared_cluster.do_all("FLUSHALL")
    return shared_cluster
