"""What all tests of a fleet need of the machine."""

import resource
from collections.abc import Iterator
from typing import Final

import pytest

from tests.fakes import redis
from tests.fakes.redis import RedisSentinel, RedisServer

DESCRIPTORS: Final = 16_384
"""Two thousand callers and as many connections to the API, all in one process."""


@pytest.fixture(scope="session", autouse=True)
def _machine() -> None:
    redis.needed()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


# What can be spent once is not spent on the word of a Redis that is new: so these begin before the first test.


@pytest.fixture(scope="session", autouse=True)
def lasting(_machine: None) -> Iterator[RedisServer]:
    """A Redis that nobody stops."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def mortal(_machine: None) -> Iterator[RedisServer]:
    """A Redis that one test may kill."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def sentinel(_machine: None) -> Iterator[RedisSentinel]:
    """A master, its replica and three sentinels; one test may kill the master."""
    with RedisSentinel() as sentinel:
        yield sentinel
