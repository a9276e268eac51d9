"""A thread that does what blocks, call after call, and in between something of its own.

Theory. What is handed to a `Worker` waits in a queue. The thread starts with the first of it and ends with `close`. In
pauses the thread wakes up by itself and leaves the event loop asleep, which costs half as much. It is a daemon: a disk
that hangs must not keep the process from ending. That it hangs shows in how long it has been at one thing; that a call
waits in a queue that moves does not.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

LONGEST_QUEUE: Final = 10.0
"""Seconds that a call may wait for those before it, if each of them is done in time."""

_now: Final = time.monotonic  # noqa: TID251 - what asyncio waits for passes on this clock too

T = TypeVar("T")


class QueueError(Exception):
    """There is too much to do before."""


class Worker:
    """One thread."""

    def __init__(self, name: str, in_pauses: Callable[[], None]) -> None:
        self._name = name
        self._in_pauses = in_pauses
        self._thread: threading.Thread | None = None
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._at_it_since: float | None = None
        self.pause: float | None = None
        """Seconds without work after which `in_pauses` is called, again and again. None: it is not."""

    async def do(self, work: Callable[[], T], patience: float) -> T:
        """Have it done and return what it returns.

        Args:
            work: is not begun any more once nobody waits for it.
            patience: seconds that it may take, from when the thread takes it up.

        Raises:
            TimeoutError: the thread has been at this, or at something before it, for longer; it may still be done.
            QueueError: there was so much before it that it was not begun, and will not be.
        """
        future = self.submit(work)
        done = asyncio.wrap_future(future)
        given_up_at = _now() + LONGEST_QUEUE
        left = patience
        try:
            while not (await asyncio.wait([done], timeout=left))[0]:
                now, since = _now(), self._at_it_since
                left = patience if since is None else since + patience - now
                if left <= 0.0:
                    raise TimeoutError
                if not future.running():
                    left = min(left, given_up_at - now)
                    if left <= 0.0 and future.cancel():
                        raise QueueError
            return done.result()
        finally:
            future.cancel()
            done.cancel()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have it done some time."""
        future: Future[T] = Future()
        self._queue.put(partial(_settle, future, work))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return future

    async def close(self, last: Callable[[], None], patience: float) -> None:
        """End the thread once it has done everything and that; what is handed to it later is never done."""
        if self._thread is not None:
            done = self.submit(last)
            self._queue.put(None)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.wrap_future(done)
                self._thread.join()  # it has nothing left to do but to return

    def _run(self) -> None:
        while True:
            try:
                settle = self._queue.get(timeout=self.pause)
            except queue.Empty:
                settle = self._in_pauses
            if settle is None:
                return
            self._at_it_since = _now()
            settle()
            self._at_it_since = None


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            future.set_exception(error)
