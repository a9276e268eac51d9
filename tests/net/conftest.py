"""What opens sockets is tried on both event loops."""

import asyncio
from collections.abc import Callable, Mapping

from tests.fakes.loops import BOTH


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return BOTH
