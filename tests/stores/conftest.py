"""The Redis servers that the stores' tests share, each started once and only when a test asks for it.

What stands on Redis's sockets is tried on both event loops.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from proxy.core.clock import Clock, SystemClock
from proxy.net.runtime import Runtime
from proxy.stores.redis import Redis, RedisSettings
from tests.fakes.loops import BOTH
from tests.fakes.redis import PASSWORD, Certificates, RedisCluster, RedisSentinel, RedisServer, documented_user

ON_SOCKETS: Final = frozenset({"test_redis_link.py"})


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return BOTH if item.path.name in ON_SOCKETS else {"asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def shared_server(certificates: Certificates) -> Iterator[RedisServer]:
    with RedisServer(certificates=certificates) as server:
        server.do(*documented_user(PASSWORD))
        yield server


@pytest.fixture(scope="session")
def shared_sentinel() -> Iterator[RedisSentinel]:
    with RedisSentinel() as sentinel:
        yield sentinel


@pytest.fixture(scope="session")
def shared_cluster(certificates: Certificates) -> Iterator[RedisCluster]:
    with RedisCluster(certificates) as cluster:
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


class Opener:
    """Makes stores that are closed when the test is over: `opened(url, timeout="1s")`."""

    def __init__(self, clock: Clock) -> None:
        self.reports: list[tuple[str, BaseException]] = []
        """What tasks failed with."""
        self.runtime = Runtime(clock, lambda name, error: self.reports.append((name, error)))
        self.stores: list[Redis] = []

    def __call__(self, url: str, **settings: Any) -> Redis:
        record = RedisSettings.model_validate({"kind": "redis", "url": url, **settings})
        self.stores.append(Redis(record, self.runtime))
        return self.stores[-1]


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Stores on the machine's own clock."""
    opener = Opener(SystemClock())
    yield opener
    for store in opener.stores:
        await store.close()
    await opener.runtime.close()
    assert opener.reports == []


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that the test may do anything to."""
    with RedisServer() as server:
        yield server
