"""How many asks went well and how many went wrong lately.

Theory. Time is cut into buckets, a tenth of the window each, numbered from the clock's zero. The current bucket is two
plain numbers; the earlier ones are kept only while the window still reaches their beginning. So a result counts for at
least nine tenths of the window and never longer than the window. Buckets change when somebody looks, not by a timer.
"""

from collections import deque
from math import inf
from typing import Final

BUCKETS: Final = 10


class Window:
    """Counts over the last seconds. Every `now` is monotonic seconds and never smaller than the one before."""

    __slots__ = ("_end", "_failed", "_number", "_passed", "_past", "_width")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._past: deque[tuple[int, int, int]] = deque()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._past.clear()
        self._passed = self._failed = self._number = 0
        self._end = -inf

    def add(self, now: float, *, ok: bool) -> None:
        """Count one result."""
        if now >= self._end:
            self._turn(now)
        if ok:
            self._passed += 1
        else:
            self._failed += 1

    def counts(self, now: float) -> tuple[int, int]:
        """Return how many failed and how many there were, of those that the window still reaches."""
        if now >= self._end:
            self._turn(now)
        failed = self._failed + sum(bucket[2] for bucket in self._past)
        passed = self._passed + sum(bucket[1] for bucket in self._past)
        return failed, failed + passed

    def _turn(self, now: float) -> None:
        """Begin the bucket of that instant and let go of those that the window no longer reaches."""
        if self._passed or self._failed:
            self._past.append((self._number, self._passed, self._failed))
        self._passed = self._failed = 0
        self._number = int(now // self._width)
        self._end = (self._number + 1) * self._width
        while self._past and self._past[0][0] <= self._number - BUCKETS:
            self._past.popleft()
