"""What all tests of a fleet need of the machine."""

import resource
from collections.abc import Iterator
from typing import Final

import pytest

from tests.fakes import redis
from tests.fakes.redis import RedisServer

DESCRIPTORS: Final = 16_384
"""Two thousand callers and as many connections to the API, all in one process."""


@pytest.fixture(scope="session", autouse=True)
def _machine() -> None:
    redis.needed()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


@pytest.fixture(scope="session", autouse=True)
def lasting(_machine: None) -> Iterator[RedisServer]:
    """A Redis that nobody stops; begun early, for what can be spent once is not spent on the word of a new one."""
    with RedisServer() as server:
        yield server
