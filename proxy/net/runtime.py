"""What every kind is handed at its making: the clock, a way to start tasks, and the one client session."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from proxy.core.clock import Clock

T = TypeVar("T")
LANDING: Final = 5.0
"""Seconds that tasks get when the process ends, if somebody was told that what they do will be done."""


class Runtime:
    """The running process as its parts see it. One per process; it outlives reloads."""

    def __init__(self, clock: Clock, report: Callable[[str, BaseException], None]) -> None:
        self.clock = clock
        self._report = report
        self._tasks: set[asyncio.Task[Any]] = set()
        self._landing: set[asyncio.Task[Any]] = set()
        self.closing = asyncio.Event()
        """Set when the process ends: what waits for a better moment has no other any more."""

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str, lands: bool = False) -> asyncio.Task[Any]:
        """Start a task that is kept referenced, named, and whose failure is reported rather than lost.

        `lands`: when the process ends, it is waited for a little while.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        if lands:
            self._landing.add(task)
        task.add_done_callback(self._finished)
        return task

    async def see_through(
        self, work: Coroutine[Any, Any, T], *, name: str, expected: tuple[type[Exception], ...] = ()
    ) -> T:
        """Return what comes of the work, or raise what it does.

        It goes on to its end when whoever waits for it has left, for on its way it spends what cannot be had again; and
        it is to land. Errors that are `expected` are for who waits alone, others are reported, too.
        """

        async def outcome() -> tuple[T] | Exception:
            try:
                return (await work,)
            except expected as error:
                return error

        came: tuple[T] | Exception = await asyncio.shield(self.spawn(outcome(), name=name, lands=True))
        if isinstance(came, Exception):
            raise came
        return came[0]

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._landing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(task.get_name(), error)

    @property
    def tasks(self) -> int:
        """How many spawned tasks are running."""
        return len(self._tasks)

    async def close(self) -> None:
        """Wait a little for what is to land, then cancel what still runs and wait for it."""
        self.closing.set()
        if self._landing:
            await asyncio.wait(self._landing, timeout=LANDING)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
