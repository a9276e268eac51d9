"""What all end-to-end tests need of the machine."""

import resource
from typing import Final

import pytest

DESCRIPTORS: Final = 16_384
"""A thousand callers, their upstream connections, nginx and the token server, all counted."""


@pytest.fixture(scope="session", autouse=True)
def _enough_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
