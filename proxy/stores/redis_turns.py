"""Turns: so many questions at a time are asked, the others wait in a row, first come, first served.

Theory. A turn that is given back goes to the first in the row, so that one is free only when nobody waits. A row that
moves is worth waiting in. One that does not is sent away as a whole: what held up those at its head would hold up each
of the others in its turn.
"""

import asyncio
from collections import deque


class Turns:
    """For one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._row: deque[asyncio.Future[bool]] = deque()

    def __repr__(self) -> str:
        return f"<Turns, {self._free} free, {len(self._row)} waiting>"

    async def take(self, patience: float) -> bool:
        """Wait for a turn, for that many seconds at most; whoever has one gives it back. False: there was none."""
        if self._free:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._row.append(turn)
        timer = loop.call_later(patience, _refuse, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():  # it came in the very moment in which nobody wanted it any more
                self.give_back()
            raise
        finally:
            timer.cancel()

    def give_back(self) -> None:
        """Let the next one begin."""
        while self._row:
            turn = self._row.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._free += 1

    def send_away(self) -> None:
        """Let nobody in the row wait any longer."""
        for turn in self._row:
            _refuse(turn)
        self._row.clear()


def _refuse(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)
