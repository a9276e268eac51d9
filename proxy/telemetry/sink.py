"""Carries log lines to a file descriptor without ever making the event loop wait.

Theory. `write` only appends to a list. One thread takes the whole list a few times a second and writes it with as few
system calls as possible; when nobody reads the other end, that thread waits, the list grows to its bound, and what
comes after is dropped and counted. Once lines flow again, one of them says how many are missing.
"""

import os
import select
import threading
from collections.abc import Callable
from typing import Final

GATHER: Final = 0.05
"""Seconds that lines are gathered for before they are written together."""
LIMIT: Final = 8 * 1024**2
"""Bytes that may wait to be written."""
FAREWELL: Final = 2.0
"""Seconds that closing waits for the last lines to be read."""


class LogSink:
    """The way out for every line of the log."""

    def __init__(self, descriptor: int, notice: Callable[[int], bytes], *, limit: int = LIMIT) -> None:
        self.dropped = 0
        """Lines that were not written, ever."""
        self._descriptor = os.dup(descriptor)  # ours alone: if the stream is closed, its number goes to somebody else
        self._notice = notice
        self._limit = limit
        self._waiting: list[bytes] = []
        self._size = 0
        self._told = 0
        self._is_torn = False
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._closing = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take a line, newline included, to be written soon. Never waits; drops the line when too many wait."""
        size = len(line)
        with self._lock:
            if self._size + size > self._limit or self._is_closing:
                self.dropped += 1
                return
            self._size += size
            self._waiting.append(line)
            if len(self._waiting) == 1:
                self._filled.set()

    def close(self, patience: float = FAREWELL) -> None:
        """Write what waits, for at most `patience` seconds; what nobody reads by then is lost."""
        self._is_closing = True
        self._closing.set()
        self._filled.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while not self._closing.is_set() or self._waiting:
            self._filled.wait()
            self._closing.wait(GATHER)
            with self._lock:
                lines, self._waiting = self._waiting, []
                self._filled.clear()
            missing = self.dropped - self._told
            if self._deliver(lines) and missing and self._deliver([self._notice(missing)]):
                self._told += missing
            with self._lock:
                self._size -= sum(map(len, lines))
        os.close(self._descriptor)

    def _deliver(self, lines: list[bytes]) -> bool:
        start = b"\n" if self._is_torn else b""
        batch = b"".join([start, *lines])
        done = 0
        try:
            while done < len(batch):
                done += self._write_some(memoryview(batch)[done:])
        except OSError:  # the reader has gone, or the disk is full: serving goes on
            complete = max(0, batch.count(b"\n", 0, done) - len(start))
            with self._lock:
                self.dropped += len(lines) - complete
            self._is_torn = done > 0 and not batch.endswith(b"\n", 0, done)
            return False
        self._is_torn = False
        return True

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # whoever shares the pipe has set it non-blocking
            select.select([], [self._descriptor], [], 1.0)
            return 0
