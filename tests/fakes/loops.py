"""The event loops that sockets of ours are tried on: the one that serves, and Python's own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import uvloop

BOTH: Final[Mapping[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
