"""Waits for what sockets bring about, without guessing how long that takes."""

import asyncio
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 10.0
"""Seconds after which what has not come about has failed."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until that is so; TimeoutError when it does not become so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - whatever makes it so knows nothing of us
            await asyncio.sleep(0)
