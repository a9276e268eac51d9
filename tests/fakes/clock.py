"""A clock that stands still until a test moves it, and wakes its sleepers in the order of their alarms.

In a test: `clock = FakeClock()`, hand it to the code under test, then `await clock.advance(minutes=5)`.
"""

import asyncio
import heapq
import itertools
from typing import Final

from proxy.core.clock import SystemClock

SETTLING_TURNS: Final = 50
"""Turns of the loop given to whoever was woken: enough for a chain of tasks that wake each other."""


class FakeClock:
    """Wall clock and monotonic clock that move together, and only by `advance`; `jump` moves the wall clock alone."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._wall = now
        self._monotonic = 1_000.0
        self._alarms: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return sum(not alarm.done() for _, _, alarm in self._alarms)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        alarm = asyncio.get_running_loop().create_future()
        heapq.heappush(self._alarms, (self._monotonic + seconds, next(self._order), alarm))
        await alarm

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back, as an administrator or NTP does; nobody wakes."""
        self._wall += seconds

    async def advance(self, *, seconds: float = 0.0, minutes: float = 0.0, hours: float = 0.0) -> None:
        """Let that much time pass. Each sleeper wakes at its own instant; the loop runs before the next one does."""
        end = self._monotonic + seconds + 60.0 * minutes + 3600.0 * hours
        await self.settle()
        while self._alarms and self._alarms[0][0] <= end:
            at, _, alarm = heapq.heappop(self._alarms)
            if alarm.done():  # its sleeper was cancelled
                continue
            self._move_to(at)
            alarm.set_result(None)
            await self.settle()
        self._move_to(end)

    async def settle(self) -> None:
        """Let the loop run until everybody who can go on has done so; no time passes."""
        for _ in range(SETTLING_TURNS):
            await asyncio.sleep(0)

    def _move_to(self, monotonic: float) -> None:
        self._wall += monotonic - self._monotonic
        self._monotonic = monotonic


class HurriedClock(SystemClock):
    """Does not wait, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
