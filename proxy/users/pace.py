"""How often each of many has done something lately, in this process: whoever overdoes it has to wait."""

from collections import OrderedDict, deque
from typing import Final

WINDOW: Final = 600.0
"""Seconds that a deed counts."""
REMEMBERED: Final = 10_000


class Pace:
    """Deeds by whose they are. `most`: within the window; None: as many as they like."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._deeds: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, who: str, now: float) -> float:
        """Count one, unless there were too many; return the seconds to wait then, else 0. `now` is monotonic."""
        if self._most is None:
            return 0.0
        deeds = self._deeds.setdefault(who, deque())
        self._deeds.move_to_end(who)
        if len(self._deeds) > REMEMBERED:
            self._deeds.popitem(last=False)
        while deeds and deeds[0] <= now - WINDOW:
            deeds.popleft()
        if len(deeds) >= self._most:
            return deeds[0] + WINDOW - now
        deeds.append(now)
        return 0.0
