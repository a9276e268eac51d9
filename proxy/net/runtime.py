"""What every kind is handed at its making: the clock, a way to start tasks, and the one client session."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from proxy.core.clock import Clock


class Runtime:
    """The running process as its parts see it. One per process; it outlives reloads."""

    def __init__(self, clock: Clock, report: Callable[[str, BaseException], None]) -> None:
        self.clock = clock
        self._report = report
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Start a task that is kept referenced, named, and whose failure is reported rather than lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(task.get_name(), error)

    @property
    def tasks(self) -> int:
        """How many spawned tasks are running."""
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
