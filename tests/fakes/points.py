"""The points that a process passes on its way, as those see it that it talks to; at each of them a test may intervene.

Whoever stands between the process and the world calls `reach` with the point's name. In a test: `points.watch()`, then
`points.at("before save", proxy.kill)`. A name that comes again is numbered: "before save 2".
"""

from collections import Counter
from collections.abc import Awaitable, Callable

Action = Callable[[], Awaitable[object]]


class GoneError(Exception):
    """Whoever was on the way was ended here: nothing more is passed on."""


class Points:
    """Those of one process. Until `watch`, and after the end of the process, nothing is noted and nothing happens."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        """In the order in which they were reached."""
        self._actions: dict[str, tuple[Action, bool]] = {}
        self._counts: Counter[str] = Counter()
        self._watching = False

    def watch(self) -> None:
        """Note what is reached from now on, and that alone."""
        self._watching = True
        self.seen.clear()
        self._counts.clear()

    def at(self, point: str, action: Action, *, is_the_end: bool = False) -> None:
        """Do that when the point is reached; what waits there goes on afterwards, unless it `is_the_end`."""
        self._actions[point] = (action, is_the_end)

    async def reach(self, name: str) -> None:
        """Note the point, and do what is to be done there.

        Raises:
            GoneError: the process was ended here.
        """
        if not self._watching:
            return
        self._counts[name] += 1
        count = self._counts[name]
        point = name if count == 1 else f"{name} {count}"
        self.seen.append(point)
        action, is_the_end = self._actions.pop(point, (None, False))
        if is_the_end:
            self._watching = False
        if action is not None:
            await action()
        if is_the_end:
            raise GoneError
