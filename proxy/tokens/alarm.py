"""Rings once when the time has come, unless it is set anew or stopped before."""

import asyncio
from collections.abc import Callable
from math import isfinite
from typing import Final

from proxy.net.runtime import Runtime

SHORTEST: Final = 0.1
"""Seconds; clocks are not exact, and an alarm that rings a moment too early is set again."""


class Alarm:
    """At most one sleeping task."""

    __slots__ = ("_closed", "_name", "_ring", "_runtime", "_task")

    def __init__(self, runtime: Runtime, name: str, ring: Callable[[], None]) -> None:
        self._runtime = runtime
        self._name = name
        self._ring = ring
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Alarm {self._name}, {'set' if self._task else 'off'}>"

    def set(self, seconds: float) -> None:
        """Ring after that many seconds (inf: never), and not when it was to ring before."""
        self.stop()
        if isfinite(seconds) and not self._closed:
            self._task = self._runtime.spawn(self._sleep(max(seconds, SHORTEST)), name=self._name)

    def stop(self) -> None:
        """Do not ring."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        """Never ring again."""
        self._closed = True
        self.stop()

    async def _sleep(self, seconds: float) -> None:
        await self._runtime.clock.sleep(seconds)
        self._task = None  # whoever is rung for may set it anew, and must not cancel itself
        self._ring()
