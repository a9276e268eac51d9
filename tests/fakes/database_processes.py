"""Real processes that share one token database, and can be killed at any instant.

They are forked from a process that has imported everything, so that one is there within milliseconds. In a test:
`with Process(write, path, 1) as process: process.says()`; leaving the block kills it with SIGKILL.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from proxy.core.clock import SystemClock
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, News, Record
from proxy.stores.sqlite import Sqlite, SqliteSettings
from tests.fakes.forks import FORKS

PATIENCE: Final = 20.0
"""Seconds within which a process says what it has to say, on a machine that is busy with other things."""
LOCKED: Final = "token/locked/0"
KEYS: Final = 5
"""How many keys `write` writes to in turn."""

Say = Callable[[Any], None]


class Process:
    """One process that does one thing."""

    def __init__(self, does: Callable[..., Coroutine[Any, Any, None]], path: Path, *args: Any) -> None:
        self._hearing, saying = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_run, args=(does, path, saying, args), daemon=True)
        self._process.start()
        saying.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._hearing.close()

    def says(self) -> Any:
        """Return the next thing that it says.

        Raises:
            EOFError: it is gone and had nothing more to say.
        """
        if not self._hearing.poll(PATIENCE):
            raise TimeoutError
        return self._hearing.recv()

    def says_within(self, seconds: float) -> list[Any]:
        """Return what it says in that time."""
        said, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._hearing.poll(left):
            said.append(self._hearing.recv())
        return said

    def rest(self) -> list[Any]:
        """Return what it says until it is gone."""
        said = []
        while True:
            try:
                said.append(self.says())
            except EOFError:
                return said

    def kill(self) -> None:
        """End it where it stands: SIGKILL."""
        self._process.kill()
        self._process.join()


def _run(does: Callable[..., Coroutine[Any, Any, None]], path: Path, saying: Connection, args: tuple[Any, ...]) -> None:
    async def run() -> None:
        store = Sqlite(
            SqliteSettings(kind="sqlite", path=path), Runtime(SystemClock(), lambda name, error: saying.send(name))
        )
        await does(store, saying.send, *args)
        await store.close()

    asyncio.run(run())


async def write(store: Sqlite, say: Say, first: int) -> None:
    """Say when it begins, save ever higher orders under a few keys, and say which once each is saved."""
    say("begins")
    for order in count(first):
        key = f"token/{order % KEYS}"
        await store.save(key, Record(order, _data(order), 300.0, durable=True))
        say((key, order))


def _data(order: int) -> bytes:
    return b"%d;" % order * 300


async def report(store: Sqlite, say: Say, keys: list[str]) -> None:
    """Say which orders stand under those keys, and whether data and order belong together."""
    found = {}
    for key in keys:
        record = await store.load(key)
        found[key] = record.order if record is not None and record.data == _data(record.order) else None
    say(found)


async def add_up(store: Sqlite, say: Say, times: int) -> None:
    """Add one to a number that all processes share, so many times, each under the lock; say when that is done."""
    for _ in range(times):
        lease = await _locked(store)
        there = await store.load(LOCKED)
        number = int(there.data) if there else 0
        await asyncio.sleep(0)
        await store.save(LOCKED, Record(there.order + 1 if there else 1, b"%d" % (number + 1), 300.0))
        assert lease.is_held
        await lease.release()
    say("done")


async def _locked(store: Sqlite) -> Lease:
    while True:
        if (lease := await store.acquire(LOCKED)) is not None:
            return lease
        await asyncio.sleep(0.001)


async def offer(store: Sqlite, say: Say, name: bytes, orders: int) -> None:
    """Save each order up to that under one key, as others do too; say each time what stands afterwards."""
    for order in range(1, orders + 1):
        standing = await store.save("token/offered/0", Record(order, name, 300.0))
        say((standing.order, standing.data))


async def hold(store: Sqlite, say: Say) -> None:
    """Take the lock and keep it; say so."""
    await _locked(store)
    say("held")
    await asyncio.Event().wait()


async def listen(store: Sqlite, say: Say) -> None:
    """Say of each piece of news which it is and when it was heard."""

    def hear(news: News) -> None:
        say((news.change.value, news.key, news.record.order if news.record else None, time.monotonic()))

    store.listen(hear)
    await store.ping()
    say("listens")
    await asyncio.Event().wait()
