"""What time it is, and how to wait: asked of an object, so that a test can own the answer."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two readings and one wait. Seconds everywhere."""

    def now(self) -> float:
        """Return the wall clock as Unix seconds: for expiries, which other machines also speak of."""

    def monotonic(self) -> float:
        """Return a clock that never jumps: for durations, windows and cool-downs."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long on this clock."""


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; zero and less only yield."""
        await asyncio.sleep(max(0.0, seconds))
