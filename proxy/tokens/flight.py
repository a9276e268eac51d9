"""One piece of work in the air at a time, with any number of callers waiting for its outcome.

Theory. The work is a task of its own: it belongs to nobody who waits, so a caller that is cancelled, the first one
included, leaves it unharmed. Waiting never raises what the work raised; whoever waits learns that there is no outcome.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from proxy.net.runtime import Runtime

T = TypeVar("T")


class Flight(Generic[T]):
    """At most one task, and whoever waits for it."""

    __slots__ = ("_name", "_runtime", "_task")

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self._task: asyncio.Task[T] | None = None

    def __repr__(self) -> str:
        return f"<Flight {self._name}, {'in the air' if self.task else 'landed'}>"

    @property
    def task(self) -> asyncio.Task[T] | None:
        """The work that is in the air, or None."""
        return None if self._task is None or self._task.done() else self._task

    def depart(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin the work. Nothing may be in the air."""
        self._task = self._runtime.spawn(work, name=self._name)
        return self._task


async def land(task: asyncio.Task[T]) -> T | None:
    """Wait for the outcome; None when the work was cancelled or failed with an error of its own (which is reported)."""
    await asyncio.wait((task,))
    return None if task.cancelled() or task.exception() is not None else task.result()
