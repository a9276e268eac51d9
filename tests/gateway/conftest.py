"""What stands on the callers' sockets is tried on both event loops."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.fakes.loops import BOTH

ON_SOCKETS: Final = frozenset({"test_inbound.py", "test_listener.py"})


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return BOTH if item.path.name in ON_SOCKETS else {"asyncio": asyncio.new_event_loop}
