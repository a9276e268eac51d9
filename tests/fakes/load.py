"""Callers at a steady rate, whatever becomes of their requests: each request begins when its time has come.

In a test: `async with Load(fleet, ("billing",), rate=500) as load: await load.reach(5.0); ...; await load.reach(30.0)`,
and afterwards `load.failures`, `load.count` and `load.slowest`. Connections are kept and used again. Leaving the block
waits for what is under way.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from tests.fakes.fleet import PATIENCE, Fleet, request
from tests.fakes.process import Proxy
from tests.fakes.raw_client import NoAnswerError, RawClient

TICK: Final = 0.01
"""Seconds between two looks at whose time has come."""


class Load:
    """Asks the replicas in turn, each for the credentials in turn; `rate` is in requests per second."""

    def __init__(self, fleet: Fleet, credentials: Sequence[str], *, rate: float) -> None:
        self.count = 0
        """How many requests have begun."""
        self.failures: list[str] = []
        """What came instead of the API's answer."""
        self.slowest = 0.0
        """Seconds that the slowest answer took."""
        self._turns = itertools.cycle(itertools.product(credentials, fleet.replicas))
        self._rate = rate
        self._idle: dict[Proxy, deque[RawClient]] = {replica: deque() for replica in fleet.replicas}
        self._under_way: set[asyncio.Task[None]] = set()
        self._began = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._progress = asyncio.Event()

    async def reach(self, seconds: float) -> None:
        """Return once as much has been asked as belongs to that many seconds."""
        while self.count < seconds * self._rate:
            self._progress.clear()
            await self._progress.wait()

    async def __aenter__(self) -> Self:
        self._began = time.monotonic()
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ticking is not None
        self._ticking.cancel()
        await asyncio.gather(self._ticking, *self._under_way, return_exceptions=True)
        for client in itertools.chain.from_iterable(self._idle.values()):
            client.abort()

    async def _tick(self) -> None:
        while True:
            due = int((time.monotonic() - self._began) * self._rate)
            for _ in range(due - self.count):
                task = asyncio.create_task(self._ask(*next(self._turns)))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            self.count = due
            self._progress.set()
            await asyncio.sleep(TICK)

    async def _ask(self, credential: str, replica: Proxy) -> None:
        began = time.monotonic()
        idle = self._idle[replica]
        try:
            client = idle.pop() if idle else await RawClient(replica.port).__aenter__()
            await client.send(request(credential))
            answer = await client.answer(deadline=PATIENCE)
        except (NoAnswerError, OSError) as error:
            self.failures.append(f"{credential}: {error!r}")
            return
        idle.append(client)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status != 200:
            self.failures.append(f"{credential}: {answer.status} {answer.body!r}")
