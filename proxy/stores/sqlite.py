"""Records in a database file of this machine: nothing to run beside the proxy, shared by its processes, kept for good.

Theory. SQLite blocks, so that all of it happens on one thread of the store's own, call after call; the event loop only
waits: for its turn as long as those before it are done in time, and then not for longer than `PATIENCE`. Each promise
of the family is one transaction on tables that every process sees (`sqlite_tables`). Whoever listens hears of a
process's own changes as soon as they are made, and of others' at the next look, every `EVERY` seconds, in the order in
which they were made (`sqlite_news`).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, Literal, TypeVar

from proxy.core.settings import DataFile
from proxy.net.runtime import Runtime
from proxy.stores import sqlite_tables as tables
from proxy.stores.base import (
    LEASE,
    Lease,
    Listener,
    News,
    Record,
    Store,
    StoreBusyError,
    StoreError,
    StoreSettings,
    StoreTimeoutError,
)
from proxy.stores.lease import RenewedLease
from proxy.stores.sqlite_file import TRY, DatabaseFile, Job
from proxy.stores.sqlite_news import Watcher
from proxy.stores.sqlite_places import risks_of
from proxy.stores.sqlite_worker import QueueError, Worker

PATIENCE: Final = 2.0
"""Seconds that a call may take from its turn on, waiting for other processes included."""
EVERY: Final = 0.025
"""Seconds between two looks for what others changed."""
SELDOM: Final = 1.0
"""Seconds between two looks at most, while looking fails."""
SWEEP: Final = 600.0
"""Seconds after which a save also forgets what has run out."""

_LATE: Final = "the token database (store.path) does not answer; look after its disk"
_BUSY: Final = "the token database (store.path) has more to do than it can; look after its disk"
_CLOSED: Final = "the token database was closed, for the process takes its leave"

T = TypeVar("T")


class SqliteSettings(StoreSettings):
    """Keep tokens in a database file, for one process or several on one machine."""

    kind: Literal["sqlite"]
    """The store's kind."""
    path: DataFile
    """The file, relative to the configuration; it is made if it is missing, and its directory must exist."""


class Sqlite(Store):
    """One row per record, one per lock that somebody holds, and the last changes."""

    Settings = SqliteSettings

    def __init__(self, settings: SqliteSettings, runtime: Runtime) -> None:
        self._path = settings.path
        self._runtime = runtime
        self._clock = runtime.clock
        self._file = DatabaseFile(settings.path, self._clock.monotonic)
        self._watcher = Watcher(self._file, self._clock.now)
        self._worker = Worker("token-database", self._look)
        self._listeners: list[Listener] = []
        self._swept_at = float("-inf")
        self._gave_up_at = float("-inf")
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Sqlite, {'closed' if self._is_closed else 'in use'}>"

    async def load(self, key: str) -> Record | None:
        """Return the record under that key, with its age, or None."""
        return await self._read(partial(tables.standing, key=key, now=self._clock.now()))

    async def save(self, key: str, record: Record) -> Record:
        """Put the record there if its order is higher than what stands; return what stands afterwards."""
        standing = await self._write(partial(tables.put, key=key, record=record, now=self._clock.now()))
        self._sweep_now_and_then()
        return standing

    async def drop(self, key: str, order: int) -> None:
        """Forget the record unless its order is higher than that."""
        await self._write(partial(tables.forget, key=key, order=order))

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        """Put other data into the record if its data is still `old`."""
        return await self._write(partial(tables.exchange, key=key, old=old, new=new))

    async def keys(self) -> AsyncIterator[str]:
        """Yield every key that has a record."""
        last = ""
        while page := await self._read(partial(tables.keys_after, key=last, now=self._clock.now())):
            for key in page:
                yield key
            last = page[-1]

    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free."""
        if await self._read(lambda db: tables.is_locked(db, key, self._clock.monotonic())):
            return None  # whoever waits for it asks often, and would keep those waiting who write
        owner = secrets.token_hex(16)
        let_go = partial(tables.let_go, key=key, owner=owner)
        try:
            taken_at = await self._write(
                lambda db: now if tables.take(db, key, owner, (now := self._clock.monotonic()) + LEASE, now) else None,
                is_fleeting=True,
            )
        except StoreBusyError:
            raise
        except BaseException:  # whoever asked is gone or knows nothing, and yet the lock may be taken
            self._submit(partial(self._change, let_go, self._clock.monotonic() + LEASE, is_fleeting=True))
            raise
        return None if taken_at is None else self._lease(key, owner, taken_at)

    def _lease(self, key: str, owner: str, taken_at: float) -> Lease:
        def renew() -> Awaitable[bool]:
            until = self._clock.monotonic() + LEASE
            return self._write(partial(tables.prolong, key=key, owner=owner, until=until), is_fleeting=True)

        def let_go() -> Awaitable[None]:
            return self._write(partial(tables.let_go, key=key, owner=owner), is_fleeting=True)

        return RenewedLease(self._runtime, key, taken_at=taken_at, renew=renew, let_go=let_go)

    def listen(self, listener: Listener) -> None:
        """Tell this listener, on the event loop, of every change from now on."""
        self._listeners.append(listener)
        self._loop = asyncio.get_running_loop()
        self._submit(self._look)  # at once: what is loaded after this call is not older than the first look

    async def ping(self) -> None:
        """Find out whether the database can be written to, and whether there is room."""
        await self._write(tables.take_room)
        await self._write(tables.give_room, is_fleeting=True)

    async def risks(self) -> tuple[str, ...]:
        """Return what about the file's place may lose records."""
        return await self._call(lambda _: risks_of(self._path))

    def abandon(self, key: str) -> None:
        """Other processes may need the key; it runs out by itself."""

    async def close(self) -> None:
        """Close the file and end the thread."""
        if not self._is_closed:
            self._is_closed = True
            await self._worker.close(self._file.close, PATIENCE)

    async def _read(self, job: Job[T]) -> T:
        return await self._call(partial(self._ask, job))

    async def _write(self, job: Job[T], *, is_fleeting: bool = False) -> T:
        return await self._call(partial(self._change, job, is_fleeting=is_fleeting))

    async def _call(self, work: Callable[[float], T]) -> T:
        if self._is_closed:
            raise StoreError(_CLOSED)
        try:
            return await self._worker.do(partial(self._begin, work, self._clock.monotonic()), PATIENCE + TRY)
        except QueueError:
            raise StoreBusyError(_BUSY) from None
        except TimeoutError:
            raise StoreTimeoutError(_LATE) from None

    def _submit(self, work: Callable[[], object]) -> None:
        if not self._is_closed:
            self._worker.submit(work)

    def _sweep_now_and_then(self) -> None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if monotonic - self._swept_at >= SWEEP:
            self._swept_at = monotonic
            sweep = partial(tables.sweep, now=now, monotonic=monotonic)
            self._submit(partial(self._change, sweep, monotonic + PATIENCE))

    def _tell(self, news: list[News]) -> None:
        for one in news:
            for listener in self._listeners:
                listener(one)

    # On the thread

    def _begin(self, work: Callable[[float], T], asked_at: float) -> T:
        """Do it until its deadline; what was asked before somebody waited in vain would wait in vain, and is not."""
        if asked_at < self._gave_up_at:
            raise StoreBusyError(_BUSY)
        try:
            return work(self._clock.monotonic() + PATIENCE)
        except StoreTimeoutError:
            self._gave_up_at = self._clock.monotonic()
            raise

    def _ask(self, job: Job[T], deadline: float) -> T:
        done = self._file.read(job, deadline)
        if self._listeners:  # for a thread that is busy has no pauses
            self._look()
        return done

    def _change(self, job: Job[T], deadline: float, *, is_fleeting: bool = False) -> T:
        done = self._file.write(job, deadline, survives=not is_fleeting)
        if self._listeners:
            self._look(own=True)
        return done

    def _look(self, *, own: bool = False) -> None:
        """Look for news, and look again after a while: a longer one while that fails."""
        try:
            news = self._watcher.look(self._clock.monotonic(), own=own)
        except StoreError:  # the watcher will say that we missed something
            self._worker.pause = min(2 * (self._worker.pause or EVERY), SELDOM)
            return
        self._worker.pause = EVERY
        if news:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell, news)
