"""Gives a server its time to answer, and counts it only while we could have heard the answer.

Theory. A process that is held up (a burst of requests, a machine that gives it no time) finds its timer run out before
it has read what arrived meanwhile, and would take its own silence for the server's. So the time is counted in steps,
between which everything that has arrived is read. A step that ends late says nothing of the server and does not count;
but a process that is always late does not wait for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

STEPS: Final = 5
MOST_STEPS: Final = 15
"""Late ones included."""
LATE: Final = 0.5
"""The part of itself by which a step may end late and still count."""


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator["Patience"]:
    """Give the block that many seconds.

    Raises:
        TimeoutError: they are over, and what is yielded has `expired`.
    """
    async with asyncio.timeout(None) as limit:
        given = Patience(limit, seconds / STEPS)
        try:
            yield given
        finally:
            given.stop()


class Patience:
    """What is left of the time."""

    __slots__ = ("_due", "_late_ones", "_left", "_limit", "_loop", "_next", "_step")

    def __init__(self, limit: asyncio.Timeout, step: float) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._step = step
        self._left, self._late_ones = STEPS, MOST_STEPS - STEPS
        self._begin()

    def expired(self) -> bool:
        """Return True when the time was over before the block."""
        return self._limit.expired()

    def renew(self) -> None:
        """Give the whole time again, from now."""
        self.stop()
        self._left, self._late_ones = STEPS, MOST_STEPS - STEPS
        self._begin()

    def stop(self) -> None:
        """Count no more."""
        self._next.cancel()

    def _begin(self) -> None:
        self._due = self._loop.time() + self._step
        self._next = self._loop.call_at(self._due, self._end)

    def _end(self) -> None:
        if self._late_ones and self._loop.time() > self._due + self._step * LATE:
            self._late_ones -= 1
        else:
            self._left -= 1
        if self._left:
            self._begin()
        else:
            self._limit.reschedule(self._loop.time())
